"""How detectors are fitted to codes of training rows.

Shape suffixes: N rows, F codes, T trees, I inner nodes, L leaves, C columns.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from volano.core.seeds import derive_seed
from volano.models.forest import Forest
from volano.models.neighbours import Neighbours, plain_features
from volano.models.table_columns import DATE_CYCLES
from volano.models.tails import Tails

if TYPE_CHECKING:
    from volano.models.calibration import Floats
    from volano.models.odd_scale import Detector
    from volano.models.table_features import TableFeaturiser

__all__ = ["fit_detector"]

Ints = NDArray[np.int64]

_KNOTS = 256  # of one code
_TREES = 100  # as the authors have it,
_ISOLATED = 256  # and so many rows of each
_SAMPLES, _SAMPLE_ROWS = 30, 20  # the authors' twenty rows; several samples, for chance less
_MEAN_ROWS = 10_000  # rows that tell what columns add on average
_EULER = 0.5772156649015329
_EXACT = 2.0**20  # sums of path lengths are exact in these parts


def fit_detector(name: str, featuriser: TableFeaturiser, codes_NF: Floats, seed: int) -> Detector:
    """A detector by its name: ``tails``, ``forest`` or ``neighbours``."""
    seed = derive_seed(seed, "odd", name)
    if name == "tails":
        return _fit_tails(featuriser, codes_NF)
    if name == "forest":
        return _fit_forest(featuriser, codes_NF, seed)
    return _fit_neighbours(featuriser, codes_NF, seed)


def some(codes_NF: Floats, most: int = _MEAN_ROWS) -> Floats:
    """As many rows, spread evenly; all where they are no more."""
    if len(codes_NF) <= most:
        return codes_NF
    return codes_NF[np.linspace(0, len(codes_NF) - 1, most).astype(np.int64)]


def _num_levels(featuriser: TableFeaturiser) -> list[int]:
    """How many levels each code has; 0 for a number."""
    found = []
    for name, place in zip(featuriser.names, featuriser.column_F, strict=True):
        column = featuriser.columns[place]
        if column.kind == "category":
            found.append(column.num_codes)
        elif column.kind == "boolean":
            found.append(2)
        else:
            period = DATE_CYCLES.get(name.rpartition(".")[2]) if column.kind == "date" else None
            found.append(period + 1 if period else 0)  # months count from 1, hours from 0
    return found


def _rare_place(featuriser: TableFeaturiser, feature: int) -> int:
    """The code of levels that were merged for being rare; -1 where there is none."""
    column = featuriser.columns[featuriser.column_F[feature]]
    return len(column.levels) if column.kind == "category" and column.has_rare else -1


def _level_counts(code_N: Floats, num: int) -> Ints:
    known_N = code_N[~np.isnan(code_N)].astype(np.int64)
    counts: Ints = np.bincount(known_N, minlength=num)[:num].astype(np.int64)
    return counts


# Tails


def _fit_tails(featuriser: TableFeaturiser, codes_NF: Floats) -> Tails:
    num = len(codes_NF)
    beyond = math.log(num + 1.0)
    knots: list[Floats] = []
    lefts: list[Floats] = []
    rights: list[Floats] = []
    is_left: list[bool] = []
    for feature, levels in enumerate(_num_levels(featuriser)):
        code_N = codes_NF[:, feature]
        if levels:
            rare = _rare_place(featuriser, feature)
            cost = _level_costs(_level_counts(code_N, levels), rare, num, beyond)
            found = np.arange(levels, dtype=np.float64), cost, cost
        else:
            found = _number_costs(code_N[np.isfinite(code_N)], num, beyond)
        for parts, part in zip((knots, lefts, rights), found, strict=True):
            parts.append(part)
        is_left.append(_skew(code_N) < 0)
    absent_F = np.isnan(codes_NF).sum(axis=0)
    missing_F = np.where(absent_F > 0, -np.log(np.maximum(absent_F, 1) / max(num, 1)), beyond)
    start_F1 = np.cumsum([0, *map(len, knots)]).astype(np.int64)
    empty = np.zeros(0)
    blank = Tails(
        featuriser,
        start_F1,
        np.concatenate([*knots, empty]),
        np.concatenate([*lefts, empty]),
        np.concatenate([*rights, empty]),
        missing_F,
        np.array(is_left, bool),
        beyond,
        np.zeros(len(featuriser.columns)),
    )
    return replace(blank, mean_C=blank.column_costs(some(codes_NF)).mean(axis=0))


def _level_costs(count_L: Ints, rare: int, num: int, beyond: float) -> Floats:
    """Minus the logarithm of the share of rows whose level is as rare, or rarer.

    Levels that were merged are each rarer than any other, however many they are together.
    """
    rank_L = count_L.astype(np.float64)
    if rare >= 0:
        rank_L[rare] = 0.5
    tail_L = np.array([count_L[rank_L <= rank].sum() for rank in rank_L])
    return np.where(count_L > 0, -np.log(np.maximum(tail_L, 1) / max(num, 1)), beyond)


def _number_costs(value_N: Floats, num: int, beyond: float) -> tuple[Floats, Floats, Floats]:
    """Knots at values of training rows, dense in the tails and about values that come often."""
    if not value_N.size:
        return np.zeros(1), np.full(1, beyond), np.full(1, beyond)
    value_U, count_U = np.unique(value_N, return_counts=True)
    left_U = np.cumsum(count_U)
    right_U = np.cumsum(count_U[::-1])[::-1]
    kept = _kept_knots(count_U, left_U, right_U)
    cost = [-np.log(found[kept] / num) for found in (left_U, right_U)]
    return value_U[kept], cost[0], cost[1]


def _kept_knots(count_U: Ints, left_U: Ints, right_U: Ints) -> Ints:
    if len(count_U) <= _KNOTS:
        return np.arange(len(count_U))
    total = int(left_U[-1])
    tail = np.unique(np.geomspace(1, total, _KNOTS // 4).astype(np.int64))
    even = np.linspace(0, total, _KNOTS // 2).astype(np.int64)
    from_left = np.searchsorted(left_U, np.concatenate([tail, even]))
    from_right = len(right_U) - 1 - np.searchsorted(right_U[::-1], tail)
    often = np.flatnonzero(count_U > total // _KNOTS)
    last = len(count_U) - 1
    near = [often - 1, often, often + 1, from_left, from_right, np.array([0, last])]
    return np.unique(np.clip(np.concatenate(near).astype(np.int64), 0, last))


def _skew(value_N: Floats) -> float:
    """The third moment about the mean, of finite values on the scale of their spread."""
    found = value_N[np.isfinite(value_N)]
    if not found.size:
        return 0.0
    largest = float(np.abs(found).max()) or 1.0
    off = found / largest
    off = off - off.mean()
    return float(np.mean((off / (off.std() or 1.0)) ** 3))


# Forest


def _fit_forest(featuriser: TableFeaturiser, codes_NF: Floats, seed: int) -> Forest:
    """Chance trees by scikit-learn, kept as arrays.

    Trees see levels by how rare they are: a cut then sets rare ones apart from common ones.
    """
    from sklearn.ensemble import IsolationForest

    num, levels = len(codes_NF), _num_levels(featuriser)
    unseen = math.log(num + 1.0)
    typical: list[float] = []
    centre: list[float] = []
    unit: list[float] = []
    values: list[Floats] = []
    for feature, num_levels in enumerate(levels):
        code_N = codes_NF[:, feature]
        middle, far = _middle_and_reach(code_N)
        if num_levels:
            counts = _level_counts(code_N, num_levels)
            middle, far = float(counts.argmax()), 1.0
            share = np.maximum(counts, 1) / max(num, 1)
            values.append(np.where(counts > 0, -np.log(share), unseen))
        typical.append(middle)
        centre.append(0.0 if num_levels else middle)
        unit.append(far)
    flagged = np.flatnonzero(np.isnan(codes_NF).any(axis=0) & (np.array(levels) == 0))
    blank = Forest(
        featuriser,
        np.array(typical),
        np.array(centre),
        np.array(unit),
        np.cumsum([0, *levels]).astype(np.int64),
        np.concatenate([np.zeros(0), *values]),
        flagged.astype(np.int64),
        unseen,
        np.zeros((1, 0), np.int32),
        np.zeros((1, 0), np.float32),
        np.ones((1, 1)),
    )
    rows = np.random.default_rng(seed).permutation(num)[: _TREES * _ISOLATED]
    if not (len(rows) and len(levels)):
        return blank
    trees = IsolationForest(
        n_estimators=_TREES, max_samples=min(_ISOLATED, len(rows)), random_state=seed % (1 << 32)
    ).fit(blank.inputs(codes_NF[np.sort(rows)]))
    feature_TI, cut_TI, path_TL = _whole_trees(trees)
    return replace(blank, feature_TI=feature_TI, cut_TI=cut_TI, path_TL=path_TL)


def _middle_and_reach(code_N: Floats) -> tuple[float, float]:
    """The median, and how far values reach from it: within 32 bits all of them stay apart."""
    found = code_N[np.isfinite(code_N)]
    if not found.size:
        return 0.0, 1.0
    middle = float(np.median(found))
    far = float(np.abs(found / 2 - middle / 2).max()) * 2
    return middle, far if 0 < far < math.inf else 1.0


def _whole_trees(forest: Any) -> tuple[NDArray[np.int32], NDArray[np.float32], Floats]:
    """Inner nodes and leaves of trees that all go down to one depth."""
    depth = max(int(tree.get_depth()) for tree in forest.estimators_)
    usual = _usual_path(np.array([forest.max_samples_]))[0] or 1.0
    features, cuts, paths = [], [], []
    for tree, columns in zip(forest.estimators_, forest.estimators_features_, strict=True):
        feature, cut, path = _whole_tree(tree.tree_, depth)
        features.append(np.asarray(columns)[feature])
        cuts.append(_down_to_32_bits(cut))
        paths.append(np.round(path / usual * _EXACT) / _EXACT)
    return np.array(features, np.int32), np.array(cuts), np.array(paths)


def _whole_tree(tree: Any, depth: int) -> tuple[Ints, Floats, Floats]:
    """One tree, level by level; a row that has come to its leaf goes on to the left."""
    is_leaf = tree.children_left < 0
    own = np.arange(tree.node_count)
    left = np.where(is_leaf, own, tree.children_left)
    right = np.where(is_leaf, own, tree.children_right)
    feature = np.where(is_leaf, 0, tree.feature)
    cut = np.where(is_leaf, np.inf, tree.threshold)
    node, steps = np.zeros(1, np.int64), np.zeros(1)
    features, cuts = [np.zeros(0, np.int64)], [np.zeros(0)]
    for _ in range(depth):
        features.append(feature[node])
        cuts.append(cut[node])
        steps = np.repeat(steps + ~is_leaf[node], 2)
        node = np.stack([left[node], right[node]], axis=1).ravel()
    path = steps + _usual_path(tree.n_node_samples[node])
    return np.concatenate(features), np.concatenate(cuts), path


def _usual_path(num_N: NDArray[Any]) -> Floats:
    """The mean path length among so many rows, as a search that finds nothing has it."""
    many_N = np.maximum(num_N, 3).astype(np.float64)
    path_N = 2.0 * (np.log(many_N - 1.0) + _EULER) - 2.0 * (many_N - 1.0) / many_N
    return np.where(num_N <= 1, 0.0, np.where(num_N == 2, 1.0, path_N))


def _down_to_32_bits(cut_I: Floats) -> NDArray[np.float32]:
    """The greatest number of 32 bits that is no greater: it parts the same inputs."""
    short_I = cut_I.astype(np.float32)
    is_above_I = short_I.astype(np.float64) > cut_I
    return np.where(is_above_I, np.nextafter(short_I, np.float32(-np.inf)), short_I)


# Neighbours


def _fit_neighbours(featuriser: TableFeaturiser, codes_NF: Floats, seed: int) -> Neighbours:
    draw = np.random.default_rng(seed)
    size = min(_SAMPLE_ROWS, len(codes_NF))
    places = [draw.choice(len(codes_NF), size, replace=False) for _ in range(_SAMPLES)]
    dense = plain_features(featuriser, codes_NF[np.concatenate(places)])
    sample_TSD = np.ascontiguousarray(dense.reshape(_SAMPLES, size, dense.shape[1]))
    blank = Neighbours(featuriser, sample_TSD, np.zeros(len(featuriser.columns)))
    mean_C = blank.column_parts(some(codes_NF)).mean(axis=0)
    return replace(blank, mean_C=mean_C)
