"""The reader takes what is ours, declines the rest, and never answers with a traceback."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from napari.layers import Layer
from napari.utils.notifications import notification_manager

from napari_ambiseg.layers import KEY, OPENED
from napari_ambiseg.readers import read_hdf5
from napari_ambiseg.sample_data import demo_cases
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cases.hdf5"
    write_dataset(path, {"val": [phantom_case(i, 1, 32).slice for i in range(2)]}, {})
    return path


def test_our_files_give_the_first_case_as_layers_that_say_where_they_come_from(file):
    layers = read_hdf5(str(file))(str(file))
    case = phantom_case(0, 1, 32).slice
    (image, options, _), *_ = layers
    assert np.array_equal(image, case.image)
    assert [data[1]["metadata"][KEY]["role"] for data in layers] == ["image", "votes"] + ["expert"] * 4
    origin = options["metadata"][KEY]
    assert (origin["source"], origin["split"], origin["index"], origin[OPENED]) == (str(file), "val", 0, True)
    assert options["scale"] == case.spacing_mm
    for data in layers:
        Layer.create(*data)  # which is what napari does with them


def test_the_sample_data_are_layers_too():
    layers = [Layer.create(*data) for data in demo_cases()]
    assert [layer.metadata[KEY]["role"] for layer in layers] == ["image", "votes"] + ["expert"] * 4


def foreign(tmp_path):
    """Files that others may want to read."""
    yield tmp_path  # a folder
    yield tmp_path / "absent.hdf5"
    text = tmp_path / "text.h5"
    text.write_text("not HDF5 at all")
    yield text
    empty = tmp_path / "empty.h5"
    empty.touch()
    yield empty
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as stream:
        stream["train/images"] = np.zeros((2, 8, 8))
        stream["weights"] = np.zeros(3)
    yield other


def test_what_is_not_ours_is_declined(tmp_path):
    for path in foreign(tmp_path):
        assert read_hdf5(str(path)) is None, path
        assert read_hdf5([str(path)]) is None, path


def test_a_truncated_file_is_declined(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert read_hdf5(str(file)) is None


def test_several_files_at_once_are_declined(file):
    assert read_hdf5([str(file), str(file)]) is None


def test_a_damaged_file_of_ours_is_one_notification_and_no_layer(file):
    with h5py.File(file, "a") as stream:
        stream["val/images"][0, 0, 0] = np.nan
    before = len(notification_manager.records)
    assert read_hdf5(str(file))(str(file)) == [(None,)]
    (told,) = notification_manager.records[before:]
    assert "every pixel must be finite" in told.message
    assert "\n" not in told.message


def test_loading_the_plugin_loads_nothing_heavy():
    """npe2 imports these modules when napari starts."""
    code = (
        "import sys, napari_ambiseg.readers as r, napari_ambiseg.sample_data\n"
        "assert r.read_hdf5('absent.hdf5') is None\n"
        "print(*{name.split('.')[0] for name in sys.modules} & "
        "{'napari', 'qtpy', 'PyQt6', 'torch', 'skimage', 'psygnal', 'vispy', 'pyqtgraph', 'matplotlib'})"
    )
    command = (sys.executable, "-c", code)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own code
    assert done.stdout.strip() == ""
