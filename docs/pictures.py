"""Makes the pictures of docs/images from the synthetic demo cases: ``make pictures``.

::

    python docs/pictures.py FOLDER [NAME ...]

Without names all of them: `window` and `first-minute.gif`, which show the whole window, and one picture of each dock.
It needs a display; `make pictures` brings a virtual one.  What is drawn is a function of the demo model and the seed,
but for the seconds that it took.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_CASE = 19  # two of four experts outline it, and the model hesitates too
_STEPS, _SAMPLES = 10, 16
_SHOWN = 8  # index of a sample in which the model draws a lesion
_WINDOW = (1440, 900)
_GIF_WINDOW, _GIF_WIDTH, _CAPTION = (1120, 740), 960, 34
_FRAME_MS, _COLOURS = 120, 128


class Studio:
    """The real window, in which things are done and looked at.

    Parameters
    ----------
    size : of the window, (width, height) in pixels
    """

    def __init__(self, size: tuple[int, int]) -> None:
        import napari

        from napari_ambiseg._qt.viewer_panel import open_all_docks
        from napari_ambiseg.controller import controller_of

        self.viewer = napari.Viewer(title="napari-ambiseg")
        self.viewer.window.resize(*size)
        self.docks = open_all_docks(self.viewer)
        self.controller = controller_of(self.viewer)
        self.state = self.controller.state
        self.wait(1.0)

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let the window live for so long, or until something is the case."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            QApplication.processEvents()
            time.sleep(0.01)

    def open_case(self, index: int = _CASE) -> None:
        """Show a demo case."""
        self.controller.opener.open_demo()
        self.controller.opener.open_case(index)
        self.controller.browser.framing.show_all()
        self.wait(1.0)

    def draw(self, watch: Callable[[], None] = lambda: None, *, seed: int = 0, steps: int = _STEPS) -> None:
        """Draw samples, and call ``watch`` while they come."""
        from training.sampling_wish import SamplingWish

        sampling, before = self.state.sampling, self.controller.results.run
        sampling.wish, sampling.n_samples, sampling.seed = SamplingWish(steps=steps), _SAMPLES, seed
        self.controller.generate()
        frames = 0
        end = time.monotonic() + 300
        while self.controller.results.run in (None, before) or self.controller.results.masks is None:
            if time.monotonic() > end:
                raise TimeoutError(f"no samples after five minutes: {sampling.message}")
            self.wait(0.02)
            if len(self.state.playback.times) > frames:
                frames = len(self.state.playback.times)
                watch()
        self.wait(0.5)

    def without_layer_list(self) -> None:
        """Leave out napari's own column, for a small picture."""
        own = self.viewer.window._qt_window._qt_viewer
        for dock in (own.dockLayerControls, own.dockLayerList):
            dock.hide()
        self.wait(0.5)

    def front(self, name: str) -> None:
        """Bring a dock before the others of its place."""
        self.docks[name].parent().raise_()
        self.wait(0.4)

    def window(self) -> Image.Image:
        """The whole window."""
        self.wait(0.25)
        return Image.fromarray(self.viewer.screenshot(canvas_only=False, flash=False)[..., :3])

    def dock(self, name: str, at_least: int = 0) -> Image.Image:
        """All of a dock, with what one would have to scroll to, so many pixels high or higher."""
        self.front(name)
        dock = self.docks[name]
        height = max(dock.content.minimumSizeHint().height(), dock.content.heightForWidth(dock.viewport().width()))
        dock.content.setFixedHeight(max(height + 4, at_least))
        self.wait(0.5)
        picture = _image(dock.content.grab())
        dock.content.setMinimumHeight(0)
        dock.content.setMaximumHeight(2**24 - 1)
        return picture

    def close(self) -> None:
        """Leave."""
        self.viewer.close()


def _image(pixmap: Any) -> Image.Image:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "grabbed.png")
        pixmap.save(path)
        return Image.open(path).convert("RGB")


def window(folder: Path) -> None:
    """The whole window after a drawing, with the variance of the samples."""
    from napari_ambiseg.layers.maps import SAMPLE_VARIANCE

    studio = Studio(_WINDOW)
    studio.open_case()
    studio.draw()
    studio.state.display.map = SAMPLE_VARIANCE
    studio.wait(0.5)
    studio.window().save(folder / "window.png", optimize=True)
    studio.close()


def docks(folder: Path) -> None:
    """One picture of each dock, of a case with two drawings."""
    from napari_ambiseg import dock_names as names
    from napari_ambiseg.layers.maps import SAMPLE_VARIANCE
    from training.postprocess import Cleaning

    studio = Studio(_WINDOW)
    studio.open_case()
    studio.draw(steps=4)
    studio.draw()
    studio.state.display.map = SAMPLE_VARIANCE
    comparer = studio.controller.comparer
    comparer.choose_first(0)
    studio.wait(2.0)  # the table's numbers come in meanwhile

    def keep(name: str, at_least: int = 0) -> None:
        studio.dock(name, at_least).save(folder / f"{file_name(name)}.png", optimize=True)

    for name in (names.VIEWER, names.EXPERTS, names.DISAGREEMENT, names.SAMPLER, names.COMPARE, names.OUTPUT,
                 names.TRAJECTORY):  # fmt: skip
        keep(name)
    keep(names.CASES, at_least=560)
    studio.state.postprocessing.cleaning = Cleaning(relative_area=0.45)
    studio.wait(0.5)
    keep(names.POSTPROCESSING)
    studio.close()


