"""What is written of the case that is shown: masks, numbers, figure, page and movie.  No Qt."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_ambiseg.background import Background, Work
from napari_ambiseg.browser import Browser
from napari_ambiseg.cautions import caution
from napari_ambiseg.commands import run_command
from napari_ambiseg.dock_names import OUTPUT
from napari_ambiseg.entries import FLAGS
from napari_ambiseg.known_models import KnownModels
from napari_ambiseg.notices import REVEAL_FIRST, notify
from napari_ambiseg.player import Player
from napari_ambiseg.products import FIGURE, MASKS, MOVIE, NUMBERS, PRODUCTS, Options, require_suffix
from napari_ambiseg.results import Results
from napari_ambiseg.runs import Frames, Run
from napari_ambiseg.state import IDLE, ViewerState
from training.errors import AmbisegError, CheckpointError, ConfigError
from training.export import DrawnCase, find_form
from training.export.frames import Look
from training.export.movie import Pace, film
from training.export.table import write_table
from training.postprocess import Cleaning
from training.records import SampleSet, Trajectory


class Output:
    """Writes what is shown, one thing at a time, beside the window.

    Parameters
    ----------
    state : its output part says what is being written
    browser : has the whole slice
    results : has the masks
    player : has the states of the walk
    models : have the cards that say what to mind
    """

    def __init__(
        self,
        state: ViewerState,
        browser: Browser,
        results: Results,
        player: Player,
        models: KnownModels,
    ) -> None:
        self._state, self._browser, self._results, self._player = state, browser, results, player
        self._models = models
        self._background = Background("ambiseg-output", self._on_done, self._on_cancelled, self._on_failed)
        self._path = Path()

    def problem(self, product: str) -> str:
        """Why this cannot be written now, in one line; "" where it can."""
        if self._state.reading.blind:
            return f"{REVEAL_FIRST[:1].upper()}{REVEAL_FIRST[1:]}."
        if self._state.sampling.status != IDLE:
            return "The masks are still being drawn."
        run = self._run()
        if product == MOVIE:
            frames = self._frames()
            return "" if frames is not None and frames.times else "There are no steps to show: generate samples first."
        return "" if run is not None else "Generate samples first."

    def suggested(self, product: str) -> str:
        """A name for the file, without its end, made from the case's."""
        case = self._browser.case
        key = "case" if case is None else re.sub(r"[^\w.-]+", "_", case.key).strip("._") or "case"
        return key[:100] + {MASKS: "-masks", NUMBERS: "-numbers", MOVIE: "-steps"}.get(product, "")

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
        return find_form(path, self._dicom()).files(path, self.drawn())

    def drawn(self) -> DrawnCase:
        """The case that is shown, with its masks as drawn and as cleaned.

        Raises
        ------
        ConfigError
            If there are none yet.
        """
        run, case = self._run(), self._browser.case
        if run is None or case is None:
            raise ConfigError("there are no samples of this case yet; generate some first")
        cleaning = self._results.cleaning
        whole = run.field.is_whole(case.image.shape)
        drawn = DrawnCase(
            case=case,
            samples=SampleSet(run.masks, run.seed, run.provenance),
            cleaned=None if cleaning.is_nothing else cleaning.apply(run.masks, run.x0_hat),
            cleaning=cleaning,
            geometry=self._browser.geometry,
            field=None if whole else run.field,
        )
        return _with_walk(drawn, run.frames)

    def walked(self) -> DrawnCase:
        """The walk that is shown, be it whole or broken off; its masks are those of its last state.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if self._run() is not None:
            return self.drawn()
        frames, case, place = self._frames(), self._browser.case, self._state.placing.field
        if frames is None or not frames.times or case is None or place is None:
            raise ConfigError("there are no steps to show; generate samples first")
        masks = frames.x0_hat[:, len(frames.times) - 1] > 0
        whole = place.is_whole(case.image.shape)
        samples = SampleSet(masks, self._state.sampling.seed, {"model": self._state.sampling.model})
        return _with_walk(DrawnCase(case, samples, field=None if whole else place), frames)

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
        form, drawn = find_form(path, self._dicom()), self.drawn()
        return lambda: form.write(path, drawn)

    def _work(self, product: str, path: Path, options: Options) -> Work:
        """Everything is looked up now, in the window's thread; only arrays that do not change go to the other one."""
        if product == MOVIE:
            drawn = self.walked()
            count = 0 if drawn.trajectory is None else len(drawn.trajectory.t)
            return _shares(film(path, drawn, options.look, options.pace), count)
        if product == MASKS:
            return _once(self._masks(path))
        drawn = self.drawn()
        run, reading = self._run(), self._state.reading
        warnings = self._warnings(run)
        if product == NUMBERS:
            return _once(lambda: write_table(path, drawn, warnings))
        flag, note = FLAGS.get(reading.flag, reading.flag) if reading.flag else "", reading.note
        command = "" if run is None else _command(run, drawn.cleaning)

        def draw() -> None:
            if product == FIGURE:
                from training.report.case_figure import write_case_figure  # matplotlib: half a second

                write_case_figure(path, drawn, options.dpi, warnings)
            else:
                from training.report.case_page import Extras, write_case_page

                write_case_page(path, drawn, Extras(command, note, flag, warnings=warnings))

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

    def _dicom(self) -> str | None:
        """The DICOM file that the slice is, which a segmentation refers to; None where it is none."""
        opened = self._browser.layer_set
        return None if opened is None else opened.plane.dicom or None

    def _run(self) -> Run | None:
        """What is shown, if it is of the case that is shown."""
        run = self._results.run
        return run if run is not None and run.origin == self._browser.origin else None

    def _frames(self) -> Frames | None:
        run = self._run()
        return self._player.frames() if run is None else run.frames

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


def _with_walk(drawn: DrawnCase, frames: Frames | None) -> DrawnCase:
    """The same with the states that came."""
    if frames is None or not frames.times:
        return drawn
    count = len(frames.times)
    states = (np.moveaxis(quantity[:, :count], 1, 0) for quantity in (frames.x_t, frames.x0_hat))
    trajectory = Trajectory(np.array(frames.times, np.float32), *states)
    return replace(drawn, trajectory=trajectory, steps=tuple(frames.steps[:count]), n_steps=frames.n_steps)


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


def _once(write: Callable[[], object]) -> Work:
    """What cannot be interrupted."""
    write()
    yield 1.0
