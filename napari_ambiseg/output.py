"""What is written of the case that is shown: masks, numbers, figure, page and movie.  No Qt."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from pathlib import Path

from napari_ambiseg.background import Background, Work
from napari_ambiseg.casebook import Casebook
from napari_ambiseg.cautions import caution
from napari_ambiseg.commands import run_command
from napari_ambiseg.dock_names import OUTPUT
from napari_ambiseg.known_models import KnownModels
from napari_ambiseg.notices import REVEAL_FIRST, notify
from napari_ambiseg.products import FIGURE, MASKS, MOVIE, NUMBERS, PRODUCTS, READINGS, Options, require_suffix
from napari_ambiseg.reading_table import write_readings
from napari_ambiseg.runs import Run
from napari_ambiseg.shown_case import ShownCase
from napari_ambiseg.state import IDLE, ViewerState
from training.errors import AmbisegError, CheckpointError, ConfigError
from training.export import find_form
from training.export.frames import Look
from training.export.movie import Pace, film
from training.export.table import write_table
from training.postprocess import Cleaning


class Output:
    """Writes what is shown, one thing at a time, beside the window.

    Parameters
    ----------
    state : its output part says what is being written
    shown : what it is made from
    models : have the cards that say what to mind
    casebook : has what was read, flagged and noted
    """

    def __init__(
        self,
        state: ViewerState,
        shown: ShownCase,
        models: KnownModels,
        casebook: Casebook,
    ) -> None:
        self._state, self.shown, self._models, self._casebook = state, shown, models, casebook
        self._background = Background("ambiseg-output", self._on_done, self._on_cancelled, self._on_failed)
        self._path = Path()

    def problem(self, product: str) -> str:
        """Why this cannot be written now, in one line; "" where it can."""
        if self._state.reading.blind:
            return f"{REVEAL_FIRST[:1].upper()}{REVEAL_FIRST[1:]}."
        if product == READINGS:
            return "" if len(self._casebook) else "Open a case first: there is nothing to tell yet."
        if self._state.sampling.status != IDLE:
            return "The masks are still being drawn."
        run = self.shown.run
        if product == MOVIE:
            frames = self.shown.frames
            return "" if frames is not None and frames.times else "There are no steps to show: generate samples first."
        return "" if run is not None else "Generate samples first."

    def suggested(self, product: str) -> str:
        """A name for the file, without its end, made from the case's, or from the data's for all cases."""
        if product == READINGS:
            return f"{_as_name(Path(self._state.browsing.source).stem, 'all')}-readings"
        return _as_name(self.shown.key, "case") + {MASKS: "-masks", NUMBERS: "-numbers", MOVIE: "-steps"}.get(
            product, ""
        )

    def files(self, product: str, path: Path) -> tuple[Path, ...]:
        """Every file that `write` would make or replace.

        Raises
        ------
        ConfigError
            On a name of another end.
        """
        require_suffix(product, path)
        if product != MASKS:
            return (path,)
        return find_form(path, self.shown.dicom).files(path, self.shown.drawn())

    def options(self, dpi: float = 300.0) -> Options:
        """How pictures and movies look as they are asked for now: a movie shows what the trajectory does."""
        playback, wish = self._state.playback, self._state.output
        sample = playback.sample if wish.shown_sample else None
        look = Look(playback.quantity, sample, closeup=wish.closeup)  # type: ignore[arg-type] # one of the two
        return Options(dpi, look, Pace(playback.frames_per_second))

    def write(self, product: str, path: Path, options: Options | None = None) -> None:
        """Begin to write, replacing what is there; `Output.files` tells what that is.

        Raises
        ------
        ConfigError
            If there is nothing to write, something else is being written, or the name has another end.
        """
        self._require(product, path)
        work = self._work(product, path, options or self.options())
        self._path = path
        state = self._state.output
        state.writing, state.progress = PRODUCTS[product].title.lower(), 0.0
        state.message, state.written = f"writing {path.name} ...", ""
        self._background.start(work)

    def write_now(self, path: Path) -> tuple[Path, ...]:
        """Write the masks and wait for them, as napari's own saving does; returns the files.

        What has this very name is replaced, since napari asked about it; other files of the form are not.

        Raises
        ------
        ConfigError
            As `write`, and if a file cannot be written, or is there already.
        DataFormatError
            If the DICOM image does not fit the case.
        """
        self._require(MASKS, path)
        if there := [file for file in self.files(MASKS, path) if file != path and file.exists()]:
            raise ConfigError(f"{there[0]} exists; choose another name, or write in the dock {OUTPUT}, which asks")
        written = self._masks(path)()
        self._end(f"{path.name} is written", str(path))
        return written

    def cancel(self) -> None:
        """Leave off; nothing of the file stays."""
        self._background.cancel()

    def update(self) -> None:
        """Say how far it is."""
        if self._background.busy:
            self._state.output.progress = self._background.share
            self._background.poll()

    def close(self) -> None:
        """Leave off, before the window is gone."""
        self._background.close()

    def _require(self, product: str, path: Path) -> None:
        """Refuse what cannot be written, or not now."""
        if self._background.busy:
            raise ConfigError("something is being written already; wait for it, or cancel it")
        if problem := self.problem(product):
            raise ConfigError(problem)
        require_suffix(product, path)

    def _masks(self, path: Path) -> Callable[[], tuple[Path, ...]]:
        """What writes the masks that are shown now."""
        form, drawn = find_form(path, self.shown.dicom), self.shown.drawn()
        return lambda: form.write(path, drawn)

    def _work(self, product: str, path: Path, options: Options) -> Work:
        """Everything is looked up now, in the window's thread; only arrays that do not change go to the other one."""
        if product == READINGS:
            rows = self._casebook.all()
            return _once(lambda: write_readings(path, rows))
        if product == MOVIE:
            drawn = self.shown.walked()
            count = 0 if drawn.trajectory is None else len(drawn.trajectory.t)
            return _shares(film(path, drawn, options.look, options.pace), count)
        if product == MASKS:
            return _once(self._masks(path))
        drawn = self.shown.drawn()
        run = self.shown.run
        warnings = self._warnings(run)
        if product == NUMBERS:
            return _once(lambda: write_table(path, drawn, warnings))
        command = "" if run is None else _command(run, drawn.cleaning)

        def draw() -> None:
            if product == FIGURE:
                from training.report.case_figure import write_case_figure  # matplotlib: half a second

                write_case_figure(path, drawn, options.dpi, warnings)
            else:
                from training.report.case_page import Extras, write_case_page

                write_case_page(path, drawn, Extras(command, warnings=warnings))

        return _once(draw)

    def _warnings(self, run: Run | None) -> tuple[str, ...]:
        """What the Sampler says to mind of the model that drew this."""
        if run is None:
            return ()
        try:
            card = self._models.card(run.model)
        except CheckpointError:
            return (f"What {run.model} was trained on is not known: its card cannot be read any more.",)
        text = caution(card, run.case.key, run.field.shape)
        return (text,) if text else ()

    def _on_done(self) -> None:
        self._end(f"{self._path.name} is written", str(self._path))

    def _on_cancelled(self) -> None:
        self._end(f"{self._path.name} was not written: cancelled")

    def _on_failed(self, error: AmbisegError) -> None:
        self._end(str(error))
        notify(str(error))

    def _end(self, message: str, written: str = "") -> None:
        state = self._state.output
        state.writing, state.progress, state.message, state.written = "", 0.0, message, written


def _shares(frames: Generator[int], count: int) -> Work:
    """How much of a film of so many frames is done."""
    try:
        for done in frames:
            yield done / count
    finally:
        frames.close()


def _command(run: Run, cleaning: Cleaning) -> str:
    """What draws the run again; "" where no file holds its case."""
    try:
        return run_command(run, cleaning)
    except ConfigError:
        return ""


def _as_name(text: str, otherwise: str) -> str:
    """A text as the name of a file, without its end."""
    return (re.sub(r"[^\w.-]+", "_", text).strip("._") or otherwise)[:100]


def _once(write: Callable[[], object]) -> Work:
    """What cannot be interrupted."""
    write()
    yield 1.0
