"""Each slice has its own crop, wherever it stands; all places are equally likely, the outermost too."""

import numpy as np
import pytest

from training.data.crops import Cropped, crop_offset, random_crop
from training.data.dataset import SliceArrays, SliceDataset
from training.data.hdf5 import Hdf5Dataset, write_dataset
from training.errors import ConfigError, DataFormatError
from training.evaluation.cases import Plan, evaluate_cases
from training.records import AnnotatedSlice
from training.segmenters.experts import ExpertsOracle

KEYS = [f"1.3.6.1_slice{number}" for number in range(6500)]
OFFSETS = np.array([crop_offset(key, (128, 128), 64, seed=0) for key in KEYS])


def numbered(key="a", shape=(20, 20), k=2, first=0.0):
    """A slice whose every pixel has its own intensity and Hounsfield units, and masks that follow them."""
    number = np.arange(np.prod(shape)).reshape(shape)
    return AnnotatedSlice(
        image=(first + number / (2 * number.size)).astype(np.float32),
        masks=np.stack([number % (expert + 2) == 0 for expert in range(k)]),
        patient=f"patient of {key}",
        key=key,
        spacing_mm=(0.6, 0.7),
        hounsfield=(number - 1000).astype(np.int16),
    )


class InMemory(SliceDataset):
    """A split that counts how often it is read."""

    def __init__(self, cases):
        self.cases, self.reads = cases, 0
        self.keys = tuple(case.key for case in cases)
        self.patients = tuple(case.patient for case in cases)
        self.spacings = tuple(case.spacing_mm for case in cases)

    def __getitem__(self, index):
        self.reads += 1
        return self.cases[index]

    def arrays(self):
        return SliceArrays(np.stack([c.image for c in self.cases]), np.stack([c.masks for c in self.cases]))


@pytest.mark.parametrize("axis", [0, 1])
def test_every_offset_from_0_to_64_is_equally_likely(axis):
    """Pearson's chi-square over the 65 places: mean 64, standard deviation sqrt(128)."""
    counts = np.bincount(OFFSETS[:, axis], minlength=65)
    assert len(counts) == 65
    assert counts.min() > 0
    expected = len(KEYS) / 65
    assert abs(((counts - expected) ** 2 / expected).sum() - 64) < 5 * np.sqrt(128)


def test_rows_and_columns_are_independent():
    assert abs(np.corrcoef(OFFSETS.T)[0, 1]) < 5 / np.sqrt(len(KEYS))


def test_neighbouring_keys_and_seeds_have_unrelated_offsets():
    other = np.array([crop_offset(key, (128, 128), 64, seed=1) for key in KEYS])
    for axis in (0, 1):
        assert abs(np.corrcoef(OFFSETS[1:, axis], OFFSETS[:-1, axis])[0, 1]) < 5 / np.sqrt(len(KEYS))
        assert abs(np.corrcoef(OFFSETS[:, axis], other[:, axis])[0, 1]) < 5 / np.sqrt(len(KEYS))


def test_published_scores_depend_on_these_offsets():
    """Pins the crops: if this fails, every score on random crops is of other squares."""
    assert [crop_offset(key, (128, 128), 64, seed) for key, seed in [("a", 0), ("a", 1), ("b", 0)]] == PINNED


PINNED = [(58, 54), (26, 49), (27, 44)]


def test_each_axis_of_an_oblong_slice_has_its_own_range():
    offsets = np.array([crop_offset(key, (8, 40), 8, seed=0) for key in KEYS[:1000]])
    assert set(offsets[:, 0]) == {0}
    assert set(offsets[:, 1]) == set(range(33))


def test_a_crop_is_the_square_that_its_offset_says():
    case = numbered(shape=(20, 24), k=3)
    top, left = crop_offset("a", (20, 24), 8, seed=5)
    crop = random_crop(case, 8, seed=5)
    for row in range(8):
        for column in range(8):
            assert crop.image[row, column] == case.image[top + row, left + column]
            assert crop.hounsfield[row, column] == case.hounsfield[top + row, left + column]
            np.testing.assert_array_equal(crop.masks[:, row, column], case.masks[:, top + row, left + column])
    assert crop.key == f"a[{top}:{top + 8},{left}:{left + 8}]"
    assert (crop.patient, crop.spacing_mm) == (case.patient, case.spacing_mm)


def test_a_slice_without_hounsfield_units_stays_without():
    case = numbered()
    bare = AnnotatedSlice(case.image, case.masks, case.patient, case.key)
    assert random_crop(bare, 8).hounsfield is None


def test_a_crop_does_not_keep_the_whole_slice_in_memory():
    crop = random_crop(numbered(), 8)
    assert crop.image.base.size == crop.masks.base.size / 2 == crop.hounsfield.base.size == 64


