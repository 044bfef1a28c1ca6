"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real LIDC slices beside the checkout; skips where it is not."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the real LIDC slices in {os.path.relpath(folder)}, which are not part of the project")
    return folder
