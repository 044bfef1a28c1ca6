"""How near an own outline is to the others: exact on toy masks."""

import numpy as np
import pytest

from napari_ambiseg.likeness import SAMPLES, Standing, distances
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


def test_the_standing_is_that_of_a_slow_count():
    rng = np.random.default_rng(7)
    for _ in range(20):
        experts, own = rng.random((4, 6, 6)) > 0.5, rng.random((6, 6)) > 0.5
        standing = Standing.of_reader(own, experts)
        mine = np.mean([1 - iou(own, expert) for expert in experts])
        theirs = [np.mean([1 - iou(a, b) for j, b in enumerate(experts) if j != i]) for i, a in enumerate(experts)]
        assert standing.mean == pytest.approx(mine)
        assert standing.experts == pytest.approx(theirs)
        assert standing.rank == 1 + sum(their < mine for their in theirs)
        assert standing.of == 5


def test_whoever_draws_as_all_experts_did_is_first():
    experts = np.stack([square(3)] * 3)
    assert Standing.of_reader(square(3), experts).rank == 1
    assert Standing.of_reader(square(1), experts).rank == 4


def test_where_nobody_annotated_the_slice_only_the_samples_are_compared():
    (one,) = distances(square(2), np.zeros((0, 8, 8), bool), square(2)[None])
    assert (one.name, one.distance) == (SAMPLES, 0.0)
    assert distances(square(2), np.zeros((0, 8, 8), bool), None) == ()
    assert Standing.of_reader(square(2), np.zeros((0, 8, 8), bool)) is None


def test_a_single_expert_has_no_others_to_be_ranked_with():
    assert Standing.of_reader(square(1), square(1)[None]) is None


def test_dice_and_distance_are_those_of_the_metrics():
    own, expert = square(3), np.roll(square(4), 1, axis=0)
    (one,) = distances(own, expert[None], None)
    assert one.distance == pytest.approx(1 - iou(own, expert))
    assert one.dice == pytest.approx(dice(own, expert))
