"""The field's pickle of LIDC: its slices, units and attributes, and what is left out of it."""

import pickle

import h5py
import numpy as np
import pytest

from training.data import lidc
from training.data.forms.interface import Options, Tally, Unit
from training.data.forms.lidc_pickle import LidcPickle
from training.data.forms.matting_pickle import MattingPickle
from training.data.lidc import LICENCE, patient_of_study
from training.errors import DataFormatError

PROTOCOLS = (2, 3, 4, 5)


def entry(seed=0, n_experts=4, **changes):
    """One slice of 8 x 6 pixels as the published pickle has them, with pydicom's values as plain ones."""
    rng = np.random.default_rng(seed)
    fields = {
        "image": rng.random((8, 6)),
        "masks": [(rng.random((8, 6)) < 0.3).astype(np.uint8) for _ in range(n_experts)],
        "series_uid": "1.3.6.1",
        "pixel_spacing": [0.7, 0.5],
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


@pytest.fixture
def form_of(tmp_path):
    """The form of a pickle of these entries."""

    def made(entries, protocol=4):
        path = tmp_path / "data_lidc.pickle"
        path.write_bytes(pickle.dumps(entries, protocol))
        return LidcPickle(path, Options())

    return made


def read(form):
    tally = Tally()
    return list(form.read(tally)), tally


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_slices_come_with_their_numbers_and_order_unchanged(form_of, protocol):
    entries = {f"6199_slice{seed}": entry(seed) for seed in (3, 1, 2)}
    form = form_of(entries, protocol)
    found, tally = read(form)
    assert [item.case.key for item in found] == list(entries)
    assert len(form) == 3
    assert form.image_type == "float32"
    for item, fields in zip(found, entries.values(), strict=True):
        np.testing.assert_array_equal(item.case.image, fields["image"].astype(np.float32), strict=True)
        np.testing.assert_array_equal(item.case.masks, np.stack(fields["masks"]).astype(bool), strict=True)
        assert item.case.spacing_mm == (0.7, 0.5)
    assert not tally.dropped
    assert not tally.noted
    assert [item.case.key for item in read(form)[0]] == list(entries)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_published_rows_come_back_exactly_from_a_pickle_with_pydicom(shared_data, tmp_path, protocol):
    multival = pytest.importorskip("pydicom.multival")
    from pydicom.uid import UID
    from pydicom.valuerep import DSfloat

    rows, patients = {}, {}
    with h5py.File(shared_data / "lidc_published.hdf5") as file:
        for split in ("train", "val", "test"):
            group = file[split]
            for index, key in enumerate(group["keys"].asstr()):
                spacing = f"{group['pixel_spacing_mm'][index]:.9g}"
                masks = list(np.moveaxis(group["labels"][index], -1, 0))
                rows[key] = {
                    "image": np.clip(group["images"][index] + 0.5, 0, 1),
                    # The published file has some of its empty masks as float64.
                    "masks": [mask if mask.any() or k % 2 else mask.astype(float) for k, mask in enumerate(masks)],
                    "series_uid": UID(group["series_uids"].asstr()[index]),
                    "pixel_spacing": multival.MultiValue(DSfloat, [spacing, spacing]),
                }
                patients[key] = group["patient_ids"].asstr()[index]
    path = tmp_path / "data_lidc.pickle"
    path.write_bytes(pickle.dumps(rows, protocol))
    assert LidcPickle.recognises(path)
    assert not MattingPickle.recognises(path)
    form = LidcPickle(path, Options())
    found, tally = read(form)
    peer = pickle.loads(path.read_bytes())  # noqa: S301

    assert [item.case.key for item in found] == list(rows)
    assert len(found) == 58
    floats = 0
    for item in found:
        key, wanted = item.case.key, peer[item.case.key]
        np.testing.assert_array_equal(item.case.image, wanted["image"].astype(np.float32), strict=True)
        np.testing.assert_array_equal(item.case.masks, np.stack(wanted["masks"]) == 1, strict=True)
        assert item.case.spacing_mm == tuple(map(float, wanted["pixel_spacing"]))
        assert item.case.patient == patients[key]
        assert item.unit == Unit(patients[key], key.split("_")[0])
        floats += any(mask.dtype.kind == "f" for mask in wanted["masks"])
    assert dict(tally.noted) == {"labels stored as float": floats}
    assert set(form.units()) == {item.unit for item in found}
    assert form.attributes["source"] == LICENCE


def test_studies_that_are_not_lidcs_get_a_patient_each(form_of):
    form = form_of({"abc_slice1": entry(), "abc_slice2lesion0": entry(), "de_slice1": entry(), "plain": entry()})
    patients = [item.case.patient for item in read(form)[0]]
    assert patients == ["study-abc", "study-abc", "study-de", "study-plain"]
    assert form.units() == [Unit("study-abc", "abc"), Unit("study-de", "de"), Unit("study-plain", "plain")]
    assert not form.attributes


def test_a_study_of_lidc_has_its_patient_and_the_file_its_licence(form_of):
    study = next(iter(lidc._studies()))
    form = form_of({f"{study}_slice4": entry(), "abc_slice1": entry()})
    assert form.units()[0] == Unit(patient_of_study(study), study)
    assert form.attributes["source"] == LICENCE
    assert form.attributes["mask_shift"] == "(-1, -1) pixels, as published"
    assert "whole slice" in form.attributes["window"]


def test_slices_without_any_mask_and_repeated_keys_are_given_too(form_of, tmp_path):
    blank = [np.zeros((8, 6), np.uint8)] * 4
    form = form_of({"a_slice1": entry(masks=blank), "b_slice1": entry()})
    assert [item.case.n_found for item in read(form)[0]] == [0, 4]
    path = tmp_path / "twice.pickle"
    path.write_bytes(pickle.dumps({"a_slice1": entry(1), "a_slice2": entry(2)}).replace(b"a_slice2", b"a_slice1"))
    form = LidcPickle(path, Options())
    assert [item.case.key for item in read(form)[0]] == ["a_slice1", "a_slice1"]


@pytest.mark.parametrize(
    ("dtype", "white"),
    [
        ("?", 1),
        ("i1", 1),
        *((dtype, white) for dtype in ("u1", "<i8", ">u2", "f2", "<f4", ">f8") for white in (1, 255)),
    ],
)
def test_labels_of_any_number_type_are_the_same_masks(form_of, dtype, white):
    drawn = np.random.default_rng(0).random((3, 8, 6)) < 0.4
    found, tally = read(form_of({"a_slice1": entry(masks=list((drawn * white).astype(dtype)))}))
    np.testing.assert_array_equal(found[0].case.masks, drawn, strict=True)
    assert ("labels stored as float" in tally.noted) == ("f" in dtype)
    assert ("labels stored as 0 and 255" in tally.noted) == (white == 255)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image": None}, "no image"),
        ({"image": [[0.5]]}, "no image"),
        ({"image": np.zeros((8, 6, 1))}, "the image is not two-dimensional"),
        ({"image": np.zeros((0, 6))}, "the image is not two-dimensional"),
        ({"image": np.zeros((8, 6), np.uint8)}, "the image is not of floating-point numbers"),
        ({"image": np.full((8, 6), 1.001)}, "intensities outside 0 to 1, or not finite"),
        ({"image": np.full((8, 6), -0.001)}, "intensities outside 0 to 1, or not finite"),
        ({"image": np.full((8, 6), np.nan)}, "intensities outside 0 to 1, or not finite"),
        ({"image": np.full((8, 6), np.inf)}, "intensities outside 0 to 1, or not finite"),
        ({"masks": None}, "no list of masks"),
        ({"masks": []}, "no list of masks"),
        ({"masks": "1111"}, "no list of masks"),
        ({"masks": [np.zeros((8, 6)), [0]]}, "no list of masks"),
        ({"masks": [np.zeros((8, 6))] * 3}, "another number of experts than the first slice"),
        ({"masks": [np.zeros((8, 6))] * 3 + [np.zeros((6, 8))]}, "a mask has another size than the image"),
        ({"masks": [np.zeros((8, 6))] * 3 + [np.eye(8, 6) * 2]}, "a mask has values other than 0 and 1, or 0 and 255"),
        ({"masks": [np.zeros((8, 6))] * 3 + [np.eye(8, 6) / 2]}, "a mask has values other than 0 and 1, or 0 and 255"),
        ({"masks": [np.full((8, 6), np.nan)] * 4}, "a mask has values other than 0 and 1, or 0 and 255"),
        ({"masks": [np.arange(48).reshape(8, 6) % 3] * 4}, "a mask has values other than 0 and 1, or 0 and 255"),
        ({"masks": [-np.eye(8, 6, dtype=np.int8)] * 4}, "a mask has values other than 0 and 1, or 0 and 255"),
    ],
)
def test_a_slice_that_cannot_be_used_is_dropped_with_its_reason(form_of, changes, reason):
    form = form_of({"a_slice1": entry(1), "b_slice1": entry(2, **changes), "c_slice1": entry(3)})
    found, tally = read(form)
    assert [item.case.key for item in found] == ["a_slice1", "c_slice1"]
    assert dict(tally.dropped) == {reason: 1}
    assert tally.examples == {reason: "b_slice1"}


