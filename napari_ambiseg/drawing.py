"""The samples of the case that is shown: asked for, and watched while they come."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from napari_ambiseg.duration import duration
from napari_ambiseg.engine import Engine
from napari_ambiseg.forecast import Forecast
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.messages import (
    Answer,
    Cancelled,
    Devices,
    Died,
    Estimate,
    EstimateWanted,
    Failed,
    Finished,
    Loaded,
    Noted,
    Paused,
    Progressed,
    SampleRequest,
    Stepped,
)
from napari_ambiseg.notices import advise, notify
from napari_ambiseg.player import Player
from napari_ambiseg.results import Results
from napari_ambiseg.runs import Run
from napari_ambiseg.state import CANCELLING, IDLE, LOADING, PAUSED, SAMPLING, ViewerState
from training.data.field import Field
from training.records import AnnotatedSlice

_TRAJECTORY_BYTES = 2**28  # both quantities together; beyond it, fewer of the walk's states are kept
_BUDGET_S = 0.05  # of each update, for states of the walk; what is left waits for the next one
_MB, _GB = 10**6, 10**9


class Drawing:
    """One drawing of samples at a time: the newest.

    Parameters
    ----------
    state : its sampling part says what to draw and how far it is
    engine : the door to the sampling process
    player : gets the states of the walk
    results : shows the numbers on the way
    finish : called with each finished run
    kept_frames : states of a walk that are kept at most
    """

    def __init__(
        self,
        state: ViewerState,
        engine: Engine,
        player: Player,
        results: Results,
        finish: Callable[[Run], None],
        kept_frames: int = 64,
    ) -> None:
        self._kept_frames = kept_frames
        self._state, self._engine, self._player, self._results, self._finish = state, engine, player, results, finish
        self._forecast = Forecast(state, engine)
        self._request: SampleRequest | None = None  # None makes late answers go nowhere
        self._origin = Origin("", "", -1)
        self._field = Field(0, 0, 1, 1)
        self._place = Place()
        self._answers: deque[Answer] = deque()
        self._n_steps = 0
        self._device = ""
        self._device_bytes = 0
        self._began = self._held = 0.0  # times of the clock: of the first step, and since when it is paused
        self._watched = True

    def start(self, case: AnnotatedSlice, origin: Origin, field: Field, place: Place) -> None:
        """Draw samples for a part of a case; a drawing under way is dropped.

        Parameters
        ----------
        case : what the model is to see, ``field`` of the slice at ``origin``
        place : where that part lies in the viewer

        Raises
        ------
        DeviceError
            If no sampling process can be started.
        """
        self.forget(keep_sliders=True)
        wish, (height, width) = self._state.sampling, case.image.shape
        affordable = _TRAJECTORY_BYTES // (4 * wish.n_samples * height * width)
        self._request = SampleRequest(
            generation=0,  # the engine numbers it
            model=wish.model,
            case=case,
            n=wish.n_samples,
            seed=wish.seed,
            device=wish.device,
            wish=wish.wish,
            max_frames=max(2, min(self._kept_frames, affordable)),
            watched=self._watched,
        )
        self._origin, self._field, self._place, self._device = origin, field, place, ""
        self._player.prepare(place)
        self._engine.start(self._request)
        wish.status, wish.message = LOADING, f"loading {wish.model} ..."

    def cancel(self) -> None:
        """Stop before the next step is computed; what came so far stays to be looked at."""
        if self._state.sampling.status not in (IDLE, CANCELLING):
            self._engine.cancel()
            self._state.sampling.status, self._state.sampling.message = CANCELLING, "cancelling ..."

    def pause(self) -> None:
        """Hold the walk at its next state, or go on with it where it is held."""
        sampling = self._state.sampling
        if sampling.status == SAMPLING:
            self._engine.pause()
            self._held = time.monotonic()
            sampling.status, sampling.message = PAUSED, "pausing after this step ..."
        elif sampling.status == PAUSED:
            self._engine.resume()
            self._began += time.monotonic() - self._held
            sampling.status, sampling.message = SAMPLING, "going on ..."

    def step_once(self) -> None:
        """Go one state forward in a walk that is held."""
        if self._state.sampling.status == PAUSED:
            self._engine.step_once()
            self._state.sampling.message = "one step ..."

    def watch(self, watched: bool) -> None:
        """Say whether anybody looks at the states of a walk while they come; if not, they come at its end."""
        if watched != self._watched:
            self._watched = watched
            self._engine.watch(watched)

    def unload(self) -> None:
        """End the sampling process, so that its memory is free; the next drawing starts a new one."""
        if self._state.sampling.status != IDLE:
            self.forget()
        sampling = self._state.sampling
        freed = [f"{_amount(self._engine.held_bytes())} of main memory"]
        if self._device_bytes:
            freed.append(f"{_amount(self._device_bytes)} of the GPU's")
        self._engine.stop()
        self._device_bytes, sampling.warm, sampling.seconds = 0, False, math.nan
        sampling.message = f"the model is unloaded; {' and '.join(freed)} are free again"

    def forget(self, *, keep_sliders: bool = False) -> None:
        """Back to no samples; a drawing under way is stopped.  ``keep_sliders`` where the next one begins at once."""
        self._engine.cancel()
        self._request = None
        self._answers = deque(answer for answer in self._answers if isinstance(answer, Devices | Estimate | Died))
        self._player.forget(keep_sliders=keep_sliders)
        self._results.forget()
        sampling = self._state.sampling
        sampling.status, sampling.progress, sampling.message, sampling.note, sampling.provenance = IDLE, 0.0, "", "", ""
        sampling.gave_up = False

    def update(self) -> None:
        """Bring in what the sampling process sent, as much of it as there is time for."""
        self._answers += self._engine.poll()
        spent = 0.0
        while self._answers and spent < _BUDGET_S:
            answer, began = self._answers.popleft(), time.monotonic()
            self._receive(answer)
            if isinstance(answer, Stepped):
                spent += time.monotonic() - began
        self._forecast.update()

    def _receive(self, answer: Answer) -> None:
        sampling = self._state.sampling
        if isinstance(answer, Devices):
            sampling.devices = answer.facts
            sampling.note = answer.problem or sampling.note
        elif isinstance(answer, Estimate):
            sampling.warm = sampling.warm or not answer.problem
            self._forecast.take(answer)
        elif isinstance(answer, Died):
            sampling.warm, self._device_bytes = False, 0
            sampling.gave_up = self._device.startswith("cuda")
            self._end("the sampling process ended")
            notify(answer.text)
        elif self._request is None:
            return  # it belongs to a case that is no longer shown
        elif isinstance(answer, Loaded):
            self._n_steps, self._device, self._began = answer.n_steps, answer.device, time.monotonic()
            sampling.status, sampling.message, sampling.warm = SAMPLING, f"sampling on {answer.device}", True
            self._player.begin(answer, self._request.case, self._request.n, self._place)
        elif isinstance(answer, Noted):
            if not sampling.note:  # once is enough, however often the batch is halved
                advise(answer.text)
            sampling.note = answer.text
        elif isinstance(answer, Progressed):
            self._progress(answer.index)
        elif isinstance(answer, Stepped):
            self._take_step(answer, self._request.case)
        elif isinstance(answer, Paused):
            if sampling.status == PAUSED:
                self._held = time.monotonic()
                sampling.message = f"paused at step {answer.index} of {self._n_steps}"
        elif isinstance(answer, Finished):
            self._take_masks(answer, self._request)
        elif isinstance(answer, Cancelled):
            states = len(self._state.playback.times)
            self._end(f"cancelled after {states} state{'' if states == 1 else 's'}")
        elif isinstance(answer, Failed):
            sampling.gave_up = self._device.startswith("cuda")
            self._end(answer.text)
            notify(answer.text)

    def _take_masks(self, finished: Finished, request: SampleRequest) -> None:
        sampling = self._state.sampling
        self._device_bytes = finished.device_bytes
        sampling.progress = 1.0
        made = {**finished.provenance, "samples": request.n, "seed": request.seed}
        sampling.provenance = ", ".join(f"{name} {value}" for name, value in made.items())
        self._end(f"{len(finished.masks)} samples in {finished.seconds:.1f} s")
        self._forecast.learn(
            EstimateWanted(request.model, request.device, request.wish, self._field.shape, request.n), finished.seconds
        )
        if self._engine.pid is not None:
            self._engine.ask_devices()  # whose free memory is another now
        self._finish(Run.of(finished, request, self._origin, self._field, self._place, self._player.frames()))

    def _end(self, message: str) -> None:
        self._state.sampling.status, self._state.sampling.message = IDLE, message
        self._player.end()

    def _take_step(self, stepped: Stepped, case: AnnotatedSlice) -> None:
        measures = SampleMeasures.of(stepped.masks, case)
        self._player.put(stepped, measures)
        self._results.preview(measures, stepped.masks, case, self._place)
        self._progress(stepped.index)

    def _progress(self, index: int) -> None:
        sampling = self._state.sampling
        step = min(index + 1, self._n_steps)  # a state comes with the prediction made from it
        sampling.progress = step / self._n_steps
        if sampling.status == SAMPLING:
            left = (time.monotonic() - self._began) * (1 / sampling.progress - 1)
            sampling.message = f"step {step} of {self._n_steps}, about {duration(left)} left"


def _amount(n_bytes: int) -> str:
    """Bytes for a reader, such as "612 MB"."""
    return f"{n_bytes / _GB:.1f} GB" if n_bytes >= _GB else f"{n_bytes / _MB:.0f} MB"
