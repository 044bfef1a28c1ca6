"""A program whose window is closed in the middle of things.  Arguments: seconds, "button" or "code", what runs."""

import random
import sys
from functools import partial
from pathlib import Path

import napari
import psutil
from qtpy.QtCore import QTimer

import napari_ambiseg.controller
from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.engine import Engine
from training.postprocess import Cleaning

FAKE = Path(__file__).parents[1] / "fake_engine_process.py"


def main(seconds: float, how: str, what: str) -> None:
    """Do ``what`` in a window and close it after so many seconds."""
    napari_ambiseg.controller.Engine = partial(Engine, (sys.executable, "-P", str(FAKE)))
    viewer = napari.Viewer()
    open_all_docks(viewer)
    controller = napari_ambiseg.controller.controller_of(viewer)
    controller.opener.open_demo()
    sampling = controller.state.sampling
    sampling.model, sampling.n_samples = "slow", 4
    closed: list[str] = []
    chance = random.Random(seconds)  # noqa: S311 - a story, no secret

    def act() -> None:
        controller.generate()  # after the end too: it does nothing then
        if what == "everything" and not closed:  # nobody can click in a window that is gone
            controller.state.postprocessing.cleaning = Cleaning(relative_area=chance.random())
            controller.comparer.show_experts()
            controller.opener.next_case()
            controller.generate()

    def close() -> None:
        print("children", [child.pid for child in psutil.Process().children(recursive=True)], flush=True)  # noqa: T201 - the test reads it
        closed.append(how)
        window = viewer.window._qt_window
        window.close() if how == "button" else viewer.close()

    QTimer.singleShot(300, act)
    QTimer.singleShot(round(1000 * seconds), close)
    napari.run()
    print("ended", flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], sys.argv[3])
