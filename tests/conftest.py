"""What all tests share."""

from __future__ import annotations

import gc
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first; and what is marked ``cuda`` is skipped where there is no such device."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if not marked:
        return
    import torch  # not before: many tests do without

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def pytest_collection_finish() -> None:
    """Keep what was imported out of each later garbage collection: napari asks for many."""
    gc.collect()
    gc.freeze()
