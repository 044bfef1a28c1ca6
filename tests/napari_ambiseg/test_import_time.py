"""What napari imports of the plugin before anybody opens a dock takes no time, and neither torch nor Qt (R23)."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

BOUND_S = 0.3  # of the processor's time
HEAVY = {"torch", "PyQt5", "PyQt6", "PySide6", "qtpy", "napari", "vispy", "pyqtgraph", "scipy", "h5py"}
CODE = """
import importlib, json, sys, time
begun = time.process_time()
for name in sys.argv[1:]:
    importlib.import_module(name)
spent = time.process_time() - begun
print(json.dumps([spent, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def imported(*names):
    """Seconds of processor time that an import takes in a fresh interpreter, and what is there then."""
    command = [sys.executable, "-c", CODE, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603 - our own code
    return json.loads(done.stdout)


def contributed():
    """Modules that the manifest names, but for those of docks and menus."""
    manifest = yaml.safe_load((Path(__file__).parents[2] / "napari.yaml").read_text("utf-8"))
    names = {command["python_name"].partition(":")[0] for command in manifest["contributions"]["commands"]}
    return sorted(name for name in names if not name.startswith("napari_ambiseg._qt"))


@pytest.mark.parametrize("names", [["napari_ambiseg"], contributed()], ids=["package", "contributions"])
def test_the_plugin_is_imported_in_no_time_without_torch_and_qt(names):
    seconds, modules = zip(*(imported(*names) for _ in range(5)), strict=True)
    assert statistics.median(seconds) < BOUND_S
    assert not HEAVY & set(modules[0])