def test_masks_may_become_empty():
    masks = np.zeros((2, 20, 20), bool)
    top, left = crop_offset("a", (20, 20), 8, seed=0)
    masks[0, (top + 10) % 20, left] = True  # outside: 10 rows further, round the edge
    masks[1, top, left] = True
    crop = random_crop(AnnotatedSlice(numbered().image, masks, "p", "a"), 8)
    assert crop.masks.any(axis=(1, 2)).tolist() == [False, True]


def test_the_crop_of_the_whole_slice_is_the_slice():
    case = numbered()
    crop = random_crop(case, 20)
    np.testing.assert_array_equal(crop.image, case.image)
    np.testing.assert_array_equal(crop.masks, case.masks)


def test_a_cropped_split_gives_each_slice_its_crop_in_any_order_and_company():
    cases = [numbered(f"slice {number}", first=number / 100) for number in range(12)]
    split, shuffled = Cropped(InMemory(cases), 8, seed=3), Cropped(InMemory(cases[:3:-2]), 8, seed=3)
    assert len(split) == 12
    alone = {case.key: case for case in (random_crop(case, 8, seed=3) for case in cases)}
    assert split.keys == tuple(alone)
    assert set(shuffled.keys) < set(alone)
    for view in (split, shuffled):
        for key, patient, spacing, crop in zip(view.keys, view.patients, view.spacings, view, strict=True):
            assert (crop.key, crop.patient, crop.spacing_mm) == (key, patient, spacing)
            np.testing.assert_array_equal(crop.image, alone[key].image)
            np.testing.assert_array_equal(crop.masks, alone[key].masks)


def test_a_cropped_split_is_scored_case_by_case_whatever_stands_beside_it():
    cases = [numbered(f"slice {number}", first=number / 100) for number in range(6)]
    split, part = Cropped(InMemory(cases), 8), Cropped(InMemory(cases[4:1:-1]), 8)
    whole = {scored.key: scored for scored in evaluate_cases(ExpertsOracle(), enumerate(split), Plan((2,)))}
    assert tuple(whole) == split.keys
    for scored in evaluate_cases(ExpertsOracle(), enumerate(part), Plan((2,))):
        np.testing.assert_array_equal(scored.scores, whole[scored.key].scores)


def test_all_crops_at_once_are_those_read_one_by_one():
    split = Cropped(InMemory([numbered(f"slice {number}") for number in range(7)]), 8)
    arrays = split.arrays()
    np.testing.assert_array_equal(arrays.images, [case.image for case in split])
    np.testing.assert_array_equal(arrays.masks, [case.masks for case in split])


def test_opening_a_cropped_split_reads_one_slice_only():
    source = InMemory([numbered(f"slice {number}") for number in range(7)])
    split = Cropped(source, 8)
    assert source.reads == 1
    with pytest.raises(IndexError):
        split[7]


def test_a_split_of_a_file_can_be_cropped_and_written_again(tmp_path):
    whole, cut = tmp_path / "whole.hdf5", tmp_path / "cut.hdf5"
    cases = [numbered(f"slice {number}", first=number / 100) for number in range(5)]
    write_dataset(whole, {"test": cases}, {})
    with Hdf5Dataset(whole) as dataset:
        split = Cropped(dataset.splits["test"], 8)
        write_dataset(cut, {"test": split}, {})
        with Hdf5Dataset(cut) as written:
            assert written.splits["test"].keys == split.keys
            for one, other in zip(written.splits["test"], split, strict=True):
                np.testing.assert_array_equal(one.image, other.image)
                np.testing.assert_array_equal(one.masks, other.masks)
                np.testing.assert_array_equal(one.hounsfield, other.hounsfield)


@pytest.mark.parametrize(
    ("size", "crop", "seed", "error", "says"),
    [
        ((32, 128), 64, 0, DataFormatError, r"slice 'a': 32 x 128 pixels .* 64 x 64; choose a crop of at most 32"),
        ((128, 128), 0, 0, ConfigError, "a crop of 0 pixels"),
        ((128, 128), -64, 0, ConfigError, "a crop of -64 pixels"),
        ((128, 128), 64, -1, ConfigError, "seed must be between 0"),
        ((128, 128), 64, 2**64, ConfigError, "seed must be between 0"),
    ],
)
def test_impossible_crops_are_refused(size, crop, seed, error, says):
    with pytest.raises(error, match=says):
        crop_offset("a", size, crop, seed)
    with pytest.raises(error, match=says):
        Cropped(InMemory([numbered(shape=size)]), crop, seed)


def test_a_crop_of_everything_is_still_named_as_a_crop():
    """The key names the case's noise: the name must not depend on whether there was something to cut off."""
    case = numbered(key="k", shape=(20, 20))
    whole = random_crop(case, 20)
    assert whole.key == Cropped(InMemory([case]), 20).keys[0] == "k[0:20,0:20]"
    np.testing.assert_array_equal(whole.image, case.image)
