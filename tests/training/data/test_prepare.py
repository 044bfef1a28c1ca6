"""Conversion: one pass from any form to the project's HDF5, with everything that is left out counted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from zlib import crc32

import h5py
import numpy as np
import pytest

from training import open_dataset
from training.data import prepare as module
from training.data.crops import random_crop
from training.data.forms.interface import Found, Options, Tally, Unit
from training.data.forms.sniffing import open_form
from training.data.hdf5 import Hdf5Dataset, write_dataset
from training.data.phantom import phantom_case
from training.data.prepare import Plan, Progress, prepare
from training.errors import ConfigError, DataFormatError
from training.records import AnnotatedSlice


def slice_of(key, patient="p", *, size=16, experts=2, found=1, seed=None, units=None):
    rng = np.random.default_rng(crc32(key.encode()) if seed is None else seed)
    masks = np.zeros((experts, size, size), bool)
    masks[:found, 5:9, 6:8] = True
    levels = rng.integers(0, 256, (size, size)).astype(np.float32) / np.float32(255)
    return AnnotatedSlice(levels, masks, patient, key, (0.7, 0.7), units)


class FakeForm:
    """A form that holds the slices it is given."""

    name = "fake"
    image_type = "uint8"
    attributes: ClassVar = {"source": "made up"}
    keeps_empty = False

    def __init__(self, cases, splits=None):
        self.cases, self.splits = cases, splits or {}

    def units(self):
        return list({self.unit(case) for case in self.cases})

    def unit(self, case):
        return Unit(case.patient, None, self.splits.get(case.patient))

    def __len__(self):
        return len(self.cases)

    def read(self, tally: Tally) -> Iterator[Found]:
        tally.drop("unreadable picture", "x.png", 2)
        for case in self.cases:
            yield Found(case, self.unit(case))


@pytest.fixture
def convert(monkeypatch, tmp_path):
    def run(cases, plan=None, splits=None, progress=lambda _: None):
        monkeypatch.setattr(module, "open_form", lambda *_: FakeForm(cases, splits))
        return prepare(tmp_path / "source", tmp_path / "out.hdf5", plan or Plan(), progress), tmp_path / "out.hdf5"

    return run


def test_slices_go_to_the_split_of_their_patient_and_keep_what_they_are(convert):
    cases = [slice_of(f"s{i}", f"p{i % 5}") for i in range(20)]
    report, out = convert(cases, Plan(rule="source"), {f"p{i}": ("train", "val", "test")[i % 3] for i in range(5)})
    with open_dataset(out) as dataset:
        stored = {case.key: (case, name) for name, split in dataset.splits.items() for case in split}
        assert dataset.verify() > 0
    assert len(stored) == 20
    for case in cases:
        found, split = stored[case.key]
        np.testing.assert_array_equal(found.image, case.image)
        np.testing.assert_array_equal(found.masks, case.masks)
        assert (found.patient, found.spacing_mm) == (case.patient, case.spacing_mm)
        assert split == ("train", "val", "test")[int(case.patient[1]) % 3]
    assert report.facts["slices"] == 20
    assert report.facts["patients"] == 5
    assert report.facts["split"]["slices"] == {"train": 8, "val": 8, "test": 4}


def test_the_file_says_how_it_was_made(convert):
    _, out = convert([slice_of("a"), slice_of("b", found=0)], Plan(rule="patient", seed=7))
    with open_dataset(out) as dataset:
        notes = dataset.attributes
    assert (notes["source"], notes["layout"], notes["experts"]) == ("made up", "fake", 2)
    assert (notes["split"], notes["split_seed"]) == ("patient", 7)
    assert json.loads(notes["dropped"]) == {"unreadable picture": 2, "no expert drew anything": 1}
    assert json.loads(notes["options"])["window"] == "auto"


def test_what_is_left_out_is_counted_with_its_reason_and_first_key(convert):
    cases = [
        slice_of("kept"),
        slice_of("nobody", found=0),
        slice_of("kept", seed=99),
        slice_of("three", experts=3),
        slice_of("nobody else", found=0),
    ]
    report, out = convert(cases)
    assert report.facts["dropped"] == {
        "unreadable picture": {"count": 2, "first": "x.png"},
        "no expert drew anything": {"count": 2, "first": "nobody"},
        "key that an earlier slice has": {"count": 1, "first": "kept"},
        "other number of experts than the first slice's 2": {"count": 1, "first": "three"},
    }
    with open_dataset(out) as dataset:
        np.testing.assert_array_equal(dataset.case("train", 0).image, cases[0].image)


def test_slices_that_nobody_drew_on_can_be_kept(convert):
    report, _ = convert([slice_of("a"), slice_of("b", found=0)], Plan(options=Options(keep_empty=True)))
    assert report.facts["slices"] == 2


def test_a_picture_that_comes_twice_is_noted_and_kept(convert):
    report, _ = convert([slice_of("a", seed=1), slice_of("b", seed=1)])
    assert report.facts["slices"] == 2
    assert report.facts["noted"] == {"image that an earlier slice has too": {"count": 1, "first": "b"}}


def test_larger_slices_are_cut_to_the_middle_and_smaller_ones_left_out(convert):
    units = np.arange(20 * 20, dtype=np.int16).reshape(20, 20)
    cases = [slice_of("large", size=20, units=units), slice_of("small", size=8, units=units[:8, :8])]
    report, out = convert(cases, Plan(options=Options(size=10)))
    assert report.facts["dropped"]["smaller than 10 x 10 pixels"]["first"] == "small"
    with open_dataset(out) as dataset:
        case = dataset.case("train", 0)
    np.testing.assert_array_equal(case.image, cases[0].image[5:15, 5:15])
    np.testing.assert_array_equal(case.masks, cases[0].masks[:, 5:15, 5:15])
    np.testing.assert_array_equal(case.hounsfield, units[5:15, 5:15])


def test_slices_of_several_sizes_are_refused_with_the_way_out(convert):
    with pytest.raises(DataFormatError, match=r"'b' has 12 x 12 pixels, the slices before it 16 x 16.*--size"):
        convert([slice_of("a"), slice_of("b", size=12)])


def test_hounsfield_units_are_kept_for_all_slices_or_for_none(convert):
    units = np.zeros((16, 16), np.int16)
    report, out = convert([slice_of("a", units=units), slice_of("b"), slice_of("c", units=units)])
    assert report.facts["dropped"]["no Hounsfield units, unlike the first slice"]["first"] == "b"
    report, out = convert([slice_of("a"), slice_of("b", units=units)])
    assert report.facts["slices"] == 2
    with open_dataset(out) as dataset:
        assert dataset.case("train", 1).hounsfield is None


def test_random_crops_are_those_of_the_slices(convert):
    cases = [slice_of(f"s{i}", size=32) for i in range(6)]
    _, out = convert(cases, Plan(rule="source", options=Options(random_crop=16, crop_seed=3)), {"p": "val"})
    with open_dataset(out) as dataset:
        for case, whole in zip(dataset.splits["val"], cases, strict=True):
            expected = random_crop(whole, 16, 3)
            assert case.key == expected.key
            np.testing.assert_array_equal(case.image, expected.image)
            np.testing.assert_array_equal(case.masks, expected.masks)


def test_progress_is_told_for_every_slice_of_the_source(convert):
    seen = []
    convert([slice_of("a"), slice_of("b", found=0), slice_of("c")], progress=seen.append)
    assert seen == [Progress(1, 3), Progress(2, 3), Progress(3, 3)]


def test_nothing_usable_is_an_error_that_says_why_and_leaves_no_file(convert, tmp_path):
    with pytest.raises(DataFormatError, match=r"none of its slices can be used: .*no expert drew anything \(1\)"):
        convert([slice_of("a", found=0)])
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_leaves_the_old_file_as_it_was(convert, tmp_path):
    _, out = convert([slice_of("a")])
    before = out.read_bytes()
    with pytest.raises(DataFormatError):
        convert([slice_of("a"), slice_of("b", size=12)])
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("side", [0, 7, 5000])
def test_an_impossible_size_is_refused(side):
    with pytest.raises(ConfigError, match=f"got {side}"):
        Plan(options=Options(size=side))


def test_the_source_is_never_the_target(tmp_path):
    write_dataset(tmp_path / "a.hdf5", {"train": [slice_of("a")]}, {})
    with pytest.raises(ConfigError, match="also what is read"):
        prepare(tmp_path / "a.hdf5", tmp_path / "a.hdf5", Plan(), lambda _: None)


# HDF5 as a source


def phantoms(path: Path, splits, *, units=False) -> list[AnnotatedSlice]:
    cases = [phantom_case(index, 3, 32).slice for index in range(8)]
    if units:
        cases = [
            AnnotatedSlice(c.image, c.masks, c.patient, c.key, c.spacing_mm, (c.image * 1400 - 1000).astype(np.int16))
            for c in cases
        ]
    write_dataset(path, {name: cases[at] for name, at in splits.items()}, {"source": "phantoms"})
    return cases


def test_hdf5_keeps_its_splits_and_its_notes(tmp_path):
    phantoms(tmp_path / "a.hdf5", {"val": slice(0, 4), "test": slice(4, 8)})
    report = prepare(tmp_path / "a.hdf5", tmp_path / "b.hdf5", Plan(), lambda _: None)
    assert report.facts["split"]["rule"] == "source"
    with open_dataset(tmp_path / "a.hdf5") as old, open_dataset(tmp_path / "b.hdf5") as new:
        assert new.attributes["source"] == "phantoms"
        assert {n: s.keys for n, s in new.splits.items()} == {n: s.keys for n, s in old.splits.items()}
        for name in old.splits:
            for before, after in zip(old.splits[name], new.splits[name], strict=True):
                np.testing.assert_array_equal(before.image, after.image)
                np.testing.assert_array_equal(before.masks, after.masks)


def test_a_second_conversion_keeps_what_the_first_one_said(tmp_path):
    phantoms(tmp_path / "a.hdf5", {"val": slice(0, 8)})
    prepare(tmp_path / "a.hdf5", tmp_path / "b.hdf5", Plan(options=Options(size=24)), lambda _: None)
    prepare(tmp_path / "b.hdf5", tmp_path / "c.hdf5", Plan(), lambda _: None)
    with open_dataset(tmp_path / "c.hdf5") as dataset:
        (earlier,) = json.loads(dataset.attributes["earlier"])
        assert json.loads(earlier["options"])["size"] == 24
        assert json.loads(dataset.attributes["options"])["size"] is None


def test_a_patient_in_two_splits_is_refused_and_mended_by_splitting_anew(tmp_path):
    path = tmp_path / "leaky.hdf5"
    phantoms(path, {"train": slice(0, 4), "val": slice(4, 8)})
    with h5py.File(path, "r+") as file:  # without checksums, as another tool would leave it
        for name in list(file.attrs):
            del file.attrs[name]
        file["val/patient_ids"][:] = file["train/patient_ids"][:]
    with pytest.raises(DataFormatError, match=r"in split 'train' and in 'val'.*--split patient"):
        open_dataset(path)
    report = prepare(path, tmp_path / "mended.hdf5", Plan(rule="patient"), lambda _: None)
    assert report.facts["slices"] == 8
    with open_dataset(tmp_path / "mended.hdf5") as dataset:
        assert sum(len(split) for split in dataset.splits.values()) == 8


def test_another_window_can_be_chosen_where_hounsfield_units_are_kept(tmp_path):
    cases = phantoms(tmp_path / "a.hdf5", {"val": slice(0, 8)}, units=True)
    plan = Plan(options=Options(window="-1000..0"))
    prepare(tmp_path / "a.hdf5", tmp_path / "b.hdf5", plan, lambda _: None)
    with Hdf5Dataset(tmp_path / "b.hdf5") as dataset:
        assert dataset.attributes["window"] == "-1000..0 HU"
        for case, before in zip(dataset.splits["val"], cases, strict=True):
            np.testing.assert_array_equal(case.hounsfield, before.hounsfield)
            expected = np.clip((before.hounsfield.astype(float) + 1000) / 1000, 0, 1)
            np.testing.assert_allclose(case.image, expected, atol=1e-6)


def test_the_range_of_a_whole_slice_cannot_be_had_from_a_crop(tmp_path):
    phantoms(tmp_path / "a.hdf5", {"val": slice(0, 8)}, units=True)
    with pytest.raises(ConfigError, match="whose range is not known any more; choose a window of lung, wide"):
        open_form(tmp_path / "a.hdf5", options=Options(window="slice"))


def test_a_window_without_hounsfield_units_is_refused(tmp_path):
    phantoms(tmp_path / "a.hdf5", {"val": slice(0, 8)})
    with pytest.raises(ConfigError, match="holds no Hounsfield units"):
        open_form(tmp_path / "a.hdf5", options=Options(window="lung"))


def test_published_rows_take_their_patients_from_their_studies(shared_data, tmp_path):
    path = tmp_path / "bare.hdf5"
    with h5py.File(shared_data / "lidc_published.hdf5") as whole, h5py.File(path, "w") as bare:
        for name in whole:
            for column in ("images", "labels", "keys", "uids"):
                bare.create_dataset(f"{name}/{column}", data=whole[name][column][:])
    prepare(path, tmp_path / "out.hdf5", Plan(rule="paper"), lambda _: None)
    with open_dataset(shared_data / "lidc_published.hdf5") as known, open_dataset(tmp_path / "out.hdf5") as made:
        expected = {k: p for split in known.splits.values() for k, p in zip(split.keys, split.patients, strict=True)}
        found = {k: p for split in made.splits.values() for k, p in zip(split.keys, split.patients, strict=True)}
    assert found == expected


def test_a_key_that_comes_twice_is_noticed_under_random_crops_too(convert):
    report, _ = convert([slice_of("a"), slice_of("a", seed=5)], Plan(options=Options(random_crop=8)))
    assert report.facts["slices"] == 1
    assert report.facts["dropped"]["key that an earlier slice has"]["count"] == 1


def test_many_conversions_in_a_row_stay_small_and_remember_the_latest(tmp_path):
    phantoms(tmp_path / "0.hdf5", {"val": slice(0, 8)})
    for number in range(12):
        plan = Plan(options=Options(size=31 - number))
        prepare(tmp_path / f"{number}.hdf5", tmp_path / f"{number + 1}.hdf5", plan, lambda _: None)
    with open_dataset(tmp_path / "12.hdf5") as dataset:
        earlier = json.loads(dataset.attributes["earlier"])
    assert [json.loads(one["options"])["size"] for one in earlier] == [25, 24, 23, 22, 21]
    assert sum(len(str(one)) for one in earlier) < 10_000


def test_more_reasons_than_a_file_lists_are_summed_up(convert, monkeypatch):
    cases = [slice_of("kept"), *[slice_of(f"s{k}", experts=2 + k) for k in range(1, 4)], slice_of("n", found=0)]
    cases += [slice_of("kept")]
    monkeypatch.setattr(module, "MAX_REASONS", 2)
    _, out = convert(cases)
    with open_dataset(out) as dataset:
        dropped = json.loads(dataset.attributes["dropped"])
    assert dropped == {
        "other number of experts than the first slice's 2": 3,
        "unreadable picture": 2,
        "other reasons": 2,
    }


def test_uids_that_number_the_slices_of_each_split_do_not_break_the_division(tmp_path):
    """PHiSeg's uids are a series' hash; other makers count rows, from 0 in each split."""
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        for name in ("train", "val", "test"):
            file[f"{name}/images"] = np.random.default_rng(ord(name[0])).random((3, 8, 8)).astype("f4")
            file[f"{name}/labels"] = np.ones((3, 8, 8, 2), "u1")
            file[f"{name}/uids"] = np.arange(3)
    report = prepare(tmp_path / "a.hdf5", tmp_path / "b.hdf5", Plan(), lambda _: None)
    assert report.facts["split"]["rule"] == "source"
    assert report.facts["split"]["slices"] == {"train": 3, "val": 3, "test": 3}
    assert report.facts["patients"] == 9
    assert report.facts["noted"]["uid that is in two splits, taken for two patients"]["count"] == 3


def test_a_division_that_was_not_kept_is_told(convert):
    report, _ = convert([slice_of("a", "p"), slice_of("b", "q")], splits={"p": "val"})
    assert report.facts["split"]["rule"] == "patient"
    assert any("own division was not kept" in reason for reason in report.facts["noted"])


def test_empty_slices_of_a_file_of_ours_stay(convert, tmp_path, monkeypatch):
    _, out = convert([slice_of("a"), slice_of("b", found=0)], Plan(options=Options(keep_empty=True)))
    monkeypatch.setattr(module, "open_form", open_form)
    report = prepare(out, tmp_path / "again.hdf5", Plan(), lambda _: None)
    assert report.facts["slices"] == 2


def test_lidcs_licence_is_there_even_if_its_file_does_not_say_so(shared_data, tmp_path):
    prepare(shared_data / "lidc_published.hdf5", tmp_path / "a.hdf5", Plan(), lambda _: None)
    with open_dataset(tmp_path / "a.hdf5") as dataset:
        assert "CC BY 3.0" in dataset.attributes["source"]


def test_what_another_tool_wrote_at_length_is_not_passed_on(tmp_path):
    phantoms(tmp_path / "a.hdf5", {"val": slice(0, 8)})
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        for name in list(file.attrs):
            del file.attrs[name]
        file.attrs["essay"] = "x" * 100_000
        file.attrs["note"] = "short"
    prepare(tmp_path / "a.hdf5", tmp_path / "b.hdf5", Plan(), lambda _: None)
    with open_dataset(tmp_path / "b.hdf5") as dataset:
        assert "essay" not in dataset.attributes
        assert dataset.attributes["note"] == "short"


def test_a_long_history_keeps_its_latest_part(tmp_path, monkeypatch):
    """Reasons may be many and long; the history must stay within what an attribute holds, and never vanish whole."""
    phantoms(tmp_path / "0.hdf5", {"val": slice(0, 8)})
    long = Tally()
    for number in range(90):
        long.note(f"reason {number} " + "x" * 100, "a")
    monkeypatch.setattr(module, "Tally", lambda: Tally(noted=long.noted.copy(), examples=dict(long.examples)))
    for number in range(8):
        prepare(tmp_path / f"{number}.hdf5", tmp_path / f"{number + 1}.hdf5", Plan(), lambda _: None)
    with open_dataset(tmp_path / "8.hdf5") as dataset:
        earlier = json.loads(dataset.attributes["earlier"])
    assert 1 <= len(earlier) < 5
    assert all("reason 89" in one["noted"] for one in earlier)


def test_an_attribute_of_another_tool_called_options_keeps_no_empty_slices(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["train/images"] = np.random.default_rng(0).random((3, 8, 8)).astype("f4")
        labels = np.ones((3, 8, 8, 2), "u1")
        labels[1] = 0
        file["train/labels"] = labels
        file.attrs["options"] = "gzip"
    report = prepare(tmp_path / "a.hdf5", tmp_path / "b.hdf5", Plan(), lambda _: None)
    assert report.facts["slices"] == 2
