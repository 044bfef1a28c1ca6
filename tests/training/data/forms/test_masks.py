"""What labels mean a mask, against a rule written out value by value."""

import itertools
import warnings

import numpy as np
import pytest

from training.data.forms._masks import FLOAT, WHITE, drawn_mask
from training.data.forms.interface import UnusableError

VALUES = (-1, 0, 1, 2, 254, 255, 256)
REFUSED = "has values other than 0 and 1, or 0 and 255"


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int64, np.float32, np.float64])
def test_every_triple_of_values_is_a_mask_or_refused_by_the_rule(dtype):
    for triple in itertools.product(VALUES, repeat=3):
        if min(triple) < 0 and np.dtype(dtype).kind == "u":
            continue
        labels = np.array(triple, dtype)
        if set(triple) <= {0, 1} or set(triple) <= {0, 255}:
            mask, notes = drawn_mask(labels)
            assert mask.dtype == np.bool_
            assert mask.tolist() == [value > 0 for value in triple]
            assert notes == [WHITE] * (255 in triple) + [FLOAT] * (labels.dtype.kind == "f")
        else:
            with pytest.raises(UnusableError, match=REFUSED):
                drawn_mask(labels)


@pytest.mark.parametrize("shape", [(1,), (2, 3), (2, 3, 4)])
def test_bools_of_any_shape_are_masks_without_a_note(shape):
    labels = np.random.default_rng(1).random(shape) > 0.5
    mask, notes = drawn_mask(labels)
    assert np.array_equal(mask, labels)
    assert notes == []


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_no_float_that_is_not_a_number_passes_or_warns(dtype):
    code = {2: np.uint16, 4: np.uint32, 8: np.uint64}[np.dtype(dtype).itemsize]
    infinity = int(np.array(np.inf, dtype).view(code))
    signalling = np.array([0, infinity + 1], code).view(dtype)
    with warnings.catch_warnings(action="error"):
        for labels in (signalling, np.array([1, np.nan], dtype), np.array([0, np.inf], dtype), np.array([0.5], dtype)):
            with pytest.raises(UnusableError, match=REFUSED):
                drawn_mask(labels)
