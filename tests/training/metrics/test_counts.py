"""Pixels that pairs of masks share, counted in packed words: exact at every border of a byte, a word and a block."""

import numpy as np
import pytest

from training.metrics import counts
from training.metrics.counts import CaseCounts


@pytest.mark.parametrize("size", [1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 1000])
@pytest.mark.parametrize("words", [1, 40, 2**20])
def test_shared_pixels_are_those_that_both_mark(monkeypatch, size, words):
    monkeypatch.setattr(counts, "_WORDS", words)
    samples, experts = np.random.default_rng(size).random((9, 1, size)) < 0.6, np.ones((2, 1, size), bool)
    found = CaseCounts.of_masks(samples, experts).shared
    masks = np.concatenate([samples, experts])[:, 0].tolist()
    assert found.tolist() == [
        [sum(a and b for a, b in zip(one, other, strict=True)) for other in masks] for one in masks
    ]


def test_masks_of_nobody_share_nothing():
    assert not CaseCounts.of_masks(np.zeros((3, 4, 4), bool), np.zeros((2, 4, 4), bool)).shared.any()
