"""From signals to labels: a pure function of what was answered, sent and reviewed.

A label is a target as the task spells it: where a number is asked for, that number.

A person's review outranks everything sent before it. Then labels that people sent, one voice per
person (a signal without a name is a voice of its own). A score confirms an answer only where the
project says so. Who disagrees goes to review, not into data.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from volano.core.errors import DataError
from volano.feedback.votes import Decision, Fate, Outcome, Vote, decide

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from volano.core.nouns import Feedback, Prediction
    from volano.feedback.config import FeedbackConfig
    from volano.store.reviews import ReviewItem
    from volano.tasks.task import Task

__all__ = [
    "Settled",
    "Settlement",
    "Signals",
    "given_labels",
    "known_labels",
    "labels_in_words",
    "predicted_labels",
    "settle",
    "target_today",
]


@dataclass(frozen=True)
class Signals:
    """Everything known at one time: Predictions by id, all Feedback, all answered reviews."""

    predictions: Mapping[str, Prediction]
    feedback: Sequence[Feedback]
    reviews: Sequence[ReviewItem] = ()


@dataclass(frozen=True)
class Settled:
    """What the signals about one Prediction (or one Example under review) come to."""

    what: Literal["prediction", "example"]
    ref: str
    outcome: Outcome
    labels: tuple[str, ...]
    people: tuple[str, ...]
    label_from: Literal["feedback", "review"]
    picked: Literal["random", "informative"]
    num_signals: int
    why: str = ""


@dataclass(frozen=True)
class Settlement:
    """All of it, and how many signals met which fate."""

    settled: tuple[Settled, ...]
    fates: Mapping[str, int]

    @property
    def conflicts(self) -> tuple[Settled, ...]:
        """What a person should look at: people disagree, or the label is new."""
        return tuple(s for s in self.settled if s.outcome in {"conflict", "new-label"})

    @property
    def labelled(self) -> tuple[Settled, ...]:
        """What may become an Example."""
        return tuple(s for s in self.settled if s.outcome == "label")


def settle(
    config: FeedbackConfig, task: Task, signals: Signals, labels: Collection[str] = ()
) -> Settlement:
    """Decide every Prediction that somebody said something about.

    Args:
        config: which signals make a label.
        task: today's labels.
        signals: what was answered, sent and reviewed.
        labels: those of today's data and champion, so that none of them counts as new.
    """
    feedback: dict[str, list[Feedback]] = defaultdict(list)
    for signal in signals.feedback:
        feedback[signal.prediction].append(signal)
    reviews: dict[tuple[str, str], list[ReviewItem]] = defaultdict(list)
    for review in signals.reviews:
        reviews[review.what, review.ref].append(review)
    known = known_labels(task, signals, labels)
    settled: list[Settled] = []
    fates: Counter[str] = Counter()
    refs = {("prediction", ref) for ref in feedback} | set(reviews)
    for what, ref in sorted(refs):
        about = _About(
            task=task,
            prediction=signals.predictions.get(ref) if what == "prediction" else None,
            feedback=feedback.get(ref, []) if what == "prediction" else [],
            reviews=reviews.get((what, ref), []),
        )
        decision = about.decided(config, known)
        fates.update(decision.fates.values())
        settled.append(about.settled(what, ref, decision))
    return Settlement(tuple(settled), dict(sorted(fates.items())))


def predicted_labels(task: Task, prediction: Prediction) -> tuple[str, ...]:
    """What was answered, as a target: labels under today's names, or the number."""
    output = prediction.output
    if task.answers == "number":
        return target_today(task, output.get("value"))
    label = output.get("label")
    said = output.get("labels") or ([] if label is None else [label])
    return task.today([str(label) for label in said])


def known_labels(task: Task, signals: Signals, labels: Collection[str] = ()) -> frozenset[str]:
    """Labels that a model could answer, that a person accepted in a review, and ``labels``."""
    known = set(task.today(list(labels)))
    for prediction in signals.predictions.values():
        known.update(task.today(list(prediction.output.get("scores") or ())))
    return frozenset(known.union(*(review.label or () for review in signals.reviews)))


def given_labels(task: Task, sent: Feedback, known: Collection[str]) -> tuple[str, ...] | None:
    """The labels that a person wrote, under today's names; None where they wrote none.

    A corrected output counts where it reads as labels that are known, or as a number where one is
    asked for: any other is a text.
    """
    if sent.label is not None:
        labels = target_today(task, sent.label)
        is_word = task.answers == "labels" and len(sent.label) == 1
        return (_in_words(task, sent.label[0], known) or labels) if is_word else labels
    if sent.output is None:
        return None
    if task.answers == "number":
        return target_today(task, sent.output) or None
    read = _in_words(task, sent.output, known)
    return read if read and set(read) <= set(known) else None


def _in_words(task: Task, text: str, known: Collection[str]) -> tuple[str, ...]:
    try:
        return labels_in_words(task, text, known)
    except DataError:
        return ()


