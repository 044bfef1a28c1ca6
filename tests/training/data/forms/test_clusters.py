"""Annotations that come close mean one nodule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.forms._clusters import group_annotations


def at(*positions):
    return np.array(positions, np.float64)


def reference(annotations, tolerance, largest):
    """The rule by loops: all distances, links by union of sets, a smaller tolerance while a set is too large."""

    def sets(reach):
        groups = [{index} for index in range(len(annotations))]
        for a in range(len(annotations)):
            for b in range(a):
                near = min(float(np.linalg.norm(p - q)) for p in annotations[a] for q in annotations[b])
                if near <= reach:
                    joined = next(g for g in groups if a in g) | next(g for g in groups if b in g)
                    groups = [g for g in groups if not g & joined] + [joined]
        return groups

    groups = sets(tolerance)
    while max(map(len, groups)) > largest and tolerance * 0.9 >= 0.1:
        tolerance *= 0.9
        groups = sets(tolerance)
    return sorted(map(sorted, groups))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.sampled_from([0.7, 2.5, 5.0]), st.integers(1, 4))
def test_groups_are_those_of_the_slow_rule(seed, count, tolerance, largest):
    rng = np.random.default_rng(seed)
    annotations = [rng.uniform(0, 14, 3) + rng.uniform(0, 3, (rng.integers(1, 6), 3)) for _ in range(count)]
    assert sorted(group_annotations(annotations, tolerance, largest)) == reference(annotations, tolerance, largest)


def test_the_tolerance_itself_still_links_and_links_make_chains():
    chain = [at((0, 0, 10.0 * i)) for i in range(3)]
    assert group_annotations(chain, 10, 4) == [[0, 1, 2]]
    assert group_annotations(chain, 9.99, 4) == [[0], [1], [2]]


def test_the_smallest_distance_of_any_two_points_decides():
    long = at((0, 0, 0), (0, 0, 50))
    assert group_annotations([long, at((0, 1, 50))], 1.5, 4) == [[0, 1]]
    assert group_annotations([long, at((0, 0, 25))], 1.5, 4) == [[0], [1]]


def test_too_many_annotations_are_told_apart_by_a_smaller_tolerance():
    """Two nodules 2 mm apart, each drawn by three experts: within 2.5 mm they are one of six."""
    left = [at((0, 0, 0.01 * i)) for i in range(3)]
    right = [at((0, 0, 2 + 0.01 * i)) for i in range(3)]
    assert group_annotations(left + right, 2.5, 4) == [[0, 1, 2], [3, 4, 5]]
    assert group_annotations(left + right, 2.5, 6) == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize(("apart", "n_nodules"), [(0.12, 2), (0.05, 1)])
def test_the_tolerance_falls_to_a_tenth_of_a_millimetre_and_no_further(apart, n_nodules):
    annotations = [at((0, 0, 0))] * 3 + [at((0, 0, apart))] * 3
    assert len(group_annotations(annotations, 2.5, 4)) == n_nodules


def test_annotations_that_lie_on_each_other_stay_together_however_many():
    assert group_annotations([at((1, 2, 3))] * 6, 2.5, 4) == [[0, 1, 2, 3, 4, 5]]


def test_nodules_come_by_z_then_row_then_column():
    places = [(9, 0, 0), (-5, 60, 0), (-5, 30, 70), (-5, 30, 20), (0, 0, 0)]
    groups = group_annotations([at(place) for place in places], 1, 4)
    assert [places[group[0]] for group in groups] == sorted(places)


def test_the_order_of_the_annotations_does_not_change_the_groups():
    rng = np.random.default_rng(3)
    annotations = [rng.uniform(0, 40, 3) + rng.uniform(0, 2, (20, 3)) for _ in range(12)]
    order = rng.permutation(12)
    shuffled = group_annotations([annotations[i] for i in order], 3, 4)
    again = [sorted(int(order[i]) for i in group) for group in shuffled]
    assert again == group_annotations(annotations, 3, 4)


@pytest.mark.parametrize("annotations", [[], [at((1, 1, 1))]])
def test_none_and_one_are_groups_too(annotations):
    assert group_annotations(annotations, 1, 4) == [[0]] * len(annotations)
