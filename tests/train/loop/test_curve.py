from __future__ import annotations

import pytest

from volano.core.events import Event, Events
from volano.train.loop.curve import Curve, Place


def test_a_point_of_the_loss_is_the_mean_over_the_rows_since_the_last() -> None:
    events: list[Event] = []
    place, curve = Place(), Curve(Events((events.append,)), epochs=40)
    for step in range(10):
        place.note_step(loss=float(step * 10), num_rows=10, seconds=0.1)
        curve.tell_step(place, steps_in_epoch=10)
    points = [(event.done, event.value) for event in events if event.text == "loss"]
    assert points == [(2, 0.5), (4, 2.5), (6, 4.5), (8, 6.5), (10, 8.5)]


def test_where_a_training_stands_survives_json() -> None:
    place = Place()
    place.note_step(loss=0.1 + 0.2, num_rows=3, seconds=0.1)
    assert place.end_epoch(valid_loss=0.5, valid_score=0.6, seconds=1.0)
    place.note_step(loss=1.0, num_rows=3, seconds=0.1)
    assert not place.end_epoch(valid_loss=0.5, valid_score=0.9, seconds=1.0)
    assert Place.from_dict(place.to_dict()) == place
    assert (place.best, place.epoch, place.step, place.steps) == (0, 2, 0, 2)


def test_part_of_an_epoch_is_over_when_its_last_step_is() -> None:
    steps = [Place(step=step).done(0.2, 4) for step in range(4)]
    assert steps == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert Place(epoch=1, step=0).done(1.5, 8) == pytest.approx((1 + 0.5 / 16) / 1.5)
    assert Place(epoch=3, step=2).done(8.0, 16) == (3 + 2.5 / 16) / 8.0
