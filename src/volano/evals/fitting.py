"""How training went, in words: where it was best, over-fitting, and whether more epochs may pay.

Losses of an encoder are compared along its epochs; and every model's score on rows it has learnt
from with that on rows it had not seen, and that with the test examples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volano.core.pages import ChartBlock, Details, Prose, Section, Table, charts, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from volano.core.pages import Block, Cell, Translate
    from volano.evals.findings import Findings

__all__ = ["Course", "course_of", "fitting"]

_ROSE = 0.05  # validation loss this much over its least, as a share of it, is over-fitting
_FELL = 0.02  # validation loss that falls this much in the last epoch is still falling
_GAP = 0.1  # scores this far apart say that the training rows are known by heart


@dataclass(frozen=True)
class Course:
    """The losses of a training along its epochs, and what they say.

    Attributes:
        train: loss on training rows, epoch by epoch.
        valid: loss on validation rows.
        scores: score on validation rows.
        seconds: of each epoch.
        kept: the place of the epoch whose weights are kept, from 0; -1 where nobody said.
        is_finished: whether they then learnt from all rows, those held out among them.
    """

    train: tuple[float, ...]
    valid: tuple[float, ...]
    scores: tuple[float, ...]
    seconds: tuple[float, ...]
    kept: int = -1
    is_finished: bool = False

    @property
    def best(self) -> int:
        """The place of the epoch with the least validation loss, from 0."""
        return self.valid.index(min(self.valid))

    @property
    def rise(self) -> float:
        """How far validation loss lies over its least at the end, as a share of that."""
        return _share(self.valid[-1] - self.valid[self.best], self.valid[self.best])

    @property
    def is_over_fitted(self) -> bool:
        """Whether validation loss rose by 5 % or more while training loss fell."""
        return self.rise >= _ROSE and self.train[-1] < self.train[self.best]

    @property
    def last_fall(self) -> float:
        """How much validation loss fell in the last epoch, as a share of what it was."""
        if len(self.valid) < 2:
            return 0.0
        return _share(self.valid[-2] - self.valid[-1], self.valid[-2])

    @property
    def is_still_falling(self) -> bool:
        """Whether the last epoch was the best and took 2 % or more off the validation loss."""
        return self.best == len(self.valid) - 1 and self.last_fall >= _FELL


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def course_of(training: Mapping[str, Any]) -> Course | None:
    """The course of a training; None where nobody watched the validation rows along the way."""
    epochs: Sequence[Mapping[str, Any]] = training.get("epochs") or ()
    names = ("train_loss", "valid_loss", "valid_score", "seconds")
    train, valid, scores, seconds = (
        tuple(_number(epoch.get(name)) for epoch in epochs) for name in names
    )
    if not epochs or not all(map(math.isfinite, train + valid)):
        return None
    kept, is_finished = training.get("best_epoch", -1), training.get("finishing_epoch", False)
    return Course(train, valid, scores, seconds, kept, is_finished)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def fitting(say: Translate, found: Findings) -> Section | None:
    """The section of the page: the curves of an encoder, and what scores say of any model."""
    training = found.body.get("training", {})
    course = course_of(training)
    told = [*(_course_told(say, course) if course else ()), *_scores_told(say, found)]
    if not told:
        return None
    blocks: list[Block] = [_chart(say, course)] if course and len(course.train) > 1 else []
    blocks.append(Prose("\n\n".join(told)))
    if course:
        blocks.append(Details(say("Epoch by epoch"), (_epochs(say, course),)))
    note = say(
        "Over-fitting: validation loss rises by {rose} over its least while training loss falls; "
        "or scores on rows that were learnt from and on others lie more than {gap} apart.",
        rose=numbers.percent(_ROSE),
        gap=numbers.figure(_GAP * found.unit(found.metric)) if found.is_number else _GAP,
    )
    return Section(say("Learning"), tuple(blocks), note)


def _course_told(say: Translate, course: Course) -> Iterator[str]:
    best, count = course.best, len(course.valid)
    values = {"best": best + 1, "count": count, "loss": numbers.metric(course.valid[best])}
    score = course.scores[best]
    if math.isfinite(score):
        yield say(
            "Validation loss was least after epoch {best} of {count}: {loss}, and the score there "
            "was {score}.",
            **values,
            score=numbers.metric(score),
        )
    else:
        yield say("Validation loss was least after epoch {best} of {count}: {loss}.", **values)
    if count == 1:
        yield say("One epoch alone does not show whether more would pay.")
    elif course.is_over_fitted:
        yield say(
            "From there on validation loss rose to {last}, by {share}, while training loss fell "
            "from {high} to {low}: over-fitting. More epochs do not pay; more rows, more dropout "
            "or a smaller learning rate may.",
            last=numbers.metric(course.valid[-1]),
            share=numbers.percent(course.rise),
            high=numbers.metric(course.train[best]),
            low=numbers.metric(course.train[-1]),
        )
    elif course.is_still_falling:
        yield say(
            "Validation loss was still falling at the end, by {share} in the last epoch: more "
            "epochs may pay (train.loop.epochs).",
            share=numbers.percent(course.last_fall),
        )
    else:
        yield say("At the end validation loss had levelled off: more epochs would change little.")
    if 0 <= course.kept < count and course.is_finished:
        yield say(
            "From the weights after epoch {kept} a finishing epoch over all rows, those held out "
            "among them, made the weights that answer; held-out rows were answered before it.",
            kept=course.kept + 1,
        )
    elif 0 <= course.kept < count and count > 1:
        yield say("The weights after epoch {kept} are those that answer.", kept=course.kept + 1)


def _scores_told(say: Translate, found: Findings) -> Iterator[str]:
    training, metric = found.body.get("training", {}), found.metric
    seen, held_out = (training.get(name, {}).get(metric) for name in ("seen", "out_of_fold"))
    if held_out is None or not math.isfinite(held_out):
        return
    sign = 1 if found.is_higher_better(metric) else -1
    if seen is not None and math.isfinite(seen):
        gap = sign * (seen - held_out)
        values = {"seen": numbers.metric(seen), "fold": numbers.metric(held_out),
                  "gap": numbers.metric(gap)}  # fmt: skip
        if gap > _GAP * found.unit(metric):
            yield say(
                "It scores {seen} on rows that it has learnt from and {fold} on rows that it had "
                "not seen: {gap} apart, so it knows its own rows better than it understands new "
                "ones. More rows help most.",
                **values,
            )
        else:
            yield say(
                "It scores {seen} on rows that it has learnt from and {fold} on rows that it had "
                "not seen: only {gap} apart.",
                **values,
            )
    tested = found.body["metrics"].get(metric)
    if tested is not None:
        yield _test_told(say, held_out, tested, sign)


def _test_told(say: Translate, held_out: float, tested: Mapping[str, float], sign: int) -> str:
    values = {"fold": numbers.metric(held_out), "test": numbers.metric(tested["value"])}
    if sign < 0 and held_out < tested["low"]:
        return say(
            "On training rows that the answering model had not seen it scored {fold}, on the test "
            "rows {test}, clearly worse: the test rows are of another kind, or the settings fit "
            "the training rows too closely.",
            **values,
        )
    if sign > 0 and held_out > tested["high"]:
        return say(
            "On training rows that the answering model had not seen it scored {fold}, on the test "
            "rows {test}, clearly less: the test rows are of another kind, or the settings fit the "
            "training rows too closely.",
            **values,
        )
    return say(
        "On training rows that the answering model had not seen it scored {fold}, on the test "
        "rows {test}: the held-out score has not promised too much.",
        **values,
    )


def _chart(say: Translate, course: Course) -> ChartBlock:
    option = charts.lines(
        list(range(1, len(course.train) + 1)),
        [
            charts.Series(say("training rows"), course.train),
            charts.Series(say("validation rows"), course.valid),
        ],
        x_label=say("Epoch"),
        y_label=say("Loss"),
    )
    return ChartBlock(
        say("Loss after each epoch"),
        option,
        alt=say("Where the line of the validation rows turns up, over-fitting begins."),
    )


def _epochs(say: Translate, course: Course) -> Table:
    columns = zip(course.train, course.valid, course.scores, course.seconds, strict=True)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            place,
            *(value if math.isfinite(value) else None for value in values),
            round(seconds) if math.isfinite(seconds) else None,
        )
        for place, (*values, seconds) in enumerate(columns, start=1)
    )
    names = ("Epoch", "Loss, training", "Loss, validation", "Score, validation", "Seconds")
    return Table(tuple(map(say, names)), rows)
