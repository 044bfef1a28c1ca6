"""What real radiologists' masks give: known values of LIDC-IDRI, where a copy of the sample file is at hand."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from training.metrics import (
    diversity,
    generalized_energy_distance,
    leave_one_out,
    pairwise_dice,
    pairwise_distance,
    tally,
    vote_fraction,
)
from training.metrics.glossary import NAMES

FOLDER = Path(__file__).parents[4] / "shared" / "data"
SAMPLE = FOLDER / "lidc_sample.hdf5"
MOST_SLICES = [FOLDER / f"lidc_{part}.hdf5" for part in ("train_1of3", "train_2of3", "train_3of3", "val")]


def read(path):
    """One (4, 128, 128) set of masks per slice of the file."""
    if not path.exists():
        pytest.skip(f"needs the LIDC file {path.name}, which is not distributed with the project")
    with h5py.File(path) as file:
        labels = np.concatenate([file[split]["labels"][:] for split in file if len(file[split]["labels"])])
    return np.ascontiguousarray(labels.transpose(0, 3, 1, 2)).astype(bool)


@pytest.fixture(scope="module")
def annotations():
    return read(SAMPLE)


def slow_distance(a, b):
    a, b = set(np.flatnonzero(a)), set(np.flatnonzero(b))
    return 1 - len(a & b) / len(a | b) if a | b else 0.0


def test_real_slices_agree_with_the_slow_reference(annotations):
    for masks in annotations[::20]:
        np.testing.assert_array_equal(pairwise_distance(masks), [[slow_distance(a, b) for b in masks] for a in masks])


# All 15 486 annotated slices of LIDC-IDRI give 0.525, 0.394, 0.526 and 0.845; the file is a part of them.
def test_radiologists_disagree_as_much_as_is_known(annotations):
    between = [diversity(masks) for masks in annotations]
    with_self_pairs = [pairwise_distance(masks).mean() for masks in annotations]
    distinct = ~np.eye(4, dtype=bool)
    dice_between = [pairwise_dice(masks, masks)[distinct].mean() for masks in annotations]
    assert np.mean(between) == pytest.approx(0.525, abs=0.05)
    assert np.mean(with_self_pairs) == pytest.approx(0.394, abs=0.05)
    assert np.mean(dice_between) == pytest.approx(0.526, abs=0.05)


def test_predicting_nothing_scores_as_badly_as_is_known(annotations):
    nothing = np.zeros((4, 128, 128), bool)
    scores = [generalized_energy_distance(nothing, masks) for masks in annotations]
    assert np.mean(scores) == pytest.approx(0.845, abs=0.05)


def test_no_slice_is_without_any_lesion(annotations):
    assert all(vote_fraction(masks).max() >= 0.25 for masks in annotations)


def means_of_draws(annotations, n, names=("ged_v", "ged_u", "dice")):
    """Mean scores of an oracle: n masks drawn from the slice's own four, with replacement."""
    rng = np.random.default_rng(n)
    rows = [tally(masks[rng.integers(0, 4, n)], masks).scores(names=names) for masks in annotations]
    return dict(zip(names, np.mean(rows, axis=0), strict=True))


# On average V is E[d(y, y')] / n with self-pairs, 0.394 / n, and U is 0, whatever the file.
@pytest.mark.parametrize(("n", "v"), [(4, 0.098), (16, 0.024)])
def test_drawing_from_the_radiologists_scores_as_is_known(annotations, n, v):
    found = means_of_draws(annotations, n)
    assert found["ged_v"] == pytest.approx(v, rel=0.15)
    assert found["ged_u"] == pytest.approx(0, abs=0.03)
    assert found["dice"] == pytest.approx(0.644, abs=0.05)


def test_a_radiologist_beside_the_other_three_is_as_far_from_them_as_they_are_from_each_other(annotations):
    for masks in annotations[::10]:
        human = dict(zip(NAMES, leave_one_out(masks), strict=True))
        assert human["ged_cross"] == pytest.approx(diversity(masks), abs=1e-12)
        assert human["diversity_experts"] == pytest.approx(diversity(masks), abs=1e-12)


@pytest.mark.slow
def test_twelve_thousand_slices_come_close_to_the_known_values_of_all():
    annotations = np.concatenate([read(path) for path in MOST_SLICES])
    assert np.mean([diversity(masks) for masks in annotations]) == pytest.approx(0.525, abs=0.01)
    nothing = np.zeros((4, 128, 128), bool)
    empty = np.mean([tally(nothing, masks).scores(names=("ged_v", "dice")) for masks in annotations], axis=0)
    assert empty.tolist() == pytest.approx([0.845, 0.380], abs=0.01)
    assert means_of_draws(annotations, 4)["ged_v"] == pytest.approx(0.098, abs=0.005)
    assert means_of_draws(annotations, 16)["ged_v"] == pytest.approx(0.024, abs=0.002)
