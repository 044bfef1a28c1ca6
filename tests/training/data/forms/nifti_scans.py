"""NIfTI scans that several tests write and read."""

import nibabel
import numpy as np

from training.data.forms._nifti_names import find_scans
from training.data.forms.interface import Options, Tally
from training.data.forms.nifti import Nifti

RNG = np.random.default_rng(12)


SHAPE = (5, 4, 3)  # right, front, top


SPACING = (0.5, 0.75, 2.0)


HU = RNG.integers(-1000, 1000, SHAPE).astype(np.int16)


HU[0, 0, 0] = -1000


DRAWN = RNG.random((2, *SHAPE)) > 0.5


AFFINE = np.diag([*SPACING, 1.0])  # voxel axes run to the right, the front and the top


AFFINE[:3, 3] = (-20, 30, 7)


def save(path, array, affine=AFFINE, kind=nibabel.Nifti1Image, **header):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = kind(array, affine)
    for name, value in header.items():
        image.header[name] = value
    image.to_filename(path)
    return path


def scan(folder, image=HU, masks=DRAWN, affine=AFFINE, suffix=".nii", dtype=np.uint8):
    save(folder / f"image{suffix}", image, affine)
    for expert, mask in enumerate(masks):
        save(folder / f"mask_reader{expert}{suffix}", mask.astype(dtype), affine)
    return folder


def read(path, **options):
    tally = Tally()
    form = Nifti(path, Options(**options))
    found = list(form.read(tally))
    assert {item.unit for item in found} <= set(form.units())
    return found, tally, form


def scans_of(tmp_path, *names):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    tally = Tally()
    found = find_scans(tmp_path, tally)
    return {scan.name: [scan.image.name, *scan.masks] for scan in found}, tally
