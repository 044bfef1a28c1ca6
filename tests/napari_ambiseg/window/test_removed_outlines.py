"""A layer of outlines that is deleted before the window changes its size ends the process, if nothing is done."""

import subprocess
import sys

import pytest

STORY = """
import napari, numpy as np
from qtpy.QtWidgets import QApplication
from napari_ambiseg._qt.dock import pulse_of

viewer = napari.Viewer(show=True)
viewer.window.resize(1280, 720)
pulse_of(viewer)
viewer.add_image(np.ones((128, 128), np.float32))
viewer.add_shapes([np.array([[1, 1], [20, 20], [3, 40.0]])], shape_type="path")
for happens in (lambda: None, lambda: viewer.layers.pop(1), lambda: viewer.window.resize(1000, 600)):
    happens()
    for _ in range(3):
        QApplication.processEvents()
viewer.close()
print("survived")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the display of the tests is an X server")
def test_a_window_outlives_a_layer_of_outlines(qapp):
    done = subprocess.run([sys.executable, "-c", STORY], capture_output=True, text=True, timeout=120)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert "survived" in done.stdout
