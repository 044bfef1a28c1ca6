"""The folder that most users of LIDC have, against a slow independent reading and the HDF5 of the same slices."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from training.data.forms.interface import Options, Tally, Unit
from training.data.forms.slices_folder import SlicesFolder
from training.errors import DataFormatError

RNG = np.random.default_rng(8)
IMAGE = RNG.integers(0, 256, (4, 4, 4), np.uint8)
MASKS = (RNG.random((4, 4, 4, 4)) > 0.5) * np.uint8(255)  # slice, expert, H, W


def put(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def nodule(root, patient="LIDC-IDRI-0001", number=0, slices=(0, 1, 2)):
    folder = root / patient / f"nodule-{number}"
    for index in slices:
        put(folder / "images" / f"slice-{index}.png", IMAGE[index % 4])
        for slot in range(4):
            put(folder / f"mask-{slot}" / f"slice-{index}.png", MASKS[index % 4, slot])
    return folder


def read(path):
    tally = Tally()
    form = SlicesFolder(path, Options())
    found = list(form.read(tally))
    assert {item.unit for item in found} <= set(form.units())
    return found, tally, form


def keys(found):
    return [item.case.key for item in found]


@pytest.fixture(scope="module")
def real(shared_data):
    folder = shared_data / "LIDC-IDRI-slices"
    return folder, read(folder)


def test_the_real_folder_reads_as_a_slow_reading_of_its_files(real):
    folder, (found, tally, form) = real
    # Every image file, found and sorted in another way.
    pattern = re.compile(r".*/(LIDC-IDRI-\d+)/nodule-(\d+)/images/slice-(\d+)\.png")
    places = sorted(
        (m[1], int(m[2]), int(m[3]), Path(m[0])) for m in map(pattern.fullmatch, map(str, folder.rglob("*.png"))) if m
    )
    assert keys(found) == [f"{patient}_nodule{n}_slice{k}" for patient, n, k, _ in places]
    for item, (patient, _, _, path) in zip(found, places, strict=True):
        assert item.unit == Unit(patient)
        assert item.case.patient == patient
        assert item.case.spacing_mm is None
        with Image.open(path) as picture:
            assert (item.case.image * 255).round().astype(int).tolist() == np.asarray(picture).tolist()
        for slot in range(4):
            with Image.open(path.parents[1] / f"mask-{slot}" / path.name) as picture:
                assert [value == 255 for value in np.asarray(picture).ravel().tolist()] == item.case.masks[
                    slot
                ].ravel().tolist()
    assert tally == Tally()
    assert len(form) == len(found) == 207
    assert form.image_type == "uint8"
    assert "CC BY 3.0" in form.attributes["source"]


def test_the_real_folder_equals_the_hdf5_of_the_same_slices(real, shared_data):
    found = {item.case.key: item.case for item in real[1][0]}
    compared, patients = Counter(), {case.patient for case in found.values()}
    for path in sorted(shared_data.glob("lidc_*.hdf5")):
        with h5py.File(path) as file:
            for split in file.values():
                names = split["keys"][:].astype(str)
                for row in np.flatnonzero(np.isin(split["patient_ids"][:].astype(str), list(patients))):
                    if "_nodule" not in names[row]:
                        continue  # the published file names its slices otherwise
                    case = found[names[row]]
                    assert np.array_equal(case.image, (split["images"][row] / 255).astype(np.float32))
                    assert np.array_equal(case.masks, np.moveaxis(split["labels"][row], -1, 0) != 0)
                    compared[case.patient] += 1
    assert set(compared) == patients
    assert compared.total() >= 200


def test_opening_looks_at_no_pixel(real, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened a picture"))
    form = SlicesFolder(real[0], Options())
    assert len(form.units()) == 8
    assert len(form) == 207


def test_slices_and_nodules_come_in_numeric_order(tmp_path):
    for number in (10, 9):
        nodule(tmp_path, number=number, slices=(10, 9, 100))
    found, _, _ = read(tmp_path)
    assert keys(found) == [f"LIDC-IDRI-0001_nodule{n}_slice{k}" for n in (9, 10) for k in (9, 10, 100)]


def test_the_path_may_be_the_parent_the_folder_or_one_patient(tmp_path):
    nodule(tmp_path / "archive" / "LIDC-IDRI-slices")
    (tmp_path / "archive" / "__MACOSX").mkdir()
    (tmp_path / "archive" / ".DS_Store").touch()
    folder = tmp_path / "archive" / "LIDC-IDRI-slices"
    for path in (tmp_path / "archive", folder, folder / "LIDC-IDRI-0001"):
        assert SlicesFolder.recognises(path)
        assert keys(read(path)[0]) == [f"LIDC-IDRI-0001_nodule0_slice{k}" for k in range(3)]


def test_a_relative_path_to_one_patient_is_understood(tmp_path, monkeypatch):
    nodule(tmp_path)
    monkeypatch.chdir(tmp_path / "LIDC-IDRI-0001")
    assert SlicesFolder.recognises(Path())
    assert {item.case.patient for item in read(Path())[0]} == {"LIDC-IDRI-0001"}


def test_what_is_missing_is_dropped_with_its_expert(tmp_path):
    folder = nodule(tmp_path, slices=(0, 1, 2, 3))
    (folder / "mask-2" / "slice-1.png").unlink()
    (folder / "images" / "slice-2.png").unlink()
    whole = nodule(tmp_path, number=1, slices=(0,))
    shutil.rmtree(whole / "mask-3")
    found, tally, _ = read(tmp_path)
    assert keys(found) == ["LIDC-IDRI-0001_nodule0_slice0", "LIDC-IDRI-0001_nodule0_slice3"]
    assert tally.dropped == {"mask-2 is missing": 1, "mask without an image": 1, "mask-3 is missing": 1}
    assert tally.examples["mask-2 is missing"] == "LIDC-IDRI-0001_nodule0_slice1"


def test_what_cannot_be_used_is_dropped_and_the_rest_is_kept(tmp_path):
    folder = nodule(tmp_path, slices=range(7))
    (folder / "images" / "slice-0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    put(folder / "mask-1" / "slice-1.png", IMAGE[0])
    put(folder / "mask-3" / "slice-2.png", np.zeros((4, 5), np.uint8))
    put(folder / "images" / "slice-3.png", np.full((4, 4), 300, np.uint16))
    (folder / "mask-0" / "slice-4.png").unlink()
    (folder / "mask-0" / "slice-4.png").symlink_to("/etc/passwd")
    (folder / "mask-0" / "slice-5.png").unlink()
    os.mkfifo(folder / "mask-0" / "slice-5.png")
    found, tally, _ = read(tmp_path)
    assert keys(found) == ["LIDC-IDRI-0001_nodule0_slice6"]
    assert tally.dropped == {
        "image is damaged or cut short": 1,
        "mask-1 has values other than 0 and 1, or 0 and 255": 1,
        "mask-3 is not of the image's size": 1,
        "image is uint16, not 8-bit": 1,
        "link leads out of the source folder": 1,
        "neither a file nor a folder": 1,
        "mask-0 is missing": 2,
    }


def test_links_inside_the_source_are_followed_and_folders_outside_are_not(tmp_path):
    outside = nodule(tmp_path / "outside", patient="LIDC-IDRI-0002")
    folder = nodule(tmp_path / "source")
    (folder / "mask-0" / "slice-1.png").unlink()
    (folder / "mask-0" / "slice-1.png").symlink_to(Path("..") / "mask-1" / "slice-1.png")
    (tmp_path / "source" / "LIDC-IDRI-0002").symlink_to(outside.parent)
    (folder / "mask-0" / "loop.png").symlink_to("loop.png")
    found, tally, _ = read(tmp_path / "source")
    assert len(found) == 3
    assert np.array_equal(found[1].case.masks[0], found[1].case.masks[1])
    assert tally.dropped == {"link leads out of the source folder": 1, "link leads nowhere": 1}
    # The one folder of a parent is not followed out of it either.
    (tmp_path / "parent").mkdir()
    (tmp_path / "parent" / "inner").symlink_to(tmp_path / "outside")
    assert not SlicesFolder.recognises(tmp_path / "parent")
    with pytest.raises(DataFormatError, match="LIDC-IDRI-####"):
        SlicesFolder(tmp_path / "parent", Options())


def test_slices_on_which_nobody_drew_are_yielded(tmp_path):
    folder = nodule(tmp_path, slices=(0,))
    for slot in range(4):
        put(folder / f"mask-{slot}" / "slice-0.png", np.zeros((4, 4), np.uint8))
    found, tally, _ = read(tmp_path)
    assert found[0].case.n_found == 0
    assert not tally.dropped


def test_what_systems_leave_behind_and_odd_names_do_no_harm(tmp_path):
    folder = nodule(tmp_path)
    for name in (".DS_Store", "._slice-0.png", "Thumbs.db", "slice-0.png.part", "slice-x.png", "slice-²1.png"):
        (folder / "images" / name).write_bytes(b"no picture")
    (folder / "images" / "slice-0\n.png").write_bytes(b"no picture")
    (tmp_path / "LIDC-IDRI-00001").mkdir()
    (tmp_path / "LIDC-IDRI-0001\n").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    found, tally, _ = read(tmp_path)
    assert len(found) == 3
    assert tally.dropped == {"name is not plain text": 2}
    assert all("\n" not in example for example in tally.examples.values())


def test_reading_twice_gives_the_same_and_is_lazy(tmp_path):
    folder = nodule(tmp_path)
    form = SlicesFolder(tmp_path, Options())
    first = [item.case for item in form.read(Tally())]
    second = [item.case for item in form.read(Tally())]
    assert [case.key for case in first] == [case.key for case in second]
    assert all(np.array_equal(a.masks, b.masks) for a, b in zip(first, second, strict=True))
    reading = form.read(Tally())
    next(reading)
    shutil.rmtree(folder / "mask-0")
    # Half of a source, taken for all of it, would replace a whole file.
    with pytest.raises(DataFormatError, match="was there a moment ago and cannot be read now"):
        list(reading)


def test_the_folder_of_one_nodule_is_refused_rather_than_made_a_patient_per_slice(tmp_path):
    folder = nodule(tmp_path)
    assert SlicesFolder.recognises(folder)
    with pytest.raises(DataFormatError, match="is one nodule of a patient; give the patient's folder"):
        SlicesFolder(folder, Options())


@pytest.mark.parametrize(
    "make", [lambda p: (p / "x").mkdir(), lambda p: (p / "LIDC-IDRI-0001").mkdir(), lambda p: (p / "x").touch()]
)
def test_a_folder_of_another_kind_is_named(tmp_path, make):
    make(tmp_path)
    assert not SlicesFolder.recognises(tmp_path)
    with pytest.raises(DataFormatError, match=re.escape(str(tmp_path)) + ".*LIDC-IDRI-####"):
        SlicesFolder(tmp_path, Options())


@pytest.mark.parametrize("path", ["missing", "a\0b", "file"])
def test_recognising_never_raises(tmp_path, path):
    (tmp_path / "file").write_text("LIDC-IDRI-0001")
    assert SlicesFolder.recognises(tmp_path / path) is False
