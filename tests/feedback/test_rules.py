from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volano.core.nouns import Feedback
from volano.feedback import FeedbackConfig, Settled, Settlement, Signals, settle
from volano.store.reviews import ReviewItem
from volano.tasks import LabelsConfig, TextClassification

if TYPE_CHECKING:
    from collections.abc import Callable

    from volano.core.nouns import Prediction

    Predicted = Callable[..., Prediction]

TASK = TextClassification()
_IDS = count(1)


def says(label: str | None = None, by: str | None = None, **more: object) -> Feedback:
    number = next(_IDS)
    labels = None if label is None else (label,)
    return Feedback(number, float(number), "p1", label=labels, by=by, **more)  # type: ignore[arg-type]


def reviewed(label: str, by: str = "rev", why: str = "unsure", **more: object) -> ReviewItem:
    number = next(_IDS)
    fields = {"what": "prediction", "ref": "p1", "fields": {}, "target": None, **more}
    return ReviewItem(
        why=why,  # type: ignore[arg-type]
        id=number,
        state="answered",
        label=(label,),
        by=by,
        at=float(number),
        **fields,  # type: ignore[arg-type]
    )


@pytest.fixture
def about(predicted: Predicted) -> Callable[..., tuple[Settled, Settlement]]:
    def settled(*signals: Feedback | ReviewItem, **rules: object) -> tuple[Settled, Settlement]:
        feedback = [s for s in signals if isinstance(s, Feedback)]
        reviews = [s for s in signals if isinstance(s, ReviewItem)]
        found = settle(
            FeedbackConfig.model_validate(rules),
            TASK,
            Signals({"p1": predicted("p1")}, feedback, reviews),
        )
        assert sum(found.fates.values()) == len(signals)
        return found.settled[0], found

    return settled


About = "Callable[..., tuple[Settled, Settlement]]"


def test_a_corrected_label_counts(about: About) -> None:
    one, _ = about(says("loan", "ann"))
    assert (one.outcome, one.labels, one.people) == ("label", ("loan",), ("ann",))
    assert (one.label_from, one.picked) == ("feedback", "informative")


def test_corrections_can_be_switched_off(about: About) -> None:
    one, found = about(says("loan", "ann"), corrections=False)
    assert one.outcome == "nothing"
    assert found.fates == {"corrections-off": 1}


def test_a_thumb_up_makes_a_label_only_where_the_project_says_so(about: About) -> None:
    assert about(says(by="ann", score=1.0))[0].outcome == "nothing"
    one, _ = about(says(by="ann", score=1.0), score_makes_label=0.5)
    assert (one.outcome, one.labels) == ("label", ("card",))
    assert about(says(by="ann", score=0.2), score_makes_label=0.5)[1].fates == {"score-only": 1}


def test_a_written_label_outranks_the_same_persons_thumb(about: About) -> None:
    one, found = about(says("loan", "ann"), says(by="ann", score=1.0), score_makes_label=0.5)
    assert one.labels == ("loan",)
    assert found.fates == {"replaced": 1, "used": 1}


def test_a_later_label_of_the_same_person_replaces_the_earlier(about: About) -> None:
    one, found = about(says("card", "ann"), says("loan", "ann"))
    assert one.labels == ("loan",)
    assert found.fates == {"replaced": 1, "used": 1}


def test_people_who_disagree_make_a_conflict_and_no_example(about: About) -> None:
    one, found = about(says("card", "ann"), says("loan", "bo"))
    assert (one.outcome, one.people) == ("conflict", ("ann", "bo"))
    assert found.conflicts == (one,)
    assert found.labelled == ()
    assert found.fates == {"conflict": 2}


def test_signals_without_a_name_that_disagree_are_a_conflict(about: About) -> None:
    assert about(says("card"), says("loan"))[0].outcome == "conflict"
    assert about(says("loan"), says("loan"))[0].labels == ("loan",)


def test_the_majority_or_the_latest_decides_where_the_project_says_so(about: About) -> None:
    votes = says("card", "ann"), says("card", "bo"), says("loan", "cy")
    one, found = about(*votes, agreement="majority")
    assert one.labels == ("card",)
    assert found.fates == {"outvoted": 1, "used": 2}
    assert about(*votes, agreement="latest")[0].labels == ("loan",)
    assert about(*votes[1:], agreement="majority")[0].outcome == "conflict"


def test_a_trusted_person_settles_it_alone(about: About) -> None:
    votes = says("card", "ann"), says("loan", "bo")
    one, found = about(*votes, trusted=("bo",), min_people=5)
    assert one.labels == ("loan",)
    assert found.fates == {"not-trusted": 1, "used": 1}


def test_too_few_people_make_no_label(about: About) -> None:
    one, found = about(says("loan", "ann"), min_people=2)
    assert one.outcome == "nothing"
    assert found.fates == {"too-few-people": 1}


