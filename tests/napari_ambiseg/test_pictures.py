"""The pictures of the documentation can be made again, by the command that makes them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


def run(*arguments):
    command = (sys.executable, "-P", str(ROOT / "docs" / "pictures.py"), *map(str, arguments))
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)  # noqa: S603 - our own


@pytest.mark.slow
def test_window_and_docks_are_pictured(tmp_path):
    done = run(tmp_path, "window", "docks")
    assert done.returncode == 0, done.stderr
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {path.name for path in (ROOT / "docs" / "images").glob("*.png")}
    for name in made:
        picture = np.asarray(Image.open(tmp_path / name))
        assert picture.std() > 10, name
        assert min(picture.shape[:2]) > 90, name


def test_an_unknown_picture_is_refused_before_any_window(tmp_path):
    done = run(tmp_path / "new", "portrait")
    assert done.returncode == 2
    assert "choose of window, docks, first-minute" in done.stderr
    assert not (tmp_path / "new").exists()