def file_name(dock: str) -> str:
    """Name of a dock's picture and page, without suffix."""
    return dock.lower().replace(" ", "-")


def first_minute(folder: Path) -> None:
    """The first minute in some ten seconds: open, look, generate, scrub, map, post-process."""
    from napari_ambiseg import dock_names as names
    from napari_ambiseg.layers.maps import SAMPLE_VARIANCE
    from napari_ambiseg.layers.roles import SAMPLES
    from napari_ambiseg.state import NOISY, PREDICTED
    from training.postprocess import Cleaning

    studio, film = Studio(_GIF_WINDOW), Film()

    def watch() -> None:
        studio.state.playback.sample = _SHOWN
        if len(studio.state.playback.times) % 2:
            film.take(studio, "3  Generate: 16 masks emerge from noise", 2)

    studio.without_layer_list()
    film.take(studio, "1  Open the demo cases", 6)
    studio.open_case()
    studio.controller.look_closely()
    film.take(studio, "2  Two of four experts see a lesion, and not the same one", 12)
    studio.front(names.DISAGREEMENT)
    studio.draw(watch)
    film.take(studio, "3  Generate: 16 masks emerge from noise", 8)
    studio.controller.layers.set_visible(SAMPLES, False)
    for frame in range(_STEPS, -1, -1):
        studio.state.playback.frame = frame
        film.take(studio, "4  Scrub through one sample: what the model predicts ...", 2)
    studio.state.playback.quantity = NOISY
    for frame in (0, 4, 8, 9, 10):
        studio.state.playback.frame = frame
        film.take(studio, "4  ... and the noisy state that it walks through", 3)
    studio.state.playback.quantity = PREDICTED
    studio.controller.layers.set_visible(SAMPLES, True)
    studio.state.display.map = SAMPLE_VARIANCE
    film.take(studio, "5  Where the samples disagree", 7)
    studio.front(names.POSTPROCESSING)
    for tenths in (0, 1, 2, 3, 4, 5, 6):
        studio.state.postprocessing.cleaning = Cleaning(relative_area=tenths / 10)
        film.take(studio, "6  Empty the small ones: before and after", 2)
    film.take(studio, "6  Empty the small ones: before and after", 6)
    studio.close()
    film.save(folder / "first-minute.gif")


class Film:
    """Pictures of the window with a line under them."""

    def __init__(self) -> None:
        self._frames: list[Image.Image] = []
        self._lasts: list[int] = []
        self._font = ImageFont.truetype(_font_file(), 19)

    def take(self, studio: Studio, caption: str, beats: int) -> None:
        """Take one picture that stays for so many beats."""
        whole = studio.window()
        height = round(_GIF_WIDTH * whole.height / whole.width)
        frame = Image.new("RGB", (_GIF_WIDTH, height + _CAPTION), "#16181d")
        frame.paste(whole.resize((_GIF_WIDTH, height), Image.Resampling.LANCZOS))
        ImageDraw.Draw(frame).text((14, height + 6), caption, "#ffffff", font=self._font)
        self._frames.append(frame)
        self._lasts.append(beats * _FRAME_MS)

    def save(self, path: Path) -> None:
        """Write the film, with one palette, and only what changes from picture to picture."""
        palette = _palette(self._frames)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self._frames]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=self._lasts, loop=0, optimize=False)


def _palette(frames: list[Image.Image]) -> Image.Image:
    """Colours for all frames.  Each counts by the root of its pixels: an outline must not lose its own to the grey."""
    pixels = np.concatenate([np.asarray(frame)[::2, ::2].reshape(-1, 3) for frame in frames])
    colours, counts = np.unique(pixels // 6 * 6 + 3, axis=0, return_counts=True)
    sheet = np.repeat(colours, np.ceil(np.sqrt(counts)).astype(int), axis=0).astype(np.uint8)
    return Image.fromarray(sheet[None]).quantize(_COLOURS, method=Image.Quantize.MEDIANCUT)


def _font_file() -> str:
    from matplotlib.font_manager import findfont

    return str(findfont("DejaVu Sans"))


PICTURES = {"window": window, "docks": docks, "first-minute": first_minute}


def main() -> int:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description="Make the pictures of the documentation from synthetic cases.")
    parser.add_argument("folder", type=Path, help="where they go")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}; all of them by default")
    options = parser.parse_args()
    wanted = options.names or list(PICTURES)
    if unknown := [name for name in wanted if name not in PICTURES]:
        parser.error(f"unknown picture {unknown[0]!r}; choose of {', '.join(PICTURES)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        with tempfile.TemporaryDirectory() as state:
            os.environ["XDG_STATE_HOME"] = state  # no earlier session is offered in a picture
            PICTURES[name](options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
