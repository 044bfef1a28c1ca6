"""Bring your own: any pictures, any number of experts, patients by subfolder, by table or one per image."""

import re
import sys

import numpy as np
import pytest
from PIL import Image

from training.data.forms.interface import Options, Tally, Unit
from training.data.forms.own_folder import OwnFolder
from training.errors import ConfigError, DataFormatError

RNG = np.random.default_rng(10)
MASK = np.eye(4, dtype=np.uint8)


def put(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array) if path.suffix == ".npy" else Image.fromarray(array).save(path)
    return array


def grey(shape=(4, 4)):
    return RNG.integers(0, 256, shape, np.uint8)


def folder(root, names=("a.png", "b.png"), experts=("reader-1", "reader-2")):
    for name in names:
        put(root / "images" / name, grey())
        for expert in experts:
            put(root / expert / name, (RNG.random((4, 4)) > 0.5).astype(np.uint8))
    return root


def read(path, window="auto"):
    tally = Tally()
    form = OwnFolder(path, Options(window=window))
    found = list(form.read(tally))
    assert {item.unit for item in found} <= set(form.units())
    return found, tally, form


def keys(found):
    return [item.case.key for item in found]


def stored(array):
    return np.asarray(array, np.float32) / np.float32(255)


@pytest.mark.parametrize("n_experts", [1, 2, 11])
def test_experts_are_the_folders_beside_images_in_natural_order(tmp_path, n_experts):
    image = put(tmp_path / "images" / "a.png", grey())
    masks = {k: put(tmp_path / f"reader {k}" / "a.npy", RNG.random((4, 4)) > 0.5) for k in range(1, n_experts + 1)}
    (found,), tally, form = read(tmp_path)
    assert np.array_equal(found.case.image, stored(image))
    assert found.case.n_experts == n_experts
    for slot, k in enumerate(sorted(masks)):
        assert np.array_equal(found.case.masks[slot], masks[k])
    assert form.image_type == "uint8"
    assert form.attributes["expert_names"] == ", ".join(f"reader {k}" for k in sorted(masks))
    assert form.attributes["window"] == "auto: 8 bit and [0, 1] as stored"
    assert not tally.dropped


def test_names_are_matched_without_their_endings(tmp_path):
    image = put(tmp_path / "images" / "a.b.tif", grey())
    put(tmp_path / "one" / "a.b.png", MASK)
    put(tmp_path / "two" / "a.b.npy", MASK.astype(float))
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "one" / "other.png")
    (found,), tally, _ = read(tmp_path)
    assert np.array_equal(found.case.image, stored(image))
    assert (found.case.masks == MASK.astype(bool)).all()
    assert tally.dropped == {"mask without an image": 1}


def test_subfolders_are_patients(tmp_path):
    folder(tmp_path, ["LIDC-IDRI-0002/1.png", "LIDC-IDRI-0001/10.png", "LIDC-IDRI-0001/9.png"])
    found, tally, form = read(tmp_path)
    assert keys(found) == ["LIDC-IDRI-0001/9", "LIDC-IDRI-0001/10", "LIDC-IDRI-0002/1"]
    assert form.units() == [Unit("LIDC-IDRI-0001"), Unit("LIDC-IDRI-0002")]
    assert [item.case.patient for item in found] == ["LIDC-IDRI-0001", "LIDC-IDRI-0001", "LIDC-IDRI-0002"]
    assert tally == Tally()


def test_keys_of_different_patients_never_meet(tmp_path):
    folder(tmp_path, ["a/b_c.png", "a_b/c.png"])
    assert len(set(keys(read(tmp_path)[0]))) == 2


def test_a_table_names_the_patients(tmp_path):
    folder(tmp_path, ["a.png", "b.png", "c.png"])
    table = '\ufeffpatient,name\r\n"Doe, Jo",a\r\n"Doe, Jo",b.png\r\n'
    (tmp_path / "patients.csv").write_text(table, encoding="utf-8")
    found, tally, _ = read(tmp_path)
    assert [(item.case.key, item.unit.patient) for item in found] == [("a", "Doe, Jo"), ("b", "Doe, Jo")]
    assert tally.dropped == {"patients.csv does not name its patient": 1}
    assert not tally.noted


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"name,patient\na,1\na,2\n", "'a' belongs to '1' and to '2'"),
        (b"name,patient\na,\n", "row 2 needs a name and a patient"),
        (b"picture,person\na,1\n", "row 2 needs a name and a patient"),
        (b"name,patient\na,1\x1b[31m\n", "row 2 needs"),
        (b"name,patient\na\n", "row 2 needs"),
        (b"name,patient\n\xff,1\n", "UTF-8"),
        (b'name,patient\na,"' + b"x" * 200_000 + b'"\n', "cannot be read as CSV"),
    ],
)
def test_a_table_that_makes_no_sense_is_an_error_with_its_row(tmp_path, table, message):
    folder(tmp_path)
    (tmp_path / "patients.csv").write_bytes(table)
    with pytest.raises(DataFormatError, match=re.escape(message)) as caught:
        OwnFolder(tmp_path, Options())
    assert "\n" not in str(caught.value)


