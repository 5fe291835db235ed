"""Rows on their way into training, validation and test, and what there is to tell about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from volano.core.errors import DataError
from volano.data.columns import require_column
from volano.data.frame import flat
from volano.data.moments import read_moments
from volano.data.split import assign, number_groups, star
from volano.data.split_rows import FILLED, TEST, TRAIN, SplitRows
from volano.data.split_rows import SPLITS as SPLIT_NAMES
from volano.data.steps.duplicates import drop_for
from volano.data.steps.near_duplicates import name_clusters
from volano.data.targets import NumberTargets, number_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from volano.data.config import FieldsConfig, SplitConfig
    from volano.data.frame import Frame

__all__ = ["can_be_held", "divide"]

_SMALL_TEST = 100
_LARGE_UNIT = 0.1


def divide(
    frame: Frame,
    pairs: NDArray[np.int64],
    config: SplitConfig,
    fields: FieldsConfig,
    seed: int,
    *,
    needs_target: bool = True,
) -> Frame:
    """Divide the rows by the law, drop those without a place, and name the clusters.

    Args:
        frame: all rows.
        pairs: places of rows that are alike, (pairs, 2).
        config: the shares.
        fields: which column plays which part.
        seed: of the project.
        needs_target: whether rows without truth stay outside all splits.
    """
    rows = _split_rows(frame, config, fields, needs_target=needs_target)
    assigned = assign(rows, pairs, config, seed)
    is_gone = np.zeros(len(rows), bool)
    is_gone[list(assigned.dropped)] = True
    group = np.full(len(rows), -1)
    paired = np.unique(pairs)
    group[paired] = number_groups(pairs, len(rows))[paired]  # through rows that are dropped too
    names = pa.array(SPLIT_NAMES, pa.string())
    splits = names.take(pa.array(assigned.splits, mask=assigned.splits == 0))
    clusters = pa.array(
        name_clusters(frame["id"].combine_chunks(), star(group, ~is_gone)), pa.string()
    )
    is_trained = (assigned.splits == TRAIN) & ~is_gone
    near = _beside(is_trained, pairs) if fields.texts else _in_group_of(is_trained, group)
    is_near = near & (rows.given == TEST)
    frame = (
        frame.with_column("split", splits)
        .with_column("cluster", clusters)
        .with_column("near_train", pa.array(is_near))
    )
    frame = _note_near(frame, is_table=not fields.texts)
    frame = _note_split(frame, assigned.splits)
    frame = _note_units(frame, rows, assigned.splits, config)
    return drop_for(frame, assigned.dropped)


def _split_rows(
    frame: Frame, config: SplitConfig, fields: FieldsConfig, *, needs_target: bool
) -> SplitRows:
    labels, targets = frame.numbers("_label"), frame.targets
    if isinstance(targets, NumberTargets):
        labels = number_bins(targets.values, labels)
        targets = [(str(number),) for number in range(int(labels.max(initial=0)) + 1)]
    if not needs_target and (labels < 0).any():
        # To the law, rows that nobody has looked at carry a label of their own.
        targets = [*targets, ("",)]
        labels = np.where(labels < 0, len(targets) - 1, labels).astype(np.int32)
    return SplitRows(
        ids=frame["id"],
        labels=labels,
        targets=targets,
        given=frame.numbers("_given"),
        old=frame.numbers("_old"),
        can_be_held=can_be_held(frame),
        is_from_source=pc.equal(frame["label_from"], "source").to_numpy(),
        units=_units(frame, config.together, fields),
        moments=_moments(frame, by_time=config.by_time),
    )


def _moments(frame: Frame, *, by_time: bool) -> NDArray[np.float64]:
    if not by_time:
        return np.full(len(frame), np.nan)
    if not pc.any(pc.greater(pc.binary_length(frame["time"]), 0)).as_py():
        raise DataError(
            "the split is by time, and no row has a time",
            where="prepare.split.by_time",
            fix="name the column: data.fields.time",
        )
    return read_moments(frame["time"], frame["source"], frame["line"])


def can_be_held(frame: Frame) -> NDArray[np.bool_]:
    """What users or an active learner chose is no fair sample; a random pick is."""
    came, picked = frame["label_from"], frame["picked"].fill_null("")
    is_chosen = pc.or_(pc.equal(picked, "informative"), pc.equal(came, "feedback"))
    is_fair = pc.or_(pc.equal(came, "source"), pc.equal(picked, "random"))
    found: NDArray[np.bool_] = pc.and_(is_fair, pc.invert(is_chosen)).to_numpy()
    return found


def _units(frame: Frame, together: str, fields: FieldsConfig) -> NDArray[np.int64]:
    """The number of what each row stands together with others for; -1 for nothing."""
    if together == "none" or (together == "auto" and not fields.subject):
        return np.full(len(frame), -1)
    column = "subject" if together == "auto" else together
    if column in {"subject", "group"}:
        values = frame[column].combine_chunks()
    else:
        values = _values_of(frame, column)
    coded = values.dictionary_encode()
    numbers: NDArray[np.int64] = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.where(pc.equal(values.fill_null(""), "").to_numpy(zero_copy_only=False), -1, numbers)


def _values_of(frame: Frame, column: str) -> pa.Array:
    """A column of raw fields, as text."""
    found: list[str | None] = []
    for _, rows in frame.fields.windows(frame.numbers("_place")):
        fields = flat(rows)
        require_column(column, fields.column_names, where="prepare.split.together")
        found += [None if value is None else str(value) for value in fields[column].to_pylist()]
    return pa.array(found, pa.string())


def _beside(is_in: NDArray[np.bool_], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows of a pair whose other row is one of these."""
    found = np.zeros(len(is_in), bool)
    for one, other in (pairs.T, pairs.T[::-1]):
        found[one[is_in[other]]] = True
    return found


