"""What the tests of training share."""

import pytest

from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    """A file with 16 slices to train on and 6 to validate on."""
    path = tmp_path_factory.mktemp("data") / "phantom.hdf5"
    splits = {
        "train": (phantom_case(i, 0, 32).slice for i in range(16)),
        "val": (phantom_case(i, 1, 32).slice for i in range(6)),
    }
    write_dataset(path, splits, {}, image_type="uint8")
    return path
