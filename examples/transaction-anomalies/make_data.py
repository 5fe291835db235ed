"""Make the card payments of an invented bank: 20,000 rows, of which 120 are not as they should be.

Most rows carry no label: nobody has looked at them. 300 were checked (column ``checked``: ``ok`` or
``fraud``). Four kinds of fraud are planted (``fraud``): many small payments at night, one large
payment far from home, a shop that the card was never at with an odd amount, and a stolen card that
pays in another currency within minutes.
"""

from __future__ import annotations

import csv
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

ROWS, FRAUDS, CHECKED, SEED = 20_000, 120, 300, 3
SHOPS = ("food", "fuel", "travel", "clothes", "online", "health")


def main() -> None:
    here = Path(__file__)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else here.with_name("payments.csv")
    rng = np.random.default_rng(SEED)
    is_fraud = np.zeros(ROWS, bool)
    is_fraud[rng.choice(ROWS, FRAUDS, replace=False)] = True
    is_checked = np.zeros(ROWS, bool)
    is_checked[rng.choice(ROWS, CHECKED, replace=False)] = True
    is_checked[rng.choice(np.flatnonzero(is_fraud), 40, replace=False)] = True
    rows = [payment(number, bool(is_fraud[number]), rng) for number in range(ROWS)]
    for number, row in enumerate(rows):
        row["checked"] = ("fraud" if is_fraud[number] else "ok") if is_checked[number] else ""
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{target}: {ROWS} payments, {int(is_checked.sum())} of them checked")


def payment(number: int, is_fraud: bool, rng: np.random.Generator) -> dict[str, object]:
    """One row, honest or not."""
    minutes = int(number * 60 * 24 * 60 / ROWS)
    at = datetime(2025, 3, 1) + timedelta(minutes=minutes)
    hour = int(rng.normal(14, 4)) % 24
    row: dict[str, object] = {
        "at": at.replace(hour=hour).isoformat(),
        "shop": str(rng.choice(SHOPS, p=[0.35, 0.15, 0.08, 0.12, 0.22, 0.08])),
        "amount": round(float(rng.lognormal(3.2, 0.8)), 2),
        "currency": str(rng.choice(["EUR", "GBP", "USD"], p=[0.9, 0.06, 0.04])),
        "km_from_home": round(float(rng.exponential(12.0)), 1),
        "minutes_since_last": int(rng.exponential(900.0)) + 1,
        "payments_today": int(rng.poisson(1.2)) + 1,
        "new_shop": "yes" if rng.random() < 0.2 else "no",
    }
    return fraud(row, int(rng.integers(4)), rng) if is_fraud else row


def fraud(row: dict[str, object], kind: int, rng: np.random.Generator) -> dict[str, object]:
    """The row as one of four kinds of fraud."""
    night = str(row["at"])[:11] + f"{int(rng.integers(1, 5)):02d}" + str(row["at"])[13:]
    changed: dict[str, object] = (
        {"at": night, "amount": round(float(rng.uniform(1, 5)), 2), "minutes_since_last": 2,
         "payments_today": int(rng.integers(12, 30))},
        {"amount": round(float(rng.uniform(900, 4000)), 2),
         "km_from_home": round(float(rng.uniform(400, 9000)), 1)},
        {"shop": "online", "new_shop": "yes", "amount": float(rng.choice([499.99, 999.99])),
         "payments_today": int(rng.integers(4, 9))},
        {"currency": "USD", "minutes_since_last": int(rng.integers(1, 6)), "new_shop": "yes",
         "km_from_home": round(float(rng.uniform(1500, 9000)), 1)},
    )[kind]  # fmt: skip
    return row | changed


if __name__ == "__main__":
    main()
