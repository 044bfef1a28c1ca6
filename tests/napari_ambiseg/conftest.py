"""What the viewer's tests share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.notifications import notification_manager
from PIL import Image as Picture

from napari_ambiseg.controller import Controller
from training.data.conversion import Conversion
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case

from .own_volume import SHAPE, SPACED
from .played_engine import PlayedEngine


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what the user's own windows keep."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window."""
    return ViewerModel()


@pytest.fixture
def engine() -> PlayedEngine:
    """An engine that the test plays."""
    return PlayedEngine()


@pytest.fixture
def controller(viewer: ViewerModel, engine: PlayedEngine) -> Iterator[Controller]:
    """The controller of both."""
    controller = Controller(viewer, engine)
    controller.state.sampling.n_samples = 6
    yield controller
    controller.close()


@pytest.fixture
def told() -> Callable[[], list[str]]:
    """The notifications of this test."""
    before = len(notification_manager.records)
    return lambda: [str(record.message) for record in notification_manager.records[before:]]


@pytest.fixture
def volume(viewer: ViewerModel) -> Image:
    """A volume of the user's own, with the slider at slice 2."""
    values = np.random.default_rng(0).normal(-600, 200, SHAPE).astype(np.float32)
    layer = viewer.add_image(values, name="chest", **SPACED)
    viewer.dims.set_current_step(0, 2)
    return layer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two splits of synthetic slices, 8 and 3."""
    path = tmp_path / "cases.hdf5"
    splits = {"train": [phantom_case(i, 1, 64).slice for i in range(8)]}
    write_dataset(path, splits | {"val": [phantom_case(i, 2, 64).slice for i in range(3)]}, {})
    return path


@pytest.fixture
def slices_folder(tmp_path: Path) -> Path:
    """Synthetic slices in the form LIDC-IDRI-slices: two patients, six slices; on the last one nobody drew."""
    root = tmp_path / "slices"
    for at in range(6):
        case = phantom_case(at, 1, 128).slice
        nodule = root / f"LIDC-IDRI-{1 + at // 3:04d}" / "nodule-0"
        save(nodule / "images" / f"slice-{at}.png", case.image * 255)
        for slot, mask in enumerate(case.masks):
            drawn = mask & (at < 5)
            drawn[:, 0] |= at < 5  # never empty by chance
            save(nodule / f"mask-{slot}" / f"slice-{at}.png", drawn * 255)
    return root


@pytest.fixture
def slow_conversion() -> partial[Conversion]:
    """Conversions that there is time to interrupt."""
    script = Path(__file__).with_name("slow_conversion_process.py")
    return partial(Conversion, command=(sys.executable, "-P", str(script)))


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(values.astype(np.uint8)).save(path)
