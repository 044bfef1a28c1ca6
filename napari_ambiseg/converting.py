"""From any form of annotated slices to HDF5, out of the window: the offer, the run, and what came of it.  No Qt.

The conversion itself is `training.data.conversion`, in a child process; what is here decides where the file goes,
follows the run, and tells its result in a line.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from napari_ambiseg.notices import advise
from napari_ambiseg.state import CANCELLING, CONVERTED, CONVERTING, COUNTING, NOTHING, OFFERED, Converting
from training.data.conversion import Conversion, Failed, Prepared
from training.data.counting import Counted, Counting, Uncountable
from training.data.forms.interface import Options
from training.data.forms.sniffing import summary_of, takes_window
from training.data.prepare import Plan, Progress, remarks
from training.data.window import AUTO, find_window

SUFFIX = ".ambiseg.hdf5"
_GUESS_AFTER_S = 1.0  # the first slices say little about how long the rest will take


class Run(Protocol):
    """A conversion under way; `training.data.conversion.Conversion` is of this kind."""

    def poll(self) -> list[Progress | Prepared | Failed]:
        """What happened since the last call; never waits."""

    def cancel(self) -> None:
        """End it within some seconds, and leave nothing of it behind; harmless when it is over."""


class Converter:
    """Offers to convert what was opened, one source at a time, and does it when told to.

    Parameters
    ----------
    state : what is offered and how far it is; nothing else is known to the docks
    open_made : shows a converted file
    is_drawing : whether opening would cost samples that are on their way
    convert : starts a conversion of a source into a file
    count : starts to count what a source holds
    """

    def __init__(
        self,
        state: Converting,
        open_made: Callable[[str], None],
        is_drawing: Callable[[], bool],
        convert: Callable[[Path, Path, Plan], Run] = Conversion,
        count: Callable[[Path, str], Counting] = Counting,
    ) -> None:
        self._state, self._open_made, self._is_drawing = state, open_made, is_drawing
        self._convert, self._count = convert, count
        self._counting: Counting | None = None
        self._run: Run | None = None
        self._ending: threading.Thread | None = None  # which waits for the end of a cancelled run
        self._first: tuple[float, int] | None = None  # when, and how many slices were done by then

    def offer(self, source: Path, layout: str) -> None:
        """Say what a source is, count what it holds, and where its conversion would go.

        Raises
        ------
        DeviceError
            If the counting process cannot be started.
        """
        state = self._state
        if self._run is not None:
            advise(f"{Path(state.source).name} is still being converted; wait for its end, or cancel it first")
            return
        self._end_counting()
        state.source, state.layout, state.summary = str(source), layout, summary_of(layout)
        state.takes_window, state.window, state.size, state.problem = takes_window(layout), AUTO, 0, ""
        state.slices = state.patients = 0
        state.result = state.details = ""
        state.unopened = False
        self.write_to(default_target(source))
        self._counting = self._count(source, layout)
        state.status = COUNTING

    def write_to(self, target: Path) -> None:
        """Take another file as the one to make."""
        self._state.target, self._state.target_exists = str(target), target.is_file()

    def start(self) -> None:
        """Convert what is offered, with the window and the size that are asked for.

        Raises
        ------
        ConfigError
            If that window or size is none.
        DeviceError
            If the converting process cannot be started.
        """
        state = self._state
        if state.status not in (COUNTING, OFFERED):
            return
        find_window(state.window)  # so that a slip of the pen is told at once
        options = Options(window=state.window, size=state.size or None)
        plan = Plan(layout=state.layout, options=options)
        self._run = self._convert(Path(state.source), Path(state.target), plan)
        state.problem = ""
        self._end_counting()
        state.done = state.total = 0
        state.seconds_left = self._first = None
        state.status = CONVERTING

    def open_target(self) -> None:
        """Show the file that a conversion made: just now, or earlier, instead of making it again."""
        if self._run is not None:
            return
        self._state.unopened = False
        if self._state.status != CONVERTED:  # whose result stays to be read
            self.cancel()
        self._open_made(self._state.target)

    def cancel(self) -> None:
        """Stop the conversion, of which nothing is left; what was offered stays offered.

        Where nothing is under way: take back the offer, or put away the result.
        """
        self._end_counting()
        if self._run is None:
            self._state.status = NOTHING
        elif self._ending is None:  # its end may take a second or two, in which the window goes on
            self._ending = threading.Thread(target=self._run.cancel, name="ambiseg-cancel", daemon=True)
            self._ending.start()
            self._state.status = CANCELLING

    def update(self) -> None:
        """Take in what the processes sent."""
        if self._counting is not None and (answer := self._counting.poll()) is not None:
            self._on_answer(answer)
        if self._ending is not None:
            if not self._ending.is_alive():
                self._ending = self._run = None
                self._offer_again()
        elif self._run is not None:
            for event in self._run.poll():
                self._on_event(event)

    def close(self) -> None:
        """End whatever is under way, and leave no half file."""
        self._end_counting()
        if self._ending is not None:
            self._ending.join()
        elif self._run is not None:
            self._run.cancel()
        self._ending = self._run = None

    def _end_counting(self) -> None:
        if self._counting is not None:
            self._counting.end()
            self._counting = None

    def _on_answer(self, answer: Counted | Uncountable) -> None:
        self._end_counting()
        if isinstance(answer, Uncountable):
            self._state.problem = answer.text
        else:
            self._state.slices, self._state.patients = answer.slices, answer.patients
        self._state.status = OFFERED

    def _on_event(self, event: Progress | Prepared | Failed) -> None:
        state = self._state
        if isinstance(event, Progress):
            state.total, state.done = event.total, event.done
            state.seconds_left = self._guess(event)
        elif isinstance(event, Prepared):
            self._run = None
            state.result, state.details = told(event.facts)
            state.target_exists, state.unopened = True, self._is_drawing()
            state.status = CONVERTED
            if not state.unopened:
                self._open_made(state.target)
        else:
            self._run = None
            state.problem = event.text
            self._offer_again()

    def _guess(self, progress: Progress) -> float | None:
        """Seconds that the rest will take if it goes on like this; None as long as nobody can tell."""
        now = time.monotonic()
        if self._first is None:
            self._first = now, progress.done
        began, done_then = self._first
        done = progress.done - done_then
        if now - began < _GUESS_AFTER_S or done < 1:
            return None
        return (progress.total - progress.done) * (now - began) / done

    def _offer_again(self) -> None:
        self.write_to(Path(self._state.target))
        self._state.status = OFFERED


def default_target(source: Path) -> Path:
    """Where the conversion of a source goes unless the user says otherwise: beside it.

    Where nothing can be written there, in the user's documents or home.
    """
    source = source.absolute()
    home = Path.home()
    folders = (source.parent, home / "Documents", home)
    folder = next((folder for folder in folders if can_write(folder)), home)
    return folder / f"{source.name}{SUFFIX}"


def can_write(folder: Path) -> bool:
    """Whether files can be made in a folder; one that nobody has leave to write to counts as not, even for root."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & 0o222) and os.access(folder, os.W_OK)


def told(facts: Mapping[str, Any]) -> tuple[str, str]:
    """A conversion's result in one line, and what was left out or changed, one line for each reason.

    Parameters
    ----------
    facts : of a `training.data.prepare.Report`
    """
    text = f"{counted(facts['slices'], 'slice')} of {counted(facts['patients'], 'patient')}"
    left_out = sum(reason["count"] for reason in facts["dropped"].values())
    return f"{text}; {left_out:,} left out" if left_out else text, "\n".join(remarks(facts))


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 slice", "1,207 slices"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
