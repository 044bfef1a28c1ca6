"""What the viewer's tests share."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.conversion import Conversion
from training.data.phantom import phantom_case


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
    Image.fromarray(values.astype(np.uint8)).save(path)
