"""How near an own outline is to the others: exact on toy masks."""

import numpy as np
import pytest

from training.export.own_reading import SAMPLES, OwnReading, distances
from training.metrics import dice, iou


def square(side, shape=(8, 8)):
    mask = np.zeros(shape, bool)
    mask[:side, :side] = True
    return mask


def test_each_expert_has_a_distance_and_the_samples_have_their_mean():
    own, experts = square(2), np.stack([square(2), square(4), square(0)])
    samples = np.stack([square(2), square(0)])
    a, b, c, drawn = distances(own, experts, samples)
    assert (a.name, a.distance, a.dice, a.area) == ("A", 0.0, 1.0, 4.0)
    assert (b.name, b.distance, b.dice, b.area) == ("B", 0.75, pytest.approx(2 * 4 / 20), 16.0)
    assert (c.distance, c.dice, c.area) == (1.0, 0.0, 0.0)
    assert (drawn.name, drawn.distance, drawn.dice, drawn.area) == (SAMPLES, 0.5, 0.5, 2.0)


def test_nothing_there_agrees_fully_with_an_expert_who_saw_nothing():
    (one,) = distances(square(0), square(0)[None], None)
    assert (one.distance, one.dice) == (0.0, 1.0)


def test_dice_and_distance_are_those_of_the_metrics():
    own, expert = square(3), np.roll(square(4), 1, axis=0)
    (one,) = distances(own, expert[None], None)
    assert one.distance == pytest.approx(1 - iou(own, expert))
    assert one.dice == pytest.approx(dice(own, expert))


def test_where_nobody_annotated_the_slice_only_the_samples_are_compared():
    (one,) = distances(square(2), np.zeros((0, 8, 8), bool), square(2)[None])
    assert (one.name, one.distance) == (SAMPLES, 0.0)
    assert distances(square(2), np.zeros((0, 8, 8), bool), None) == ()


@pytest.mark.parametrize(
    ("side", "spacing", "words"), [(0, (1.0, 1.0), "nothing there"), (2, None, "4 px"), (2, (0.5, 0.75), "1.5 mm²")]
)
def test_the_area_is_told_in_millimetres_only_where_they_are_known(side, spacing, words):
    assert OwnReading(square(side), blind=True).area(spacing) == words


def test_it_says_whether_it_was_blind():
    assert OwnReading(square(1), blind=True).when.startswith("read blind")
    assert OwnReading(square(1), blind=False).when.startswith("not blind")