@pytest.mark.parametrize(
    "spacing",
    [
        None,
        "0.7",
        [0.7],
        [0.7, 0.7, 2.5],
        [0.7, "x"],
        [0.7, 0],
        [-0.7, 0.7],
        [0.7, np.inf],
        [np.nan, 0.7],
        [10**400, 1],
        np.zeros((2, 2)),
    ],
)
def test_a_slice_without_a_usable_spacing_is_kept_without_one(form_of, spacing):
    found, tally = read(form_of({"a_slice1": entry(pixel_spacing=spacing)}))
    assert found[0].case.spacing_mm is None
    assert dict(tally.noted) == {"no usable pixel spacing": 1}


@pytest.mark.parametrize("spacing", [(0.7, 0.5), [0.7, 0.5], np.array([0.7, 0.5]), [np.float64(0.7), np.float64(0.5)]])
def test_a_spacing_may_be_any_two_numbers(form_of, spacing):
    found, _ = read(form_of({"a_slice1": entry(pixel_spacing=spacing)}))
    assert found[0].case.spacing_mm == (0.7, 0.5)


@pytest.mark.parametrize("n_experts", [1, 2, 7])
def test_the_first_usable_slice_says_how_many_experts_there_are(form_of, n_experts):
    entries = {"a_slice1": entry(image=None), "b_slice1": entry(n_experts=n_experts), "c_slice1": entry(n_experts=3)}
    found, tally = read(form_of(entries))
    assert {item.case.n_experts for item in found} == {n_experts}
    assert tally.dropped == {"no image": 1, "another number of experts than the first slice": 1}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_is_recognised_by_its_first_slice_and_not_by_its_name(tmp_path, protocol):
    for name in ("data_lidc.pickle", "anything.bin"):
        (tmp_path / name).write_bytes(pickle.dumps({"a_slice1": entry()}, protocol))
        assert LidcPickle.recognises(tmp_path / name)
        assert not MattingPickle.recognises(tmp_path / name)


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04", b"\x89HDF", pickle.dumps({"a": {"image": 1, "label": 2}}), pickle.dumps(3)]
)
def test_other_files_are_not_recognised(tmp_path, content):
    (tmp_path / "a.pickle").write_bytes(content)
    assert not LidcPickle.recognises(tmp_path / "a.pickle")
    assert not LidcPickle.recognises(tmp_path / "missing.pickle")
    assert not LidcPickle.recognises(tmp_path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(DataFormatError, match=str(path)):
            LidcPickle(path, Options())
