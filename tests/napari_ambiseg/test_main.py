"""The `napari-ambiseg` command: its mistakes in this process, its window in one of its own."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from imageio.v3 import imread

from napari_ambiseg.__main__ import main
from training.model_card import find_weights


def run(*arguments, seconds=120):
    command = [sys.executable, "-P", "-m", "napari_ambiseg", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["no-such-file.h5"], "no-such-file.h5"),
        (["demo", "--model", "nonsense"], "nonsense"),
        (["demo", "--screenshot", "no/such/folder/picture.png"], "no/such/folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, word, capsys):
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert word in output.err
    assert output.err.count("\n") == 1


def test_a_file_that_is_not_ours_is_one_line_and_exit_code_2(tmp_path, capsys):
    path = tmp_path / "notes.h5"
    path.write_text("no HDF5 at all")
    assert main([str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_a_folder_of_something_else_is_one_line_and_exit_code_2(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"napari-ambiseg: {tmp_path}: no annotated slices")


def test_a_folder_of_slices_opens_the_window_with_its_offer(monkeypatch, slices_folder):
    """Up to the event loop, which the test takes the place of."""
    offered = []
    monkeypatch.setattr("napari_ambiseg.__main__._window", lambda: (None, Opener(offered)))
    monkeypatch.setattr("qtpy.QtCore.QTimer.singleShot", lambda _, call: call())
    monkeypatch.setattr("napari.run", lambda: None)
    assert main([str(slices_folder)]) == 0
    assert offered == [str(slices_folder)]


class Opener:
    def __init__(self, opened):
        self.opener, self.open_path = self, opened.append


@pytest.mark.parametrize("arguments", [["demo", "--samples", "0"], ["demo", "--steps", "many"]])
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2


def test_the_demo_draws_prints_its_numbers_and_leaves_a_picture(tmp_path):
    picture = tmp_path / "demo.png"
    result = run("demo", "--screenshot", picture, "--samples", 3, "--steps", 2)
    assert result.returncode == 0, result.stderr
    table = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    table = {name.strip(): value.strip() for name, value in table.items()}
    assert table["seen by"] == "2 of 4 experts"
    assert table["model empty"].endswith("of 3")
    assert table["GED (V)"].endswith("with n = 3")
    assert list(table)[-1] == "GED (V) at r = 0.5"
    image = imread(picture)
    assert image.shape[:2] == (1000, 1600)
    assert image[..., :3].std() > 20
    assert len(np.unique(image[..., :3].reshape(-1, 3), axis=0)) > 500


def test_a_demo_that_cannot_draw_says_so_and_fails(tmp_path):
    weights = find_weights("demo")
    shutil.copy(weights.with_suffix(".json"), tmp_path / "torn.json")
    (tmp_path / "torn.safetensors").write_bytes(weights.read_bytes()[:1000])
    result = run("demo", "--model", tmp_path / "torn.safetensors", "--screenshot", tmp_path / "demo.png")
    assert result.returncode == 1
    assert "GED" not in result.stdout
    assert "napari-ambiseg: no samples: " in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "demo.png").exists()


def test_the_viewer_s_own_process_never_imports_torch():
    code = """
import sys, napari
from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
viewer = napari.Viewer()
open_all_docks(viewer)
controller_of(viewer).opener.open_demo()
for _ in range(20):
    controller_of(viewer).tick()
assert "torch" not in sys.modules
viewer.close()
print("clean")
"""
    result = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert result.stdout.strip() == "clean", result.stderr
