"""The reader takes what is ours, declines the rest, and never answers with a traceback."""

import pickle
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from napari.layers import Layer
from napari.utils.notifications import notification_manager
from npe2.io_utils import read_get_reader

from napari_ambiseg.controller import controller_of
from napari_ambiseg.layers.roles import EXPERTS, IMAGE, KEY, OPENED
from napari_ambiseg.readers import read_slices
from napari_ambiseg.sample_data import demo_cases
from napari_ambiseg.state import OFFERED
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.errors import DataFormatError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cases.hdf5"
    write_dataset(path, {"val": [phantom_case(i, 1, 32).slice for i in range(2)]}, {})
    return path


def test_our_files_give_the_first_case_as_layers_that_say_where_they_come_from(file):
    layers = read_slices(str(file))(str(file))
    case = phantom_case(0, 1, 32).slice
    (image, options, _), *_ = layers
    assert np.array_equal(image, case.image)
    assert [data[1]["metadata"][KEY]["role"] for data in layers] == [IMAGE, EXPERTS]
    origin = options["metadata"][KEY]
    assert (origin["source"], origin["split"], origin["index"], origin[OPENED]) == (str(file), "val", 0, True)
    assert options["scale"] == case.spacing_mm
    for data in layers:
        Layer.create(*data)  # which is what napari does with them


def test_the_sample_data_are_layers_too():
    layers = [Layer.create(*data) for data in demo_cases()]
    assert [layer.metadata[KEY]["role"] for layer in layers] == [IMAGE, EXPERTS]


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
        assert read_slices(str(path)) is None, path
        assert read_slices([str(path)]) is None, path


def test_a_truncated_file_is_declined(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert read_slices(str(file)) is None


def test_several_files_at_once_are_declined(file):
    assert read_slices([str(file), str(file)]) is None


def test_a_damaged_file_of_ours_is_one_notification_and_no_layer(file):
    with h5py.File(file, "a") as stream:
        stream["val/images"][0, 0, 0] = np.nan
    before = len(notification_manager.records)
    assert read_slices(str(file))(str(file)) == [(None,)]
    (told,) = notification_manager.records[before:]
    assert "every pixel must be finite" in told.message
    assert "\n" not in told.message


def test_a_folder_of_pictures_is_left_to_others(make_napari_viewer, tmp_path, slices_folder):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for at in range(3):
        shutil.copy(slices_folder / "LIDC-IDRI-0001" / "nodule-0" / "images" / "slice-0.png", pictures / f"{at}.png")
    assert read_slices(str(pictures)) is None
    assert read_slices(str(slices_folder)) is not None
    make_napari_viewer()  # which finds the plugins
    layers, reader = read_get_reader([str(pictures)], stack=False)
    assert reader.plugin_name == "napari"
    assert layers[0][0].shape == (3, 128, 128)


def test_a_pickle_or_volume_of_somebody_else_is_declined(tmp_path):
    for name, content in (("a.pickle", pickle.dumps({"weights": [1, 2]})), ("b.pkl", b"text"), ("c.nii", b"\0" * 400)):
        (tmp_path / name).write_bytes(content)
        assert read_slices(str(tmp_path / name)) is None, name


def test_without_a_viewer_a_form_that_must_be_converted_says_how(slices_folder, monkeypatch):
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    with pytest.raises(DataFormatError, match=f"ambiseg prepare {slices_folder} OUT.hdf5"):
        read_slices(str(slices_folder))(str(slices_folder))


def test_in_a_viewer_a_form_that_must_be_converted_is_offered(make_napari_viewer, slices_folder, qtbot):
    viewer = make_napari_viewer()
    assert viewer.open(str(slices_folder), plugin="napari-ambiseg") == []
    state = controller_of(viewer).state.converting
    assert state.source == str(slices_folder)
    qtbot.waitUntil(lambda: state.status == OFFERED, timeout=30_000)
    assert any("Disagreement viewer" in name for name in viewer.window.dock_widgets)
    assert len(viewer.layers) == 0


def test_a_session_goes_on_in_the_viewer_and_needs_one(make_napari_viewer, controller, tmp_path, monkeypatch):
    path = tmp_path / "monday.ambiseg.json"
    controller.opener.open_demo()
    controller.opener.open_case(4)
    controller.session.save(path)
    viewer = make_napari_viewer()
    assert viewer.open(str(path), plugin="napari-ambiseg") == []
    assert controller_of(viewer).state.browsing.key == "synthetic 05"
    assert controller_of(viewer).state.sessions.path == str(path)
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    with pytest.raises(DataFormatError, match=f"a session needs a window: napari-ambiseg {path}"):
        read_slices(str(path))(str(path))


def test_loading_the_plugin_loads_nothing_heavy():
    """npe2 imports these modules when napari starts."""
    loaded = loads("import napari_ambiseg.readers, napari_ambiseg.sample_data")
    assert loaded & {"napari", "qtpy", "PyQt6", "torch", "skimage", "psygnal", "vispy", "h5py", "numpy"} == set()


def test_looking_at_a_path_loads_neither_window_nor_model():
    loaded = loads("import napari_ambiseg.readers as r; assert r.read_slices('absent.hdf5') is None")
    assert loaded & {"napari", "qtpy", "PyQt6", "torch", "psygnal", "vispy", "pyqtgraph", "pydicom", "nibabel"} == set()


def loads(code):
    """The top-level modules that are there after some code."""
    code += "; import sys; print(*{name.split('.')[0] for name in sys.modules})"
    command = (sys.executable, "-P", "-c", code)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own code
    return set(done.stdout.split())
