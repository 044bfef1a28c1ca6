"""The part of a slice that a model looks at: cut out, and masks returned to their place."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.field import Field
from training.errors import ConfigError, DataFormatError
from training.records import AnnotatedSlice

SIDES = st.integers(1, 40)
POINTS = st.floats(-100, 100)


def numbered(shape=(6, 9), hounsfield=True):
    """A slice whose every pixel has its own intensity and Hounsfield units."""
    number = np.arange(np.prod(shape)).reshape(shape)
    return AnnotatedSlice(
        image=(number / number.size).astype(np.float32),
        masks=np.stack([number % 2 == 0, number % 5 == 0]),
        patient="p",
        key="k",
        spacing_mm=(0.5, 0.7),
        hounsfield=(number - 1000).astype(np.int16) if hounsfield else None,
    )


def test_a_field_is_these_rows_and_columns_and_the_key_says_which():
    case = numbered()
    part = Field(top=1, left=3, height=2, width=4).cut(case)
    rows, columns = np.meshgrid([1, 2], [3, 4, 5, 6], indexing="ij")
    np.testing.assert_array_equal(part.image, case.image[rows, columns])
    np.testing.assert_array_equal(part.hounsfield, case.hounsfield[rows, columns])
    np.testing.assert_array_equal(part.masks, [mask[rows, columns] for mask in case.masks])
    assert (part.key, part.patient, part.spacing_mm) == ("k[1:3,3:7]", "p", (0.5, 0.7))
    assert all(array.flags.c_contiguous for array in (part.image, part.masks, part.hounsfield))
    assert Field(1, 3, 2, 4).cut(numbered(hounsfield=False)).hounsfield is None


def test_the_whole_of_a_slice_is_the_slice_itself():
    case = numbered()
    field = Field.whole(case.image.shape)
    assert field.is_whole((6, 9))
    assert field.cut(case) is case
    assert not field.is_whole((9, 6))
    assert not Field(0, 0, 6, 8).is_whole((6, 9))


def test_masks_return_to_the_pixels_that_they_are_of():
    case = numbered((7, 8))
    field = Field(2, 3, 4, 5)
    pasted = field.paste(field.cut(case).masks, (7, 8))
    within = np.zeros((7, 8), bool)
    within[2:6, 3:8] = True
    np.testing.assert_array_equal(pasted, case.masks & within)
    assert pasted.dtype == np.bool_


def test_what_lies_outside_may_have_a_value_of_its_own():
    """Predicted clean masks are -1 where there is no lesion, and come with a leading axis of steps."""
    field, x0_hat = Field(1, 0, 2, 2), np.ones((3, 4, 2, 2), np.float16)
    pasted = field.paste(x0_hat, (3, 3), outside=-1)
    assert (pasted.shape, pasted.dtype) == ((3, 4, 3, 3), np.float16)
    assert (pasted == np.array([[-1, -1, -1], [1, 1, -1], [1, 1, -1]])).all()


@given(POINTS, POINTS, SIDES, SIDES, SIDES)
def test_a_field_around_a_point_lies_within_and_is_as_near_as_it_can_be(row, column, size, height, width):
    field = Field.around((row, column), size, (height, width))
    field.require_within((height, width))
    assert field.shape == (min(size, height), min(size, width))
    for at, start, side, length in (
        (row, field.top, field.height, height),
        (column, field.left, field.width, width),
    ):
        off = [abs(first + (side - 1) / 2 - at) for first in range(length - side + 1)]
        assert off[start] <= min(off) + 1e-9


def test_a_field_around_the_middle_of_a_pixel_of_odd_size_has_it_in_its_middle():
    assert Field.around((10.0, 20.0), 5, (64, 64)) == Field(8, 18, 5, 5)
    assert Field.around((10.5, 20.5), 4, (64, 64)) == Field(9, 19, 4, 4)


@given(st.integers(0, 999), st.integers(0, 999), st.integers(1, 999), st.integers(1, 999))
def test_a_field_is_read_as_it_is_written(top, left, height, width):
    field = Field(top, left, height, width)
    assert Field.parse(str(field)) == field
    assert pickle.loads(pickle.dumps(field)) == field  # noqa: S301 -- our own bytes


def test_a_square_is_written_with_one_side():
    assert str(Field(1, 2, 30, 30)) == "1,2,30"
    assert str(Field(1, 2, 30, 40)) == "1,2,30,40"
    assert Field.parse(" 1, 2 ,30 ") == Field(1, 2, 30, 30)


@pytest.mark.parametrize("text", ["", "1,2", "1,2,3,4,5", "1;2;3", "1,2,x", "1.5,2,3", "1,2,", "nan,0,1"])
def test_a_text_that_is_no_field_is_refused(text):
    with pytest.raises(ConfigError, match=r"cannot read the field .*; write TOP,LEFT,SIZE"):
        Field.parse(text)


@pytest.mark.parametrize("text", ["-1,0,5", "0,-1,5", "0,0,0", "0,0,5,0", "0,0,-5"])
def test_a_field_that_cannot_be_is_refused(text):
    with pytest.raises(ConfigError, match=f"field {text} is impossible"):
        Field.parse(text)


@pytest.mark.parametrize("field", [Field(0, 0, 7, 9), Field(0, 0, 6, 10), Field(6, 0, 1, 1), Field(5, 8, 2, 1)])
def test_a_field_beyond_the_image_is_refused(field):
    case = numbered()
    with pytest.raises(ConfigError, match=r"the image has 6 x 9 pixels; choose a place or size within it"):
        field.cut(case)
    with pytest.raises(ConfigError, match=r"the image has 6 x 9 pixels"):
        field.paste(np.zeros((1, *field.shape), bool), (6, 9))


def test_masks_of_another_size_are_refused():
    with pytest.raises(DataFormatError, match=r"field 0,0,3 holds 3 x 3 pixels, got an array of shape \(2, 3, 4\)"):
        Field(0, 0, 3, 3).paste(np.zeros((2, 3, 4), bool), (6, 9))


@pytest.mark.parametrize("centre", [(np.nan, 0), (0, np.inf)])
def test_a_field_around_nowhere_is_refused(centre):
    with pytest.raises(ConfigError, match="give a finite row and column"):
        Field.around(centre, 4, (8, 8))
    with pytest.raises(ConfigError, match="a field of 0 pixels is impossible"):
        Field.around((1, 1), 0, (8, 8))
