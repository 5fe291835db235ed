"""Make the applicants of an invented lender: 4,000 loans, and whether they were repaid.

The rule behind them is written down here (``risk``), so that what a model finds can be compared
with what is there: debt beside income, past delays, few years in a job, and a purpose weigh; a long
term hurts only where the debt is high. Sex plays no part in it, but incomes of the two differ, so a
model that reads income treats them differently: that is what the limits on fairness are for.
"""

from __future__ import annotations

import csv
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np

ROWS, SEED = 4000, 7
PURPOSES = {"car": 0.0, "home": -0.3, "education": 0.1, "business": 0.7, "debt": 0.5}
HOMES = ("rent", "own", "mortgage", "family")


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("loans.csv")
    rng = np.random.default_rng(SEED)
    with target.open("w", encoding="utf-8", newline="") as stream:
        rows = [applicant(number, rng) for number in range(ROWS)]
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{target}: {ROWS} applicants")


def applicant(number: int, rng: np.random.Generator) -> dict[str, object]:
    """One row; some cells are left empty, as on real forms."""
    sex = "female" if rng.random() < 0.48 else "male"
    age = int(rng.integers(19, 71))
    income = rng.lognormal(10.4 + 0.01 * min(age - 19, 30) - 0.12 * (sex == "female"), 0.45)
    amount = rng.lognormal(9.3, 0.6)
    years = float(min(rng.exponential(5.0), age - 18))
    delays = int(rng.poisson(0.5))
    months = int(rng.choice([12, 24, 36, 48, 60]))
    purpose = str(rng.choice(list(PURPOSES)))
    chance = 1 / (1 + np.exp(-risk(income, amount, years, delays, months, purpose)))
    applied = date(2024, 1, 1) + timedelta(days=int(number * 700 / ROWS))
    return {
        "application": f"A-{number:05d}",
        "applied_on": applied.isoformat(),
        "age": age,
        "sex": sex,
        "home": str(rng.choice(HOMES)),
        "income": "" if rng.random() < 0.04 else f"{income:,.0f}",
        "years_in_job": "?" if rng.random() < 0.06 else round(years, 1),
        "amount": round(float(amount), 2),
        "months": months,
        "purpose": purpose,
        "past_delays": delays,
        "defaulted": "yes" if rng.random() < chance else "no",
    }


def risk(
    income: float, amount: float, years: float, delays: int, months: int, purpose: str
) -> float:
    """Log-odds of a default."""
    debt = amount / income
    told = -2.6 + 2.2 * min(debt, 2.0) + 0.7 * delays - 0.08 * min(years, 15.0) + PURPOSES[purpose]
    return told + 0.025 * (months - 36) * (debt > 0.4)


if __name__ == "__main__":
    main()
