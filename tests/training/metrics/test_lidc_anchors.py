"""What real radiologists' masks give: known values of LIDC-IDRI, where a copy of the sample file is at hand."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from training.metrics import diversity, generalized_energy_distance, pairwise_dice, pairwise_distance, vote_fraction

SAMPLE = Path(__file__).parents[4] / "shared" / "data" / "lidc_sample.hdf5"


@pytest.fixture(scope="module")
def annotations():
    """One (4, 128, 128) set of masks per slice of the file."""
    if not SAMPLE.exists():
        pytest.skip(f"needs the LIDC sample file {SAMPLE.name}, which is not distributed with the project")
    with h5py.File(SAMPLE) as file:
        labels = np.concatenate([file[split]["labels"][:] for split in ("train", "val", "test")])
    return np.ascontiguousarray(labels.transpose(0, 3, 1, 2)).astype(bool)


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
