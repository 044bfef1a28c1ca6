"""Pixels lie where the affine says."""

import numpy as np
import pytest

from training.errors import DataFormatError
from training.export import Geometry
from training.records import AnnotatedSlice


def test_a_slice_by_itself_has_its_rows_to_the_back_and_its_columns_to_the_left():
    case = AnnotatedSlice(np.zeros((4, 6), np.float32), np.zeros((1, 4, 6), bool), "p", "k", spacing_mm=(0.5, 0.75))
    geometry = Geometry.of_case(case)
    np.testing.assert_array_equal(geometry.affine @ (2, 3, 0, 1), (-1.5, -1.5, 0, 1))
    assert geometry.spacing_mm == (0.5, 0.75, 1.0)
    assert geometry.in_mm


def test_without_spacing_a_pixel_is_one_unit_and_the_unit_is_unknown():
    case = AnnotatedSlice(np.zeros((4, 6), np.float32), np.zeros((1, 4, 6), bool), "p", "k")
    assert Geometry.of_case(case).spacing_mm == (1.0, 1.0, 1.0)
    assert not Geometry.of_case(case).in_mm


@pytest.mark.parametrize(
    ("affine", "says"),
    [
        (np.eye(3), "(4, 4)"),
        (np.full((4, 4), np.nan), "finite"),
        (np.diag([1.0, 1, 1, 2]), "0 0 0 1"),
        (np.diag([1.0, 0, 1, 1]), "inverted"),
        (np.array([["a"] * 4] * 4), "numbers"),
    ],
)
def test_an_affine_that_places_nothing_is_refused(affine, says):
    with pytest.raises(DataFormatError, match=says.replace("(", r"\(").replace(")", r"\)")):
        Geometry(affine)


def test_the_given_array_may_change_without_moving_anything():
    affine = np.eye(4)
    geometry = Geometry(affine)
    affine[0, 3] = 5
    assert geometry.affine[0, 3] == 0
