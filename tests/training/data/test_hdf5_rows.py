"""Rows read by their place are the rows that h5py reads."""

import os

import h5py
import numpy as np
import pytest

from training.data._hdf5_rows import raw_rows

ROWS = np.arange(20 * 6 * 5, dtype=np.int16).reshape(20, 6, 5)


def stored(path, rows=ROWS, **how):
    with h5py.File(path, "w", **how.pop("file", {})) as file:
        file.create_dataset("other", data=np.arange(7))
        file.create_dataset("rows", data=rows, **how)
    return h5py.File(path, "r")


def interleaved(path):
    """One row to a chunk, written in an order that is not the rows'."""
    with h5py.File(path, "w") as file:
        rows = file.create_dataset("rows", ROWS.shape, ROWS.dtype, chunks=(1, 6, 5))
        others = file.create_dataset("others", ROWS.shape, ROWS.dtype, chunks=(1, 6, 5))
        for index in np.random.default_rng(0).permutation(len(ROWS)).tolist():
            rows[index], others[index] = ROWS[index], -1
    return h5py.File(path, "r")


needs_places = pytest.mark.skipif(not hasattr(os, "preadv"), reason="this system cannot read at a place")


@needs_places
@pytest.mark.parametrize("how", [{}, {"chunks": (1, 6, 5)}], ids=["contiguous", "one row to a chunk"])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "u1", "<f8", "?"])
def test_plain_rows_are_read_as_they_were_written(tmp_path, how, dtype):
    rows = ROWS.astype(dtype)
    with stored(tmp_path / "a.hdf5", rows, **how) as file:
        raw = raw_rows(file["rows"])
        for first, stop in ((0, 20), (3, 4), (19, 20), (5, 17), (4, 4)):
            np.testing.assert_array_equal(raw.read(first, stop), file["rows"][first:stop])


@needs_places
def test_rows_that_do_not_follow_each_other_are_found_too(tmp_path):
    with interleaved(tmp_path / "a.hdf5") as file:
        np.testing.assert_array_equal(raw_rows(file["rows"]).read(0, 20), ROWS)


@pytest.mark.parametrize(
    "how",
    [
        {"chunks": (1, 6, 5), "compression": "gzip"},
        {"chunks": (1, 6, 5), "fletcher32": True},
        {"chunks": (4, 6, 5)},
        {"chunks": (1, 6, 4)},
        {"file": {"userblock_size": 512}},
    ],
    ids=["compressed", "with a checksum", "several rows to a chunk", "rows in parts", "after a user block"],
)
def test_what_is_not_plain_is_left_to_h5py(tmp_path, how):
    with stored(tmp_path / "a.hdf5", **how) as file:
        assert raw_rows(file["rows"]) is None


def test_an_array_that_is_not_all_there_is_left_to_h5py(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        rows = file.create_dataset("rows", ROWS.shape, ROWS.dtype, chunks=(1, 6, 5))
        rows[3] = ROWS[3]
        file.create_dataset("nothing", ROWS.shape, ROWS.dtype)
    with h5py.File(tmp_path / "a.hdf5", "r") as file:
        assert raw_rows(file["rows"]) is None
        assert raw_rows(file["nothing"]) is None


@needs_places
def test_a_file_cut_off_after_it_was_opened_is_an_error_and_not_zeros(tmp_path):
    with stored(tmp_path / "a.hdf5") as file:
        raw = raw_rows(file["rows"])
        os.truncate(tmp_path / "a.hdf5", (tmp_path / "a.hdf5").stat().st_size - 64)
        with pytest.raises(OSError, match="the file ends at byte"):
            raw.read(0, 20)
