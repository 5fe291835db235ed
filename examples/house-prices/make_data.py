"""Make the sales of an invented town: 3,000 houses, and what they were sold for.

The rule (``price``): area, district and year of building make the price, a garden adds more to a
large house than to a small one, and prices rise by 3 % a year. The agent's fee is 2 % of the price,
so a model that may read it learns nothing else: a leak, planted to be found.
"""

from __future__ import annotations

import csv
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np

ROWS, SEED = 3000, 5
DISTRICTS = {"Old Town": 1.35, "Riverside": 1.2, "Mill Hill": 1.0, "Station": 0.85, "East": 0.75}


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("sales.csv")
    rng = np.random.default_rng(SEED)
    rows = [sale(number, rng) for number in range(ROWS)]
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{target}: {ROWS} sales")


def sale(number: int, rng: np.random.Generator) -> dict[str, object]:
    """One row."""
    sold = date(2019, 1, 1) + timedelta(days=int(rng.integers(0, 5 * 365)))
    area = float(rng.gamma(9.0, 14.0))
    built = int(rng.integers(1890, 2019))
    district = str(rng.choice(list(DISTRICTS)))
    garden = float(rng.gamma(1.2, 150.0)) if rng.random() < 0.6 else 0.0
    paid = price(area, built, district, garden, sold) * float(rng.lognormal(0.0, 0.08))
    return {
        "sold_on": sold.isoformat(),
        "district": district,
        "area": round(area, 1),
        "rooms": max(1, int(round(area / 28 + rng.normal(0, 0.6)))),
        "built": "" if rng.random() < 0.05 else built,
        "garden": round(garden),
        "heating": str(rng.choice(["gas", "oil", "pump"])),
        "agent_fee": round(0.02 * paid, 2),
        "price": round(paid, -2),
    }


def price(area: float, built: int, district: str, garden: float, sold: date) -> float:
    """The price without luck."""
    base = 900.0 * area * DISTRICTS[district] * (0.8 + 0.004 * max(built - 1950, 0))
    years = (sold - date(2019, 1, 1)).days / 365
    return (40_000 + base + 0.6 * garden * area) * 1.03**years


if __name__ == "__main__":
    main()
