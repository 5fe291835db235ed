"""How many rows may be called anomalies, and from which score on that is so."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from volano.core.errors import DataError

if TYPE_CHECKING:
    from volano.models.calibration import Calibration, Floats
    from volano.tasks.task import AlertsConfig

__all__ = ["alert_share", "budgeted", "logit_cut"]

_MOST = 0.5  # of all rows: what is commoner is no anomaly
_FARTHEST = 30.0  # log-odds beyond which a share and certainty are one number


def alert_share(alerts: AlertsConfig, num_rows: int, days: float) -> float:
    """The share of rows that may be called anomalies.

    Args:
        alerts: of the project.
        num_rows: of all splits.
        days: that their times span; 0 where they have none.

    Raises:
        DataError: the budget goes by days, and no row has a time.

    >>> from volano.tasks.task import AlertsConfig
    >>> alert_share(AlertsConfig(per_day=5), 10_000, 20.0)
    0.01
    """
    if alerts.per_day == "off":
        return alerts.share
    if not days:
        raise DataError(
            "alerts are counted by the day, and no training row has a time",
            where="labels.alerts.per_day",
            fix="see that data.fields.time names the right column; or take out per_day, and give "
            "labels.alerts.share",
        )
    return min(_MOST, alerts.per_day * days / num_rows)


def logit_cut(logit_M: Floats, share: float) -> float:
    """Log-odds from which on at most this share of rows lies; halfway between two rows.

    Equal rows are called alike, so a crowd of them that is too large is not called at all.
    """
    value_U, count_U = np.unique(logit_M, return_counts=True)
    above_U = np.cumsum(count_U[::-1])[::-1]  # rows at or above each value
    first = int(np.searchsorted(-above_U, -math.floor(share * len(logit_M))))
    if first == 0:
        cut = value_U[0] - 1.0
    elif first == len(value_U):
        cut = value_U[-1] + 1.0
    else:
        cut = (value_U[first - 1] + value_U[first]) / 2
    return float(np.clip(cut, -_FARTHEST, _FARTHEST))


def budgeted(calibration: Calibration, logit: float) -> Calibration:
    """The same, answering ``anomaly`` where its log-odds are at least these.

    To miss an anomaly costs 1; a false alarm costs the odds at which both ways cost alike.
    """
    return replace(calibration, cost_CC=np.array([[0.0, 1.0], [math.exp(logit), 0.0]]))
