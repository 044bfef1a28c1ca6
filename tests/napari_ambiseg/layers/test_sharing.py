"""Outlines that coincide: every stretch is drawn once, and by all who share it in turns."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from napari_ambiseg.layers.outlines import outlines
from napari_ambiseg.layers.sharing import shared_out


def segments(paths):
    """The undirected segments of some paths, counted."""
    return Counter(frozenset((tuple(a), tuple(b))) for path in paths for a, b in pairwise(path))


def square(first, last, side=20):
    mask = np.zeros((side, side), bool)
    mask[first:last, first:last] = True
    return mask


def length(paths):
    return sum(np.linalg.norm(np.diff(path, axis=0), axis=1).sum() for path in paths)


@pytest.mark.parametrize("seed", range(5))
def test_together_they_draw_every_segment_once_and_each_only_its_own(seed):
    rng = np.random.default_rng(seed)
    common = rng.random((12, 12)) > 0.4
    whole = [outlines(common ^ (rng.random((12, 12)) > 0.9)) for _ in range(4)]
    left = shared_out(whole, 3)
    drawn = [segments(paths) for paths in left]
    assert all(set(some) <= set(segments(paths)) for some, paths in zip(drawn, whole, strict=True))
    everything = set().union(*(segments(paths) for paths in whole))
    assert sum(drawn, Counter()) == Counter(dict.fromkeys(everything, 1))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_equal_outlines_get_equal_parts_all_around(count):
    whole = [outlines(square(4, 16)) for _ in range(count)]
    left = shared_out(whole, 3)
    lengths = [length(paths) for paths in left]
    assert sum(lengths) == pytest.approx(length(whole[0]))
    assert min(lengths) > 0.6 * max(lengths)
    for paths in left:  # not all on one side
        assert {(bool(r > 9.5), bool(c > 9.5)) for path in paths for r, c in path} == {
            (False, False), (False, True), (True, False), (True, True),
        }  # fmt: skip


def test_outlines_that_share_nothing_stay_whole():
    whole = [outlines(square(2, 18)), outlines(square(5, 10)), []]
    left = shared_out(whole, 3)
    assert all(a is b for a, b in zip(left[0] + left[1], whole[0] + whole[1], strict=True))
    assert left[2] == []
    assert shared_out([[], []], 3) == [[], []]


def test_a_shared_side_has_both_colours_even_where_it_is_shorter_than_two_dashes():
    a, b = square(4, 8), np.zeros((20, 20), bool)
    b[4:8, 4:12] = True  # a is the left half of b: they share three sides of a
    left = shared_out([outlines(a), outlines(b)], 100)
    shared = set(segments(outlines(a))) & set(segments(outlines(b)))
    assert len(shared) > 2
    assert all(set(segments(paths)) & shared for paths in left)


def test_nothing_is_moved():
    whole = [outlines(square(4, 16)), outlines(square(4, 16))]
    points = {tuple(point) for path in whole[0] for point in path}
    assert {tuple(point) for paths in shared_out(whole, 2) for path in paths for point in path} == points


def test_equal_outlines_at_the_edge_of_the_slice_are_shared_too():
    whole = [outlines(np.ones((6, 6), bool)) for _ in range(2)]
    left = shared_out(whole, 2)
    assert sum(map(length, left)) == pytest.approx(length(whole[0]))
    assert all(left)
