"""How an own outline would rank among the experts': exact on toy masks."""

import numpy as np
import pytest

from napari_ambiseg.likeness import Standing
from training.metrics import iou


def square(side, shape=(8, 8)):
    mask = np.zeros(shape, bool)
    mask[:side, :side] = True
    return mask


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


def test_a_single_expert_has_no_others_to_be_ranked_with():
    assert Standing.of_reader(square(1), square(1)[None]) is None


def test_where_nobody_annotated_the_slice_there_is_no_rank():
    assert Standing.of_reader(square(2), np.zeros((0, 8, 8), bool)) is None
