"""One set of slices in every form: each converts to the same slices, and opens in the viewer."""

import pickle
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from training import open_dataset
from training.data.conversion import Conversion, Prepared
from training.data.forms.sniffing import forms
from training.data.phantom import phantom_case
from training.data.prepare import Plan

CASES = [case for case in (phantom_case(index, 11, 128).slice for index in range(6)) if case.n_found]
EXPERTS = range(4)


def levels(case):
    return np.rint(case.image * 255).astype(np.uint8)


def save(path: Path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, quality=100) if path.suffix == ".jpg" else Image.fromarray(values).save(path)


def phiseg(folder):
    path = folder / "data_lidc.hdf5"
    with h5py.File(path, "w") as file:
        file["train/images"] = np.stack([case.image.astype(np.float64) - 0.5 for case in CASES])
        file["train/labels"] = np.stack([np.moveaxis(case.masks, 0, -1).astype(np.uint8) for case in CASES])
        file["train/uids"] = np.arange(len(CASES))
    return path


def ccdm(folder):
    path = phiseg(folder)
    with h5py.File(path, "r+") as file:
        labels = file["train/labels"][:]
        del file["train/labels"]
        file["train/labels"] = np.moveaxis(labels, -1, 1)
    return path


def lidc_pickle(folder):
    rows = {
        f"{100 + at}_slice{at}": {
            "image": case.image.astype(np.float64),
            "masks": [mask.astype(np.uint8) for mask in case.masks],
            "series_uid": f"1.2.{at}",
            "pixel_spacing": [0.5, 0.5],
        }
        for at, case in enumerate(CASES)
    }
    (folder / "data_lidc.pickle").write_bytes(pickle.dumps(rows, 3))
    return folder / "data_lidc.pickle"


def matting_pickle(folder):
    rows = {
        f"{100 + at}_slice{at}": {
            "image": levels(case),
            "masks": [mask.astype(np.uint8) for mask in case.masks],
            "alpha": levels(case),
            "series_uid": f"{100 + at}_x",
        }
        for at, case in enumerate(CASES)
    }
    (folder / "lidc_attributes.pkl").write_bytes(pickle.dumps(rows, 3))
    return folder / "lidc_attributes.pkl"


def slices_folder(folder):
    for at, case in enumerate(CASES):
        nodule = folder / "LIDC-IDRI-slices" / f"LIDC-IDRI-{at + 1:04d}" / "nodule-0"
        save(nodule / "images" / "slice-0.png", levels(case))
        for expert in EXPERTS:
            save(nodule / f"mask-{expert}" / "slice-0.png", case.masks[expert] * np.uint8(255))
    return folder / "LIDC-IDRI-slices"


def hpu_net(folder):
    for at, case in enumerate(CASES):
        patient, name = f"LIDC-IDRI-{at + 1:04d}", f"z-{at}.5_c0"
        save(folder / "train" / "images" / patient / f"{name}.png", levels(case))
        for expert in EXPERTS:
            mask = case.masks[expert] * np.uint8(255)
            save(folder / "train" / "gt" / patient / f"{name}_l{expert + 1}.png", mask)
    return folder


def cimd(folder):
    for at, case in enumerate(CASES):
        save(folder / "training" / str(at) / f"image_{at}.jpg", levels(case))
        for expert in EXPERTS:
            save(folder / "training" / str(at) / f"label{expert}_.jpg", case.masks[expert] * np.uint8(255))
    return folder


def own_folder(folder):
    for at, case in enumerate(CASES):
        save(folder / "images" / f"p{at}" / "a.png", levels(case))
        for expert in EXPERTS:
            save(folder / f"reader {expert}" / f"p{at}" / "a.png", case.masks[expert] * np.uint8(255))
    return folder


def nifti(folder):
    """Stored from left to right, back to front, as most tools do: the other way round on both axes."""
    nibabel = pytest.importorskip("nibabel")
    for at, case in enumerate(CASES):
        volumes = {"image": levels(case)} | {f"expert{k}": case.masks[k].astype(np.uint8) for k in EXPERTS}
        for name, values in volumes.items():
            place = folder / f"case{at}" / f"{name}.nii.gz"
            place.parent.mkdir(exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(values[::-1, ::-1].T[..., None], np.diag([0.5, 0.5, 1, 1])), place)
    return folder


def tcia(folder):
    pytest.importorskip("pydicom")
    from .tcia_study import Roi, Session, ring, sop_uid, write_series, xml_text

    uid = "1.2.3"
    drawn = [[Roi(ring(80, 80, 6 + k, 8), z, sop_uid(uid, z))] for k, z in ((0, 0), (1, 0), (2, 0))]
    sessions = [Session([rois]) for rois in drawn] + [Session()]
    write_series(folder / "LIDC-IDRI-0007" / "study" / "series", uid, range(2), xml=xml_text(uid, sessions))
    return folder


MADE = {
    "hdf5": phiseg,
    "hdf5, experts first": ccdm,
    "lidc-pickle": lidc_pickle,
    "matting-pickle": matting_pickle,
    "lidc-slices": slices_folder,
    "hpu-net": hpu_net,
    "cimd": cimd,
    "folder": own_folder,
    "nifti": nifti,
    "tcia": tcia,
}


@pytest.fixture(params=MADE)
def converted(request, tmp_path):
    """The name of a form, and the file that its conversion made."""
    (tmp_path / "source").mkdir()
    source = MADE[request.param](tmp_path / "source")
    out = tmp_path / "out.hdf5"
    with Conversion(source, out, Plan(rule="patient")) as conversion:
        last = list(conversion.events())[-1]
    assert isinstance(last, Prepared), last
    assert last.facts["layout"] == request.param.split(",")[0]
    return request.param, out


def test_every_form_is_tried_here():
    assert {name.split(",")[0] for name in MADE} == set(forms())


def test_the_same_slices_come_out_of_every_form(converted):
    name, out = converted
    with open_dataset(out) as dataset:
        assert dataset.verify() > 0
        found = [case for split in dataset.splits.values() for case in split]
    if name == "tcia":
        (case,) = found
        assert case.masks.sum(axis=(1, 2)).tolist() == [11 * 15, 13 * 15, 15 * 15, 0]
        assert case.spacing_mm == (0.7, 0.6)
        return
    assert len(found) == len(CASES)
    masks = {case.masks.tobytes(): case for case in found}
    for expected in CASES:
        case = masks[expected.masks.tobytes()]
        tolerance = 3 / 255 if name == "cimd" else 1e-6  # JPEG is lossy even at its best
        np.testing.assert_allclose(case.image, expected.image, atol=tolerance)


def test_what_came_out_of_every_form_opens_in_the_viewer(converted):
    from napari.components import ViewerModel

    from napari_ambiseg.controller import Controller

    _, out = converted
    viewer = ViewerModel()  # which a controller does not keep alive
    controller = Controller(viewer)
    try:
        controller.opener.open_path(out)
        until = time.monotonic() + 30
        while controller.case is None and time.monotonic() < until:
            controller.tick()
        with open_dataset(out) as dataset:
            expected = next(iter(dataset.splits.values()))[0]
        np.testing.assert_array_equal(controller.case.masks, expected.masks)
        controller.tick()
        outlined = {label for label in viewer.layers["experts"].features["outline"] if label}
        assert len(outlined) == expected.n_found
    finally:
        controller.close()
