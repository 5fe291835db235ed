"""Make the customers of an invented telephone company: 3,000 contracts, and who left.

The rule (``leaving``): contracts by the month leave, and so do dear ones and those who called the
help line often; the first months are the most dangerous. What somebody paid in all is nearly what
they pay a month times the months, as in every such table, and is blank for the newest customers.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

ROWS, SEED = 3000, 11
CONTRACTS = {"month-to-month": 0.9, "one year": -0.8, "two years": -2.0}
PAYMENTS = {
    "electronic check": 0.4,
    "bank transfer": -0.1,
    "credit card": -0.1,
    "mailed check": 0.0,
}
SERVICES = ("fibre", "dsl", "none")


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("customers.csv")
    rng = np.random.default_rng(SEED)
    rows = [customer(number, rng) for number in range(ROWS)]
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{target}: {ROWS} customers")


def customer(number: int, rng: np.random.Generator) -> dict[str, object]:
    """One row."""
    contract = str(rng.choice(list(CONTRACTS), p=[0.55, 0.21, 0.24]))
    months = int(min(rng.exponential(24.0 if contract == "month-to-month" else 45.0), 72))
    internet = str(rng.choice(SERVICES, p=[0.44, 0.34, 0.22]))
    monthly = 20.0 + 45.0 * (internet == "fibre") + 22.0 * (internet == "dsl") + rng.gamma(2.0, 6.0)
    calls = int(rng.poisson(0.8))
    payment = str(rng.choice(list(PAYMENTS)))
    chance = 1 / (1 + np.exp(-leaving(contract, months, monthly, calls, payment)))
    return {
        "customer": f"C{number:05d}",
        "contract": contract,
        "months": months,
        "internet": internet,
        "payment": payment,
        "help_calls": calls,
        "senior": "Yes" if rng.random() < 0.16 else "No",
        "partner": "Yes" if rng.random() < 0.48 else "No",
        "monthly": round(float(monthly), 2),
        "total": " " if months == 0 else round(float(monthly * months * rng.normal(1, 0.03)), 2),
        "left": "Yes" if rng.random() < chance else "No",
    }


def leaving(contract: str, months: int, monthly: float, calls: int, payment: str) -> float:
    """Log-odds of leaving."""
    told = -1.9 + CONTRACTS[contract] + PAYMENTS[payment] + 0.02 * (monthly - 60) + 0.35 * calls
    return told + 1.2 * np.exp(-months / 6.0)


if __name__ == "__main__":
    main()
