"""NIfTI files that lie, are damaged, or go away: refused or left out, each with its reason."""

import gzip
import re
import shutil
import struct
import sys

import numpy as np
import pytest

from training.data.forms.interface import Options, Tally, Unit
from training.data.forms.nifti import Nifti
from training.errors import ConfigError, DataFormatError

from .nifti_scans import SHAPE, read, scan


def patched(path, offset, layout, *values):
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, offset, *values)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("offset", "layout", "values", "reason"),
    [
        (40, "<4h", (3, 4096, 4096, 4096), "declares more than 2 GiB"),
        (40, "<4h", (3, 512, 512, 512), "damaged or cut short"),
        (40, "<4h", (3, 32767, 4, 3), "1 to 4096"),
        (40, "<4h", (3, -5, 4, 3), "1 to 4096|makes no sense"),
        (40, "<4h", (3, 5, 4, 0), "1 to 4096|makes no sense"),
        (40, "<5h", (4, 5, 4, 1, 3), "4 dimensions"),
        (40, "<3h", (2, 5, 4), "2 dimensions"),
        (70, "<h", (32,), "complex"),
        (70, "<h", (128,), "not real numbers"),
        (70, "<h", (999,), "makes no sense"),
        (108, "<f", (1e30,), "senseless place|makes no sense"),
        (108, "<f", (-4.0,), "senseless place|makes no sense"),
        (108, "<f", (float("nan"),), "makes no sense"),
        (108, "<f", (353.0,), "damaged or cut short"),
        (116, "<f", (float("inf"),), "makes no sense"),
        (280, "<f", (float("nan"),), "cannot be inverted"),
        (280, "<4f", (0, 0, 0, 0), "cannot be inverted"),
        (344, "4s", (b"ni1\0",), "in another file"),
        (344, "4s", (b"abcd",), "no NIfTI|another file"),
    ],
)
def test_headers_that_lie_are_refused_with_their_reason(tmp_path, offset, layout, values, reason):
    scan(tmp_path / "a")
    scan(tmp_path / "b")
    patched(tmp_path / "a" / "image.nii", offset, layout, *values)
    found, tally, form = read(tmp_path)
    assert {item.case.patient for item in found} == {"b"}
    assert form.units() == [Unit("b")]
    (told,) = tally.dropped
    assert re.search(f"^image .*({reason})", told)
    assert tally.examples[told] == "a"


def test_a_gzip_bomb_is_refused_by_its_header(tmp_path):
    folder = scan(tmp_path / "a", suffix=".nii.gz")
    scan(tmp_path / "b", suffix=".nii.gz")
    content = bytearray(gzip.decompress((folder / "image.nii.gz").read_bytes()))
    struct.pack_into("<4h", content, 40, 3, 2000, 1000, 500)
    (folder / "image.nii.gz").write_bytes(gzip.compress(content))
    _, tally, _ = read(tmp_path)
    assert tally.dropped == {"image is damaged or cut short": 1}
    # More than is declared is not read either.
    struct.pack_into("<4h", content, 40, 3, *SHAPE)
    (folder / "image.nii.gz").write_bytes(gzip.compress(content + bytes(50 * 2**20)))
    _, tally, _ = read(tmp_path)
    assert tally.dropped == {"image holds more than its header declares": 3}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_no_truncation_or_flipped_bit_of_the_voxels_stops_the_other_scans(tmp_path, suffix):
    folder = scan(tmp_path / "a", suffix=suffix)
    scan(tmp_path / "b", suffix=suffix)
    path = folder / f"image{suffix}"
    content = path.read_bytes()
    whole = [item.case for item in read(tmp_path, window="lung")[0]]
    for percent in range(0, 100, 10):
        path.write_bytes(content[: len(content) * percent // 100])
        found, tally, _ = read(tmp_path)
        assert {item.case.patient for item in found} == {"b"}
        assert len(tally.dropped) == 1
    generator = np.random.default_rng(4)
    for _ in range(60):
        mutated = bytearray(content)
        position = int(generator.integers(len(content)))
        mutated[position] ^= 1 << int(generator.integers(8))
        path.write_bytes(mutated)
        try:
            found, tally, _ = read(tmp_path, window="lung")
        except DataFormatError:
            pytest.fail("one bad scan must not end the whole")
        assert "b" in {item.case.patient for item in found}
        if suffix == ".nii.gz" and len(found) == len(whole):  # gzip's checksum is silent only about its own header
            assert all(np.array_equal(a.case.image, b.image) for a, b in zip(found, whole, strict=True))


def test_links_out_of_the_source_are_refused(tmp_path):
    scan(tmp_path / "source" / "a")
    outside = scan(tmp_path / "outside" / "b")
    (tmp_path / "source" / "b").symlink_to(outside)
    (tmp_path / "source" / "a" / "mask_reader1.nii").unlink()
    (tmp_path / "source" / "a" / "mask_reader1.nii").symlink_to(outside / "mask_reader1.nii")
    found, tally, _ = read(tmp_path / "source")
    assert {item.case.patient for item in found} == {"a"}
    assert {item.case.n_experts for item in found} == {1}
    assert tally.dropped["link leads out of the source folder"] == 2


def test_without_nibabel_one_line_says_what_to_install(tmp_path, monkeypatch):
    scan(tmp_path / "p")
    for name in [name for name in sys.modules if name.split(".")[0] == "nibabel"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    assert Nifti.recognises(tmp_path)
    with pytest.raises(ConfigError, match=r'pip install "napari-ambiseg\[medical\]"'):
        Nifti(tmp_path, Options())


def test_a_source_that_goes_away_ends_the_conversion(tmp_path):
    for number in range(3):
        scan(tmp_path / f"case{number}")
    reading = Nifti(tmp_path, Options()).read(Tally())
    next(reading)
    shutil.rmtree(tmp_path / "case2")
    with pytest.raises(DataFormatError, match="was there a moment ago and cannot be read now"):
        list(reading)
