"""What napari's own saving makes of our layers."""

from dataclasses import replace

import h5py
import highdicom
import napari
import numpy as np
import pydicom
import pytest

from napari_ambiseg.controller import _CONTROLLERS, Controller
from napari_ambiseg.session_file import SUFFIX, read_session
from napari_ambiseg.writers import write_masks, write_session
from training.data.phantom import phantom_case
from training.export import DrawnCase
from training.export.dicom_image import image_of
from training.records import SampleSet

from .played_engine import draw


@pytest.fixture
def shown(viewer, controller, engine, file, monkeypatch):
    """A case with samples, in what is the current viewer."""
    monkeypatch.setitem(_CONTROLLERS, viewer, controller)
    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    controller.opener.open_path(file)
    draw(controller, engine)
    return controller


def layers_of(controller: Controller):
    return [layer.as_layer_data_tuple() for layer in controller.viewer.layers]


def test_masks_of_the_case_are_written(shown, tmp_path):
    path = str(tmp_path / "m.hdf5")
    assert write_masks(path, layers_of(shown)) == [path]
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["samples"], shown.results.run.masks)


def test_all_files_that_were_made_are_told(shown, tmp_path):
    written = write_masks(str(tmp_path / "m.nii.gz"), layers_of(shown))
    assert len(written) == 1 + shown.case.n_experts + 6
    assert sorted(written) == sorted(map(str, tmp_path.glob("m.*")))


def test_no_file_that_napari_did_not_ask_about_is_replaced(shown, tmp_path, told):
    (tmp_path / "m.sample-02.nii.gz").write_text("mine")
    assert write_masks(str(tmp_path / "m.nii.gz"), layers_of(shown)) == []
    assert "m.sample-02.nii.gz exists; choose another name" in told()[-1]
    assert (tmp_path / "m.sample-02.nii.gz").read_text() == "mine"
    assert len(list(tmp_path.glob("m.*"))) == 1
    (tmp_path / "m.npz").write_text("napari asked about this one")
    assert write_masks(str(tmp_path / "m.npz"), layers_of(shown)) == [str(tmp_path / "m.npz")]


def test_nothing_is_written_while_something_is_drawn_or_written(shown, tmp_path, told):
    shown.generate()
    assert write_masks(str(tmp_path / "m.npz"), layers_of(shown)) == []
    assert told()[-1] == "The masks are still being drawn."


def test_a_segmentation_of_a_dicom_slice_refers_to_it_as_the_dock_s_does(controller, engine, tmp_path, shown):
    case = phantom_case(0, 20, 64).slice
    hounsfield = (case.image * 1400 - 1000).astype(np.int16)
    original = image_of(DrawnCase(replace(case, hounsfield=hounsfield), SampleSet(case.masks, 0)))
    original.SOPClassUID = original.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    original.save_as(tmp_path / "ct.dcm", enforce_file_format=True)
    controller.opener.open_path(tmp_path / "ct.dcm")
    draw(controller, engine)
    path = str(tmp_path / "m.dcm")
    assert write_masks(path, layers_of(controller)) == [path]
    segmentation = highdicom.seg.segread(path)
    assert segmentation.PatientID == original.PatientID
    assert segmentation.get_pixels_by_source_instance([original.SOPInstanceUID]).any()


def test_the_session_is_written(shown, tmp_path):
    path = tmp_path / f"s{SUFFIX}"
    assert write_session(str(path), layers_of(shown)) == [str(path)]
    assert len(read_session(path).runs) == 1


def test_what_cannot_be_written_is_told_and_no_file_is_claimed(shown, tmp_path, told, monkeypatch):
    foreign = [(np.zeros((2, 2)), {"metadata": {}}, "image")]
    for write in (write_masks, write_session):
        assert write(str(tmp_path / f"x{SUFFIX}"), foreign) == []
    assert "none of these layers is of a case" in told()[-1]
    shown.state.reading.blind = True
    assert write_masks(str(tmp_path / "m.hdf5"), layers_of(shown)) == []
    assert write_session(str(tmp_path / f"s{SUFFIX}"), layers_of(shown)) == [str(tmp_path / f"s{SUFFIX}")]
    assert "blind read" in told()[-1]
    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    assert write_masks(str(tmp_path / "m.hdf5"), layers_of(shown)) == []
    assert "ambiseg sample" in told()[-1]
    assert not list(tmp_path.glob("m.*"))


def test_napari_finds_our_writers_for_our_layers_and_leaves_plain_images_to_others():
    from npe2 import PluginManager

    manager = PluginManager.instance()
    manager.discover()
    ours = ["image", "vectors", "shapes"]
    writer, _ = manager.get_writer("a.nii.gz", ours, plugin_name="napari-ambiseg")
    assert writer.command == "napari-ambiseg.write_masks"
    writer, _ = manager.get_writer(f"a{SUFFIX}", ours, plugin_name="napari-ambiseg")
    assert writer.command == "napari-ambiseg.write_session"
    assert manager.get_writer("a.nii.gz", ["image"], plugin_name="napari-ambiseg")[0] is None