def _in_group_of(is_in: NDArray[np.bool_], group: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows of a group, which is numbered from 0, that holds one of these."""
    is_reached = np.zeros(int(group.max(initial=-1)) + 2, bool)  # -1 is the last
    is_reached[group[is_in & (group >= 0)]] = True
    found: NDArray[np.bool_] = is_reached[group]
    return found


def _note_near(frame: Frame, *, is_table: bool) -> Frame:
    num_near = int(frame.numbers("near_train").sum())
    if not num_near:
        return frame
    if is_table:
        return frame.with_finding(
            "warn",
            "{count} rows of the test file are equal to training rows; they stay, marked "
            "near_train, and the report can leave them out.",
            count=num_near,
        )
    return frame.with_finding(
        "warn",
        "{count} rows of the test file are near-duplicates of training rows; they stay, marked "
        "near_train, and the report can leave them out.",
        count=num_near,
    )


def _note_split(frame: Frame, splits: NDArray[np.int8]) -> Frame:
    num_test = int((splits == TEST).sum())
    if num_test < _SMALL_TEST:
        frame = frame.with_finding(
            "warn" if num_test else "bad",
            "The test set has {count} rows: intervals will be wide, and small gains go unseen.",
            count=num_test,
        )
    if frame.has_numbers:
        return frame
    numbers = frame.numbers("_label")
    tested = {
        label
        for number in np.unique(numbers[(splits == TEST) & (numbers >= 0)]).tolist()
        for label in frame.targets[number]
    }
    untested = sorted(set(frame.count_labels()) - tested)
    if untested and num_test:
        frame = frame.with_finding(
            "info",
            "{count} labels have no test row: {names}",
            count=len(untested),
            names=", ".join(untested[:10]) + (" …" if len(untested) > 10 else ""),
        )
    return frame


def _note_units(
    frame: Frame, rows: SplitRows, splits: NDArray[np.int8], config: SplitConfig
) -> Frame:
    clusters = pc.value_counts(frame["cluster"].drop_null()).field("counts").to_pylist()
    is_unit = rows.units >= 0
    units = np.bincount(rows.units[is_unit]).tolist()
    largest = max([*clusters, *units], default=0)
    if largest > max(10, _LARGE_UNIT * len(rows)):
        frame = frame.with_finding(
            "warn",
            "One unit that must stay together holds {count} of {total} rows, so the split cannot "
            "have the shares asked for.",
            count=largest,
            total=len(rows),
        )
    trained = rows.units[is_unit & (splits == TRAIN)]
    held = rows.units[is_unit & np.isin(splits, FILLED)]
    both = len(np.intersect1d(trained, held))
    if both and (rows.given > 0).any():
        frame = frame.with_finding(
            "warn",
            "{count} values of {together} stand in training and in a given test or "
            "validation file.",
            count=both,
            together=config.together,
        )
    return frame