def test_a_review_outranks_what_was_sent(about: About) -> None:
    one, found = about(says("card", "ann"), says("loan", "bo"), reviewed("loan", why="random"))
    assert (one.outcome, one.labels, one.label_from) == ("label", ("loan",), "review")
    assert one.picked == "random"
    assert found.fates == {"settled-by-review": 2, "used": 1}


def test_reviewers_who_disagree_are_a_conflict_until_it_is_settled(about: About) -> None:
    two = reviewed("card", "ann", "random"), reviewed("loan", "bo", "random")
    assert about(*two)[0].outcome == "conflict"
    one, found = about(*two, reviewed("loan", "cy", "conflict"))
    assert one.labels == ("loan",)
    assert found.fates == {"settled-by-review": 2, "used": 1}


def test_a_label_that_no_model_knows_goes_to_review(about: About) -> None:
    one, found = about(says("crad", "ann"))
    assert (one.outcome, one.labels) == ("new-label", ("crad",))
    assert found.fates == {"new-label": 1}
    assert about(says("crad", "ann"), new_labels="accept")[0].outcome == "label"


def test_a_label_that_a_reviewer_accepted_is_known_from_then_on(predicted: Predicted) -> None:
    predictions = {name: predicted(name) for name in ("p1", "p2")}
    signals = Signals(predictions, [says("fees", "ann")], [reviewed("fees", ref="p2")])
    found = settle(FeedbackConfig(), TASK, signals)
    assert [s.outcome for s in found.settled] == ["label", "label"]


def test_comments_outputs_and_unknown_ids_have_their_own_fates(predicted: Predicted) -> None:
    sent = [
        says(comment="bad"),
        says(output="the right text"),
        replace(says("card"), prediction="who?"),
    ]
    found = settle(FeedbackConfig(), TASK, Signals({"p1": predicted("p1")}, sent))
    assert found.fates == {"comment-only": 1, "output-only": 1, "unknown-prediction": 1}


def test_labels_are_read_under_todays_names(predicted: Predicted) -> None:
    task = TextClassification(LabelsConfig(rename={"loan": "credit"}, remove=("fees",)))
    sent = [says("loan", "ann"), replace(says("fees", "ann"), prediction="p2")]
    predictions = {name: predicted(name) for name in ("p1", "p2")}
    found = settle(FeedbackConfig(), task, Signals(predictions, sent))
    assert [s.labels for s in found.settled] == [("credit",), ()]
    assert found.fates == {"label-removed": 1, "used": 1}


def test_a_corrected_output_that_reads_as_a_known_label_counts_as_that_label(about: About) -> None:
    one, _ = about(says(output=" loan ", by="ann", score=1.0), score_makes_label=0.5)
    assert (one.outcome, one.labels) == ("label", ("loan",))
    one, found = about(says(output="Dear Ann, your loan", by="ann"))
    assert (one.outcome, found.fates) == ("nothing", {"output-only": 1})
    assert about(says(output="loan"), corrections=False)[1].fates == {"corrections-off": 1}


def test_a_label_of_todays_data_is_not_new(predicted: Predicted) -> None:
    signals = Signals({"p1": predicted("p1")}, [says("fees", "ann"), says(output="fees", by="bo")])
    (one,) = settle(FeedbackConfig(), TASK, signals, {"fees"}).settled
    assert (one.outcome, one.labels, one.people) == ("label", ("fees",), ("ann", "bo"))


def test_an_example_under_review_is_settled_by_its_own_id() -> None:
    review = reviewed("loan", what="example", ref="e7", why="suspect-label")
    found = settle(FeedbackConfig(), TASK, Signals({}, [], [review]))
    assert [(s.what, s.ref, s.labels) for s in found.labelled] == [("example", "e7", ("loan",))]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["p1", "p2", "?"]),
            st.sampled_from([None, "card", "loan", "new"]),
            st.sampled_from([None, 0.0, 1.0]),
            st.sampled_from([None, "ann", "bo"]),
        ),
        max_size=12,
    ),
    st.sampled_from(["latest", "majority", "unanimous"]),
    st.sampled_from(["off", 0.5]),
)
def test_every_signal_meets_exactly_one_fate(
    sent: list[tuple[str, str | None, float | None, str | None]], agreement: str, score: object
) -> None:
    from volano.core.nouns import Prediction

    output = {"label": "card", "confidence": 0.9, "scores": {"card": 0.9, "loan": 0.1}}
    predictions = {p: Prediction(p, 1.0, "m", {"body": "x"}, output) for p in ("p1", "p2")}
    signals = [
        Feedback(
            number, number, ref, label=(label,) if label else None, score=value, comment="x", by=by
        )
        for number, (ref, label, value, by) in enumerate(sent, 1)
    ]
    config = FeedbackConfig.model_validate({"agreement": agreement, "score_makes_label": score})
    found = settle(config, TASK, Signals(predictions, signals))
    assert sum(found.fates.values()) == len(signals)
    assert sum(s.num_signals for s in found.settled) == len(signals)
