"""`ambiseg sample` writes every form, and refuses before it draws what it could not write."""

import subprocess
import sys

import nibabel
import numpy as np
import pytest

from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case


def sample(*arguments):
    command = [sys.executable, "-P", "-m", "training", "sample", "experts", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)  # noqa: S603


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.hdf5"
    write_dataset(path, {"val": [phantom_case(0, 20, 32).slice]}, {})
    return path


def test_masks_are_drawn_into_nifti(data, tmp_path):
    done = sample(data, tmp_path / "out.nii.gz", "--samples", 2)
    assert done.returncode == 0, done.stderr
    case = phantom_case(0, 20, 32).slice
    for number in (1, 2):
        mask = nibabel.load(tmp_path / f"out.sample-0{number}.nii.gz").get_fdata()[:, :, 0].T > 0
        assert any(np.array_equal(mask, expert) for expert in case.masks)


def test_a_form_without_steps_refuses_a_trajectory(data, tmp_path):
    done = sample(data, tmp_path / "out.dcm", "--trajectory")
    assert done.returncode == 2
    assert "out.dcm cannot hold a trajectory; leave out --trajectory, or write .hdf5 or .npz" in done.stderr
    assert "Traceback" not in done.stderr
