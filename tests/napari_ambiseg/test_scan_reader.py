"""A scan without annotations through the plugin's reader."""

import dask.array
import nibabel
import numpy as np
import pytest
from napari.layers import Layer

from napari_ambiseg.controller import controller_of
from napari_ambiseg.layer_case import LayerSet
from napari_ambiseg.layers.book import role_of
from napari_ambiseg.layers.scan import scan_layer
from napari_ambiseg.readers import read_slices
from training.data.scan import read_scan

AFFINE = np.array([[-0.7, 0, 0, 5], [0, 0.8, 0, 6], [0, 0, 2.5, 7], [0, 0, 0, 1.0]])


def save(path, affine=AFFINE):
    values = np.arange(5 * 6 * 4, dtype=np.int16).reshape(5, 6, 4)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return values


def test_a_volume_is_one_layer_that_is_nobody_s_role(tmp_path):
    path = str(tmp_path / "chest.nii.gz")
    values = save(path)
    (data,) = read_slices(path)(path)
    layer = Layer.create(*data)
    assert (layer.name, role_of(layer), layer.data.shape) == ("chest", None, (4, 6, 5))
    assert np.allclose(layer.scale, (2.5, 0.8, 0.7))
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    # Of the stored axes the first runs to the left as columns do, the second to the front: rows are turned.
    assert np.array_equal(layer.data, values.transpose(2, 1, 0)[:, ::-1])


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # napari's own
def test_a_volume_that_is_askew_keeps_its_affine(tmp_path):
    turned = AFFINE.copy()
    turned[:3, :3] = [[-0.7, 0.05, 0], [0.04, 0.8, 0.2], [0, -0.06, 2.5]]
    save(tmp_path / "askew.nii", turned)
    scan = read_scan(tmp_path / "askew.nii")
    layer = Layer.create(*scan_layer(scan))
    for z, row, column in ((0, 0, 0), (3, 2, 4), (1, 5, 0)):
        right, front, top = (scan.affine @ (column, row, z, 1))[:3]
        assert np.allclose(layer.data_to_world((z, row, column)), (top, -front, -right), atol=1e-4)


def test_a_damaged_volume_is_one_notification_and_no_layer(tmp_path, told):
    path = tmp_path / "chest.nii"
    save(path)
    path.write_bytes(path.read_bytes()[:400])
    assert read_slices(str(path))(str(path)) == [(None,)]
    assert "cut short" in told()[-1]


def test_a_volume_that_napari_opened_is_read_on(make_napari_viewer, tmp_path, monkeypatch, engine):
    monkeypatch.setattr("napari_ambiseg.controller.Engine", lambda: engine)
    save(tmp_path / "chest.nii.gz")
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(tmp_path / "chest.nii.gz"), plugin="napari-ambiseg")
    controller = controller_of(viewer)
    viewer.layers.selection = {layer}
    controller.opener.use_layers()
    assert controller.case.key == "chest[1]"
    assert controller.layers.find("image").metadata["ambiseg"]["file"].endswith("chest.nii.gz")
    assert controller.browser.geometry is not None


def test_a_dask_volume_is_read_like_any_other(viewer):
    values = np.random.default_rng(0).random((3, 40, 50)).astype(np.float32)
    layer = viewer.add_image(dask.array.from_array(values, chunks=(1, 20, 25)), contrast_limits=(0, 1))
    case = LayerSet.of([layer], viewer.dims).splits["slices"][2]
    assert np.array_equal(case.image, values[2])
