"""The ``napari-ambiseg`` command: opens annotated slices, or shows the demo.

::

    napari-ambiseg [PATH]
    napari-ambiseg demo [--screenshot PNG] [--samples N] [--steps K] [--model NAME_OR_PATH] [--seed S]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ambiseg.layers.maps import SAMPLE_VARIANCE
from napari_ambiseg.state import IDLE
from training.errors import AmbisegError, ConfigError
from training.model_card import find_weights
from training.postprocess import Cleaning
from training.sampling_wish import SamplingWish

if TYPE_CHECKING:
    from napari import Viewer

    from napari_ambiseg.controller import Controller

_CASE = 19  # of the demo cases: two of four experts outline it, and the model hesitates too
_R = 0.5  # of the relative area, for the table
_SIZE = (1600, 1000)
_SETTLE_MS = 200  # until the new window has its size: the camera is aimed once, at that
_DRAWN_MS = 1000  # until everything that changed is on the screen


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, or 2 after one line that says what is wrong."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments[:1] == ["demo"]:
            return _demo(_demo_parser().parse_args(arguments[1:]))
        return _open(_file_parser().parse_args(arguments).path)
    except AmbisegError as error:
        print(f"napari-ambiseg: {error}", file=sys.stderr)  # noqa: T201 - the command's voice
        return 2


def _file_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="napari-ambiseg",
        description="See where experts disagree about a lesion. Research use only, not for diagnosis.",
        epilog="`napari-ambiseg demo` shows synthetic cases with samples of the shipped model; see its --help.",
    )
    parser.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help="annotated slices in HDF5; a file or folder of another form, which is converted first; or a session",
    )
    return parser


def _demo_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="napari-ambiseg demo", description="Open a synthetic case, draw samples and show the disagreement."
    )
    parser.add_argument("--screenshot", type=Path, metavar="PNG", help="save a picture of the window, then exit")
    parser.add_argument("--samples", type=_between(1, 256), default=16, metavar="N", help="masks to draw (default: 16)")
    parser.add_argument("--steps", type=_between(1, 1000), metavar="K", help="sampling steps (default: the model's)")
    parser.add_argument("--model", default="demo", metavar="NAME_OR_PATH", help="what draws (default: demo)")
    parser.add_argument(
        "--seed", type=_between(0, 2**31 - 1), default=0, metavar="S", help="names the masks (default: 0)"
    )
    return parser


def _between(low: int, high: int) -> Callable[[str], int]:
    """A whole number that the docks can show."""

    def whole_number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is impossible; choose {low} to {high}")
        return value

    return whole_number


def _window() -> tuple[Viewer, Controller]:
    """A napari window with all docks, and its controller."""
    import napari

    from napari_ambiseg._qt.viewer_panel import open_all_docks
    from napari_ambiseg.controller import controller_of

    viewer = napari.Viewer(title="napari-ambiseg: research use only, not for diagnosis")
    viewer.window.resize(*_SIZE)
    open_all_docks(viewer)
    return viewer, controller_of(viewer)


def _open(path: str | None) -> int:
    import napari
    from qtpy.QtCore import QTimer

    if path is not None:
        _require_openable(Path(path))  # a wrong file is one line here, before any window
    _, controller = _window()
    if path is not None:
        QTimer.singleShot(_SETTLE_MS, lambda: controller.opener.open_path(path))
    napari.run()
    return 0


def _require_openable(path: Path) -> None:
    from napari_ambiseg.sources import HDF5, layout_of
    from training.data.reading import open_isolated

    if layout_of(path) == HDF5:
        open_isolated(path).close()


def _demo(options: argparse.Namespace) -> int:
    import napari
    from qtpy.QtCore import QTimer

    if options.screenshot is not None and not options.screenshot.absolute().parent.is_dir():
        raise ConfigError(f"cannot write {options.screenshot}: there is no folder {options.screenshot.parent}")
    find_weights(options.model)  # a wrong name is one line here, before any window
    viewer, controller = _window()
    wish = controller.state.sampling
    wish.model, wish.wish = options.model, SamplingWish(steps=options.steps)
    wish.n_samples, wish.seed = options.samples, options.seed
    demo = _Demo(viewer, controller, options.screenshot)
    QTimer.singleShot(_SETTLE_MS, demo.begin)
    napari.run()
    return demo.code


class _Demo:
    """The demo's one run: draw, show, print the numbers, and take the picture where one is wanted.

    Parameters
    ----------
    screenshot : where the window's picture goes, after which the window closes; None leaves it to the user
    """

    def __init__(self, viewer: Viewer, controller: Controller, screenshot: Path | None) -> None:
        self.code = 1  # until the numbers are printed
        self._viewer, self._controller, self._screenshot = viewer, controller, screenshot

    def begin(self) -> None:
        """Open the case and start drawing."""
        self._controller.opener.open_demo()
        self._controller.opener.open_case(_CASE)
        self._controller.generate()
        self._controller.state.sampling.events.status.connect(self._on_status)

    def _on_status(self, status: str) -> None:
        from qtpy.QtCore import QTimer

        if status == IDLE:
            self._controller.state.sampling.events.status.disconnect(self._on_status)
            QTimer.singleShot(0, self._end)  # later: the samples come into the state after the status

    def _end(self) -> None:
        from qtpy.QtCore import QTimer

        state = self._controller.state
        if state.disagreement.processed is None:
            print(f"napari-ambiseg: no samples: {state.sampling.message}", file=sys.stderr)  # noqa: T201
        else:
            print(self._table())  # noqa: T201 - the command's answer
            state.display.map = SAMPLE_VARIANCE
            self.code = 0
        if self._screenshot is not None:
            QTimer.singleShot(_DRAWN_MS if self.code == 0 else 0, self._leave)

    def _leave(self) -> None:
        if self.code == 0:
            self._viewer.screenshot(str(self._screenshot), canvas_only=False, flash=False)
        self._viewer.close()

    def _table(self) -> str:
        state = self._controller.state
        numbers, experts = state.disagreement, state.disagreement.experts
        state.postprocessing.cleaning = Cleaning(relative_area=_R)
        self._controller.tick()
        raw, cleaned = numbers.raw, numbers.processed
        state.postprocessing.cleaning = Cleaning()
        self._controller.tick()
        assert experts is not None and raw is not None and cleaned is not None  # noqa: S101, PT018 - for mypy
        rows = (
            ("case", state.browsing.key),
            ("seen by", f"{experts.n_found} of {experts.n_experts} experts"),
            ("E[d] of the experts", f"{experts.disagreement:.3f}"),
            ("model empty", f"{raw.n_empty} of {raw.n}"),
            ("GED (V)", f"{raw.ged_v:.3f} with n = {raw.n}"),
            ("GED (U)", f"{raw.ged_u:.3f} with n = {raw.n}"),
            (f"GED (V) at r = {_R}", f"{raw.ged_v:.3f} -> {cleaned.ged_v:.3f}"),
        )
        return "\n".join(f"{name:<20} {value}" for name, value in rows)


if __name__ == "__main__":
    sys.exit(main())