def labels_in_words(task: Task, text: str, known: Collection[str]) -> tuple[str, ...]:
    """The labels that a person wrote; empty where the project has removed them.

    A label that is known means itself. Any other word means what it means in the data: where
    anomalies are asked for, "fraud" is one.

    Raises:
        DataError: it is no label at all.
    """
    own = task.today([text.strip()])
    return own if own and set(own) <= set(known) else task.read_target(text) or ()


def target_today(task: Task, said: object) -> tuple[str, ...]:
    """What somebody said, as today's target; empty where it is none, or none any more."""
    if task.answers == "labels":
        return task.today(said) if isinstance(said, list | tuple) else ()
    try:
        return task.read_target(said) or ()
    except DataError:  # said when the project still answered labels
        return ()


@dataclass(frozen=True)
class _About:
    """All signals about one thing."""

    task: Task
    prediction: Prediction | None
    feedback: Sequence[Feedback]
    reviews: Sequence[ReviewItem]

    def decided(self, config: FeedbackConfig, known: frozenset[str]) -> Decision:
        fates: dict[str, Fate] = {}
        reviewed = self._review_votes(fates)
        if reviewed:
            decision = decide(reviewed, config, is_review=True)
            fates |= {_signal(sent): "settled-by-review" for sent in self.feedback}
            return _with(decision, fates)
        if self.prediction is None:
            fates |= {_signal(sent): "unknown-prediction" for sent in self.feedback}
            return Decision("nothing", fates=fates)
        votes = self._votes(config, self.prediction, known, fates)
        if not votes:
            return Decision("nothing", fates=fates)
        decision = decide(votes, config)
        is_new = self.task.answers == "labels" and not known.issuperset(decision.labels)
        if decision.outcome == "label" and is_new and config.new_labels == "review":
            used: dict[str, Fate] = {
                signal: "new-label" if fate == "used" else fate
                for signal, fate in decision.fates.items()
            }
            decision = Decision("new-label", decision.labels, decision.people, used)
        return _with(decision, fates)

    def settled(self, what: str, ref: str, decision: Decision) -> Settled:
        is_random = any(review.why == "random" for review in self.reviews)
        by_kind = Counter(decision.fates.values())
        return Settled(
            what="prediction" if what == "prediction" else "example",
            ref=ref,
            outcome=decision.outcome,
            labels=decision.labels,
            people=decision.people,
            label_from="review" if self.reviews else "feedback",
            picked="random" if is_random else "informative",
            num_signals=len(self.feedback) + len(self.reviews),
            why=", ".join(f"{fate} {num}" for fate, num in sorted(by_kind.items())),
        )

    def _review_votes(self, fates: dict[str, Fate]) -> list[Vote]:
        votes, settling = [], []
        for review in self.reviews:
            signal, labels = f"review:{review.id:012d}", target_today(self.task, review.label or ())
            if not labels:
                fates[signal] = "label-removed"
                continue
            votes.append(Vote(signal, review.by or "", labels, _answered(review)))
            if review.why == "conflict":
                settling.append(votes[-1])
        if not settling:
            return votes
        # It was asked because people disagreed: without a last word it would be asked for ever.
        last = max(settling, key=lambda vote: (vote.at, vote.signal))
        fates |= {vote.signal: "settled-by-review" for vote in votes if vote is not last}
        return [last]

    def _votes(
        self,
        config: FeedbackConfig,
        prediction: Prediction,
        known: frozenset[str],
        fates: dict[str, Fate],
    ) -> list[Vote]:
        votes = []
        for sent in self.feedback:
            found = self._meaning(config, prediction, sent, known)
            if isinstance(found, Vote):
                votes.append(found)
            else:
                fates[_signal(sent)] = found
        return votes

    def _meaning(
        self,
        config: FeedbackConfig,
        prediction: Prediction,
        sent: Feedback,
        known: frozenset[str],
    ) -> Vote | Fate:
        who = _signal(sent), sent.by or ""
        labels = given_labels(self.task, sent, known)
        if labels is not None:
            if not config.corrections:
                return "corrections-off"
            if not labels:
                return "label-removed"
            if len(labels) > 1 and not self.task.is_multiple:
                return "not-one-label"
            return Vote(*who, labels, sent.at)
        if sent.score is not None:
            labels = predicted_labels(self.task, prediction)
            if config.score_makes_label == "off" or sent.score < config.score_makes_label:
                return "score-only"
            return Vote(*who, labels, sent.at, is_explicit=False) if labels else "label-removed"
        return "output-only" if sent.output is not None else "comment-only"


def _signal(sent: Feedback) -> str:
    return f"feedback:{sent.id:012d}"  # padded, so that the order of names is the order of arrival


def _answered(review: ReviewItem) -> float:
    return review.answered_at if review.answered_at is not None else review.at


def _with(decision: Decision, fates: Mapping[str, Fate]) -> Decision:
    every = {**fates, **decision.fates}
    return Decision(decision.outcome, decision.labels, decision.people, every)
