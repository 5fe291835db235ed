"""Mitigation of unfairness: gaps between groups of people made narrower, and what that takes.

``reweight`` lets rows count so that group and label are independent of each other in training
(Kamiran and Calders 2012). ``thresholds`` moves the log-odds of the positive label, group by group,
until the chosen rate is the same for all (Hardt et al. 2016, arXiv:1610.02413); on the whole it
stays what it was. The groups are those of ``evaluate.fairness``.

Shape suffixes: N rows, G groups, C labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from volano.core.config import Config
from volano.core.errors import ConfigError
from volano.models.shifted import NOBODY
from volano.tasks.group_rates import group_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volano.models.calibration import Floats
    from volano.tasks.outcomes import Outcomes
    from volano.tasks.task import Task

__all__ = [
    "Mitigation",
    "MitigationConfig",
    "balanced_weights",
    "check_mitigation",
    "crossed_shifts",
    "even_shifts",
    "group_gaps",
    "need_groups_read",
    "only_large",
]

Ints = NDArray[np.int64]
_BEYOND = 1.0  # log-odds past the last row, where all or none of a group are selected


class MitigationConfig(Config):
    """How gaps between the groups of ``evaluate.fairness.fields`` are narrowed; labels of tables.

    Attributes:
        method: ``reweight`` lets training rows count so that the label does not hang on the group;
            ``thresholds`` moves the positive label's log-odds by group until the rate is even, and
            must read the group to answer; each learner is trained without it too, to show the cost.
        constraint: of ``thresholds``: the rate that is to be the same for all groups.
    """

    method: Literal["off", "reweight", "thresholds"] = "off"
    constraint: Literal["selection_rate", "true_positive_rate"] = "selection_rate"


@dataclass(frozen=True)
class Mitigation:
    """What is done for whom.

    Attributes:
        method: of ``MitigationConfig``, and not off.
        constraint: of ``thresholds``.
        fields: columns that say the group of a row; several make their combinations.
        positive: the label that somebody hopes for or fears; empty is the rarer of two in training.
        minimum: groups with fewer rows are left as they are.
    """

    method: Literal["reweight", "thresholds"]
    constraint: Literal["selection_rate", "true_positive_rate"]
    fields: tuple[str, ...]
    positive: str
    minimum: int


def check_mitigation(config: MitigationConfig, task: Task, fields: tuple[str, ...]) -> None:
    """See before the data is read that what is switched on can be done.

    Raises:
        ConfigError: nobody says which groups, the task has no labels of tables, or the method
            reads no constraint.
    """
    if config.method == "off":
        return
    if task.input != "columns" or task.answers != "labels" or not task.needs_target:
        raise ConfigError(
            "{method} cannot mitigate {task}: it is for labels of tables",
            where="train.mitigation.method",
            fix="train.mitigation.method: off",
            method=config.method,
            task=task.name,
        )
    if config.method == "reweight" and config.constraint != "selection_rate":
        raise ConfigError(
            "{constraint} is for thresholds; reweight evens no one rate",
            where="train.mitigation.constraint",
            fix="take it out, or train.mitigation.method: thresholds",
            constraint=config.constraint,
        )
    if not fields:
        raise ConfigError(
            "train.mitigation narrows gaps between groups, and nobody says which groups",
            where="evaluate.fairness.fields",
            fix="name the columns whose values are the groups, such as [sex]",
        )


def need_groups_read(mitigation: Mitigation, reads: Sequence[str]) -> None:
    """See that requests will carry the group that thresholds go by.

    Raises:
        ConfigError: models do not read it, so no request needs to bring it.
    """
    missing = [name for name in mitigation.fields if name not in reads]
    if missing and mitigation.method == "thresholds":
        raise ConfigError(
            "thresholds go by the group of a row, and models do not read {missing}",
            where="train.mitigation.method",
            fix="take {missing} out of data.fields.ignore, or train.mitigation.method: reweight",
            missing=", ".join(map(repr, missing)),
        )


def only_large(group_N: Ints, minimum: int, mitigation: Mitigation) -> tuple[Ints, int]:
    """The same, but that rows of small groups are of none; and how many groups are small.

    Args:
        group_N: place of the group of each row that counts, or ``NOBODY``.
        minimum: rows that a group needs.
        mitigation: names the columns, where too few groups are left.

    Raises:
        ConfigError: fewer than two groups are large enough.
    """
    count_G = np.bincount(group_N[group_N != NOBODY])
    is_large_G = count_G >= minimum
    if is_large_G.sum() < 2:
        raise ConfigError(
            "fewer than two groups of {fields} have {minimum} rows: no gap can be narrowed",
            where="train.mitigation.method",
            fix="name other columns under evaluate.fairness.fields, lower "
            "evaluate.fairness.minimum, or train.mitigation.method: off",
            fields=", ".join(mitigation.fields),
            minimum=minimum,
        )
    # What comes last is read by the place of nobody.
    kept_N = np.where(np.append(is_large_G, False)[group_N], group_N, NOBODY)
    return kept_N, int(((count_G > 0) & ~is_large_G).sum())


def balanced_weights(weight_N: Floats, class_N: Ints, group_N: Ints) -> Floats:
    """Weights by which group and label are independent; shares of groups and labels stay.

    A row's weight is multiplied by P(group) P(label) / P(group, label); that of a row without a
    group stays.

    >>> both = balanced_weights(np.ones(4), np.array([0, 0, 1, 0]), np.array([0, 0, 0, 1]))
    >>> both.round(2).tolist()
    [1.12, 1.12, 0.75, 0.75]
    """
    found = weight_N.copy()
    row_K = np.flatnonzero(group_N != NOBODY)
    weight_K, group_K, class_K = weight_N[row_K], group_N[row_K], class_N[row_K]
    joint_GC = np.zeros((int(group_N.max()) + 1, int(class_N.max()) + 1))
    np.add.at(joint_GC, (group_K, class_K), weight_K)
    expected_GC = joint_GC.sum(axis=1)[:, None] * joint_GC.sum(axis=0) / joint_GC.sum()
    own_K = joint_GC[group_K, class_K]
    found[row_K] = weight_K * expected_GC[group_K, class_K] / np.where(own_K > 0, own_K, 1.0)
    return found


def even_shifts(logit_N: Floats, group_N: Ints, counts_N: NDArray[np.bool_], cut: float) -> Floats:
    """What to add to the log-odds of each group, so that as large a share of each is selected.

    The share is that of all groups together before. Rows of equal log-odds go together, so it is
    met as nearly as they allow.

    Args:
        logit_N: of the positive label.
        group_N: place of the group of each row; rows of ``NOBODY`` do not count.
        counts_N: rows that the rate is a share of: all, or those where the label is true.
        cut: log-odds from which on the positive label is answered.

    Returns:
        Shape (groups,); 0 for a group without a row that counts.
    """
    counted_N = counts_N & (group_N != NOBODY)
    share = float((logit_N[counted_N] >= cut).mean()) if counted_N.any() else 0.0
    shift_G = np.zeros(int(group_N.max()) + 1)
    for group in np.unique(group_N[counted_N]):
        logit_M = np.sort(logit_N[counted_N & (group_N == group)])[::-1]
        shift_G[group] = cut - _cut_with(logit_M, share)
    return shift_G


def crossed_shifts(
    logit_N: Floats, group_N: Ints, counts_N: NDArray[np.bool_], cut: float, fold_N: Ints
) -> Floats:
    """The shift of each row, shape (rows,), from the rows of the other folds: it has not seen it.

    Args:
        logit_N: as ``even_shifts`` has it, and so the next three.
        group_N: of each row.
        counts_N: rows that the rate is a share of.
        cut: log-odds from which on the positive label is answered.
        fold_N: the fold of each row.
    """
    shift_N = np.zeros(len(logit_N))
    for fold in np.unique(fold_N):
        is_in_N = fold_N == fold
        shift_G = even_shifts(logit_N, group_N, counts_N & ~is_in_N, cut)
        known_N = is_in_N & (group_N != NOBODY)
        shift_N[known_N] = shift_G[group_N[known_N]]
    return shift_N


def _cut_with(logit_M: Floats, share: float) -> float:
    """Half-way between the falling log-odds of the last row that is selected and of the next."""
    ends = np.concatenate([[logit_M[0] + 2 * _BEYOND], logit_M, [logit_M[-1] - 2 * _BEYOND]])
    num_K = np.flatnonzero(ends[:-1] > ends[1:])  # how many rows can be selected
    num = int(num_K[np.abs(num_K - share * len(logit_M)).argmin()])
    return float(ends[num] + ends[num + 1]) / 2


def group_gaps(outcomes: Outcomes, group_N: Ints, positive: str, minimum: int) -> dict[str, float]:
    """Each figure's largest rate of a group less its smallest, as a report has it.

    A figure is left out where fewer than two groups have ``minimum`` rows to be a rate of.
    """
    is_known_N = group_N != NOBODY
    gaps = {}
    for figure, (counted_N, of_N) in group_shares(outcomes, positive).items():
        count_G = np.bincount(group_N[is_known_N], of_N[is_known_N])
        sum_G = np.bincount(group_N[is_known_N], counted_N[is_known_N])
        is_large_G = count_G >= minimum
        if is_large_G.sum() > 1:
            rate_G = sum_G[is_large_G] / count_G[is_large_G]
            gaps[figure] = float(rate_G.max() - rate_G.min())
    return gaps