def test_without_table_and_subfolders_each_image_is_its_own_patient_and_that_is_noted(tmp_path):
    found, tally, form = read(folder(tmp_path, ["img10.png", "img9.png"]))
    assert [item.unit.patient for item in found] == ["img9", "img10"]
    assert tally.noted == {"patient unknown, image counted as one": 2}
    assert len(form) == 2


def test_an_image_without_an_experts_mask_is_dropped_with_the_experts_name(tmp_path):
    folder(tmp_path)
    (tmp_path / "reader-2" / "a.png").unlink()
    found, tally, _ = read(tmp_path)
    assert keys(found) == ["b"]
    assert tally.dropped == {"mask of reader-2 is missing": 1}
    assert tally.examples["mask of reader-2 is missing"] == "a"


def test_images_of_different_sizes_are_yielded_as_they_are(tmp_path):
    folder(tmp_path)
    put(tmp_path / "images" / "c.png", grey((6, 3)))
    for expert in ("reader-1", "reader-2"):
        put(tmp_path / expert / "c.png", np.ones((6, 3), np.uint8))
    assert [item.case.image.shape for item in read(tmp_path)[0]] == [(4, 4), (4, 4), (6, 3)]


def test_masks_of_another_size_or_with_grey_are_dropped(tmp_path):
    folder(tmp_path, ["a.png", "b.png", "c.png"])
    put(tmp_path / "reader-1" / "a.png", np.ones((4, 5), np.uint8))
    put(tmp_path / "reader-2" / "b.png", np.full((4, 4), 7, np.uint8))
    found, tally, _ = read(tmp_path)
    assert keys(found) == ["c"]
    assert tally.dropped == {
        "mask of reader-1 is not of the image's size": 1,
        "mask of reader-2 has values other than 0 and 1, or 0 and 255": 1,
    }


def test_floats_in_the_unit_range_are_kept_as_they_are(tmp_path):
    folder(tmp_path)
    values = put(tmp_path / "images" / "b.npy", RNG.random((4, 4)).astype(np.float32))
    (tmp_path / "images" / "b.png").unlink()
    found, _, form = read(tmp_path)
    assert form.image_type == "float32"
    assert np.array_equal(found[1].case.image, values)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_other_values_need_a_window_and_the_error_tells_their_range(tmp_path, dtype):
    folder(tmp_path)
    values = np.array([[0, 1, 2, 3], [500, 600, 700, 800], [4, 5, 6, 7], [900, 1000, 1100, 1234]], dtype)
    put(tmp_path / "images" / "b.npy", values)
    (tmp_path / "images" / "b.png").unlink()
    with pytest.raises(DataFormatError, match=r"b\.npy.*from 0 to 1234.*--window LOW\.\.HIGH"):
        OwnFolder(tmp_path, Options())
    found, tally, form = read(tmp_path, "200..1000")
    assert form.image_type == "float32"
    assert form.attributes["window"] == "200..1000"
    expected = [[min(max((float(v) - 200) / 800, 0), 1) for v in row] for row in values]
    np.testing.assert_allclose(found[1].case.image, expected, rtol=0, atol=1e-7)
    assert not tally.dropped
    by_slice = read(tmp_path, "slice")[0][1].case.image
    np.testing.assert_allclose(by_slice, values.astype(float) / 1234, rtol=0, atol=1e-7)


def test_a_chosen_window_holds_for_8_bit_images_too(tmp_path):
    folder(tmp_path)
    image = put(tmp_path / "images" / "a.png", grey())
    found, _, form = read(tmp_path, "0..100")
    assert form.image_type == "float32"
    np.testing.assert_allclose(found[0].case.image, np.minimum(image / 100, 1), rtol=0, atol=1e-7)


def test_an_unknown_window_is_refused_when_the_form_is_made(tmp_path):
    with pytest.raises(ConfigError, match="unknown window 'bone'"):
        OwnFolder(folder(tmp_path), Options(window="bone"))


def test_a_later_image_that_needs_a_window_is_dropped(tmp_path):
    folder(tmp_path, ["b.png", "c.png"])
    put(tmp_path / "images" / "a.npy", np.full((4, 4), 0.5))
    put(tmp_path / "images" / "c.npy", np.full((4, 4), 300, np.uint16))
    (tmp_path / "images" / "c.png").unlink()
    for expert in ("reader-1", "reader-2"):
        put(tmp_path / expert / "a.png", MASK)
    found, tally, form = read(tmp_path)
    assert keys(found) == ["a", "b"]
    assert form.image_type == "float32"
    assert tally.dropped == {"image is neither 8-bit nor within [0, 1], so it needs --window LOW..HIGH": 1}


