"""Counting on a device: the same marks, to the last bit, as counting in the host's memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.errors import DataFormatError
from training.metrics import tally
from training.metrics.on_device import tally_many

batches = st.tuples(
    st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.sampled_from([(1, 1), (3, 5), (8, 8), (7, 11)])
).flatmap(
    lambda cnkh: st.tuples(
        hnp.arrays(bool, (cnkh[0], cnkh[1], *cnkh[3]), elements=st.booleans(), fill=st.just(False)),
        hnp.arrays(bool, (cnkh[0], cnkh[2], *cnkh[3]), elements=st.booleans(), fill=st.just(False)),
    )
)


def require_equal(samples, annotations, device):
    tallies = tally_many(torch.from_numpy(samples).to(device), torch.from_numpy(annotations).to(device))
    assert len(tallies) == len(samples)
    for found, *sets in zip(tallies, samples, annotations, strict=True):
        expected = tally(*sets)
        np.testing.assert_array_equal(found.marks, expected.marks)
        assert found.marks.dtype == np.bool_
        np.testing.assert_array_equal(found.shared, expected.shared)
        assert (found.n_samples, found.n_pixels) == (expected.n_samples, expected.n_pixels)
        for n in range(1, len(sets[0]) + 1):
            np.testing.assert_array_equal(found.votes(n), expected.votes(n))
            np.testing.assert_array_equal(found.scores(n), expected.scores(n))


@settings(max_examples=60, deadline=None)
@given(batches)
def test_tensors_of_the_cpu_are_counted_like_arrays(sets):
    require_equal(*sets, "cpu")


def masks_of_all_kinds():
    rng = np.random.default_rng(0)
    masks = rng.random((6, 20, 128, 128)) < rng.random((6, 20, 1, 1)) / 2
    masks[1] = False  # nobody sees anything
    masks[2, :10] = False
    masks[3] = rng.random((20, 128, 128)) < 0.5
    masks[4] = True
    return masks[:, :16], masks[:, 16:]


def test_dense_empty_and_full_masks_are_counted_like_arrays():
    require_equal(*masks_of_all_kinds(), "cpu")


@pytest.mark.cuda
def test_tensors_of_a_gpu_are_counted_like_arrays():
    require_equal(*masks_of_all_kinds(), "cuda")


def test_masks_that_do_not_lie_contiguously_are_counted_alike():
    samples, annotations = (torch.from_numpy(part) for part in masks_of_all_kinds())
    turned = tally_many(samples.transpose(2, 3), annotations.transpose(2, 3))
    straight = tally_many(samples.transpose(2, 3).contiguous(), annotations.transpose(2, 3).contiguous())
    for a, b in zip(turned, straight, strict=True):
        np.testing.assert_array_equal(a.marks, b.marks)


@pytest.mark.parametrize(
    ("samples", "annotations", "named"),
    [
        ((2, 3, 4, 4), (2, 1, 4, 5), r"\(2, 3, 4, 4\) on cpu and \(2, 1, 4, 5\)"),
        ((2, 3, 4, 4), (1, 1, 4, 4), r"of the same cases"),
        ((2, 0, 4, 4), (2, 1, 4, 4), r"samples: .*\(2, 0, 4, 4\)"),
        ((2, 3, 4, 4), (2, 0, 4, 4), r"annotations: .*\(2, 0, 4, 4\)"),
        ((0, 3, 4, 4), (0, 1, 4, 4), r"samples: .*\(0, 3, 4, 4\)"),
        ((3, 4, 4), (1, 4, 4), r"samples: .*\(3, 4, 4\)"),
    ],
)
def test_batches_that_cannot_be_counted_are_refused_in_one_line(samples, annotations, named):
    with pytest.raises(DataFormatError, match=named) as caught:
        tally_many(torch.ones(samples, dtype=torch.bool), torch.ones(annotations, dtype=torch.bool))
    assert "\n" not in str(caught.value)


def test_masks_that_are_not_bool_are_refused():
    good = torch.ones(1, 2, 3, 3, dtype=torch.bool)
    with pytest.raises(DataFormatError, match=r"annotations: .*float32"):
        tally_many(good, good.float())
