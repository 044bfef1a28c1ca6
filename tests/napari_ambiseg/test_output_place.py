"""A scan from a file, read on in the window, and masks written: each pixel in its own millimetre."""

import time
from dataclasses import replace

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest

from napari_ambiseg.products import MASKS
from training.data.field import Field
from training.data.phantom import phantom_case
from training.export import DrawnCase
from training.export.dicom_image import image_of
from training.records import SampleSet

from .played_engine import draw

SHAPE = (20, 26, 4)  # as stored: along the patient's back, right and feet


@pytest.fixture
def scan(tmp_path):
    """A volume stored along other axes than it is looked at, a little tilted; each voxel has a value of its own."""
    affine = np.array([[0, 0.8, 0, -17], [-0.6, 0, 0.05, 23], [0, 0.03, -2.5, 40], [0, 0, 0, 1.0]])
    values = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) - 1500
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_masks_of_a_field_on_a_tilted_scan_lie_where_the_scan_says(controller, engine, scan, tmp_path):
    controller.opener.open_path(scan)
    controller.state.sampling.n_samples = 3
    controller.browser.show(2)
    assert controller.case.n_experts == 0  # nobody annotated it
    controller.state.placing.field = Field(2, 3, 16, 14)
    draw(controller, engine)
    controller.output.write(MASKS, tmp_path / "m.nii.gz")
    end = time.monotonic() + 60
    while controller.state.output.writing and time.monotonic() < end:
        controller.output.update()
    source, image, mask = (
        nibabel.load(path) for path in (scan, tmp_path / "m.image.nii.gz", tmp_path / "m.sample-03.nii.gz")
    )
    # The image that was written has at each of its places the value that the scan has there.
    places = np.argwhere(np.ones(image.shape, bool))
    world = nibabel.affines.apply_affine(image.affine, places)
    indices = nibabel.affines.apply_affine(np.linalg.inv(source.affine), world)
    np.testing.assert_allclose(indices, np.rint(indices), atol=1e-3)
    in_source = source.get_fdata()[tuple(np.rint(indices).astype(int).T)]
    np.testing.assert_array_equal(image.get_fdata()[tuple(places.T)], in_source)
    # The mask is on the same grid, and as large as it was drawn.
    np.testing.assert_allclose(mask.affine, image.affine)
    run = controller.results.run
    drawn = mask.get_fdata()[:, :, 0].T > 0
    np.testing.assert_array_equal(drawn[2:18, 3:17], run.masks[2])
    assert drawn.sum() == run.masks[2].sum() > 0


def test_a_segmentation_of_a_dicom_slice_refers_to_that_slice(controller, engine, tmp_path):
    case = phantom_case(0, 20, 64).slice
    hounsfield = (case.image * 1400 - 1000).astype(np.int16)
    drawing = DrawnCase(replace(case, hounsfield=hounsfield), SampleSet(case.masks, 0))
    original = image_of(drawing)
    original.SOPClassUID = original.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    original.save_as(tmp_path / "ct.dcm", enforce_file_format=True)
    controller.opener.open_path(tmp_path / "ct.dcm")
    controller.state.sampling.n_samples = 3
    draw(controller, engine)
    assert controller.output.files(MASKS, tmp_path / "m.dcm") == (tmp_path / "m.dcm",)
    controller.output.write(MASKS, tmp_path / "m.dcm")
    end = time.monotonic() + 60
    while controller.state.output.writing and time.monotonic() < end:
        controller.output.update()
    segmentation = highdicom.seg.segread(tmp_path / "m.dcm")
    assert segmentation.PatientID == original.PatientID
    pixels = segmentation.get_pixels_by_source_instance([original.SOPInstanceUID])[0]
    masks = controller.output.shown.drawn().on_slice(controller.results.run.masks)
    np.testing.assert_array_equal(np.moveaxis(pixels > 0, -1, 0), masks)