def test_masks_from_jpeg_are_cut_and_noted(tmp_path):
    folder(tmp_path, ["a.png"], ["reader-1"])
    image = np.zeros((32, 32), np.uint8)
    image[8:24, 8:24] = 255
    put(tmp_path / "images" / "b.png", grey((32, 32)))
    put(tmp_path / "reader-1" / "b.jpg", image)
    found, tally, _ = read(tmp_path)
    assert np.array_equal(found[1].case.masks[0], image > 0)
    assert tally.noted["masks from JPEG, which is lossy, cut at half"] == 1


def test_two_pictures_of_one_name_and_files_of_other_kinds_are_told(tmp_path):
    folder(tmp_path)
    put(tmp_path / "images" / "a.tif", grey())
    (tmp_path / "images" / "notes.txt").write_text("hello")
    put(tmp_path / "images" / "deep" / "deeper" / "c.png", grey())
    (tmp_path / "docs").mkdir()
    found, tally, form = read(tmp_path)
    assert keys(found) == ["a", "b"]
    assert tally.dropped == {
        "another picture in its folder has this name": 1,
        "file is no PNG, JPEG, TIFF or NPY by its name": 1,
        "lies in a folder too deep": 1,
    }
    assert tally.noted["folder holds no pictures, so it is no expert"] == 1
    assert form.attributes["expert_names"] == "reader-1, reader-2"


def test_links_out_of_the_source_and_odd_names_do_no_harm(tmp_path):
    source = folder(tmp_path / "source")
    secret = put(tmp_path / "secret.png", grey())
    assert secret.any()
    (source / "images" / "b.png").unlink()
    (source / "images" / "b.png").symlink_to(tmp_path / "secret.png")
    (source / "reader-3").symlink_to(tmp_path)
    (source / "images" / "c\nd.png").write_bytes(b"")
    (source / "images" / ".hidden.png").write_bytes(b"")
    (source / "__MACOSX").mkdir()
    found, tally, _ = read(source)
    assert keys(found) == ["a"]
    assert tally.dropped == {
        "link leads out of the source folder": 2,
        "name is not plain text": 1,
        "mask without an image": 1,
    }


def test_the_folder_is_recognised_by_pictures_in_images_and_beside_it(tmp_path):
    assert not OwnFolder.recognises(tmp_path / "a\0b")
    put(tmp_path / "x" / "images" / "p" / "a.png", grey())
    assert not OwnFolder.recognises(tmp_path / "x")
    put(tmp_path / "x" / "reader" / "p" / "a.png", MASK)
    assert OwnFolder.recognises(tmp_path / "x")
    assert OwnFolder.recognises(tmp_path)
    assert keys(read(tmp_path)[0]) == ["p/a"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "holds no folder 'images'"),
        (["images/a.txt", "reader/a.png"], "no pictures in the folder 'images'"),
        (["images/a.png"], "no folder of masks beside 'images'"),
        (["images/a.png", "reader/b.png"], "no image has a mask of every expert.*'reader'"),
    ],
)
def test_what_is_not_such_a_folder_is_an_error_with_what_was_expected(tmp_path, files, message):
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    with pytest.raises(DataFormatError, match=message):
        OwnFolder(tmp_path, Options())


def test_the_table_of_patients_is_found_whatever_its_case(tmp_path):
    folder(tmp_path, ["a.png", "b.png"])
    (tmp_path / "Patients.CSV").write_text("name,patient\na,p\nb,p\n", encoding="utf-8")
    found, _, _ = read(tmp_path)
    assert [item.unit.patient for item in found] == ["p", "p"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("name", ["patients.csv", "Patients.CSV"])
def test_a_table_that_may_not_be_opened_is_no_missing_table(tmp_path, name):
    """Else every image would be a patient of its own, and one person on two sides of the split."""
    inner = tmp_path / "inner"
    folder(inner, ["a.png", "b.png"])
    (tmp_path / "elsewhere.csv").write_text("name,patient\na,p\nb,p\n", encoding="utf-8")
    (inner / name).symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(DataFormatError, match="put the table itself there"):
        OwnFolder(inner, Options())


def test_a_table_with_other_separators_is_told(tmp_path):
    folder(tmp_path)
    (tmp_path / "patients.csv").write_text("name;patient\na;p\n", encoding="utf-8")
    with pytest.raises(DataFormatError, match=r"separated by commas; .* in the columns 'name;patient'"):
        OwnFolder(tmp_path, Options())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take the two names for one")
def test_two_tables_are_refused(tmp_path):
    folder(tmp_path, ["a.png", "b.png"])
    for name in ("patients.csv", "Patients.csv"):
        (tmp_path / name).write_text("name,patient\na,p\nb,p\n", encoding="utf-8")
    with pytest.raises(DataFormatError, match=r"'Patients\.csv' and 'patients.csv' must be one file"):
        OwnFolder(tmp_path, Options())
