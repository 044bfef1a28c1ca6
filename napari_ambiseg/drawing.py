"""The samples of the case that is shown: asked for, watched while they come, post-processed and scored."""

from __future__ import annotations

import time

from napari_ambiseg.engine import Engine
from napari_ambiseg.layer_book import LayerBook
from napari_ambiseg.layers import scale_of
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.messages import Answer, Cancelled, Devices, Died, Failed, Finished, Loaded, SampleRequest, Stepped
from napari_ambiseg.notices import notify
from napari_ambiseg.player import Player
from napari_ambiseg.state import CANCELLING, IDLE, LOADING, SAMPLING, ViewerState
from training.postprocess import relative_area
from training.records import AnnotatedSlice, BoolArray

_MAX_FRAMES = 64
_TRAJECTORY_BYTES = 2**28  # both quantities together; beyond it, fewer of the walk's states are kept


class Drawing:
    """One drawing of samples at a time: the newest.

    Parameters
    ----------
    state : its sampling part says what to draw and how far it is; the numbers go to its disagreement part
    layers : where the samples are shown
    engine : the door to the sampling process
    player : gets the states of the walk
    """

    def __init__(self, state: ViewerState, layers: LayerBook, engine: Engine, player: Player) -> None:
        self._state, self._layers, self._engine, self._player = state, layers, engine, player
        self._case: AnnotatedSlice | None = None  # whose samples; None makes late answers go nowhere
        self._request: SampleRequest | None = None
        self._masks: BoolArray | None = None
        self._provenance: dict[str, str | int | float | None] = {}
        self._n_steps = 0
        self._started = 0.0
        self._stale = False
        state.postprocessing.events.relative_area.connect(self.redraw)

    @property
    def is_done(self) -> bool:
        """Whether there are samples to be looked at."""
        return self._masks is not None

    def start(self, case: AnnotatedSlice) -> None:
        """Draw samples for a case; a drawing under way is dropped.

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
            sampler=wish.sampler,
            steps=wish.steps,
            max_frames=max(2, min(_MAX_FRAMES, affordable)),
        )
        self._engine.start(self._request)
        self._case = case
        wish.status, wish.message = LOADING, f"loading {wish.model} ..."

    def cancel(self) -> None:
        """Stop before the next step; what came so far stays to be looked at."""
        if self._state.sampling.status in (LOADING, SAMPLING):
            self._engine.cancel()
            self._state.sampling.status, self._state.sampling.message = CANCELLING, "cancelling ..."

    def forget(self, *, keep_sliders: bool = False) -> None:
        """Back to no samples; a drawing under way is stopped.  ``keep_sliders`` where the next one begins at once."""
        self._engine.cancel()
        self._case = self._request = self._masks = None
        self._provenance, self._stale = {}, False
        with self._layers.by_us():
            self._player.forget(keep_sliders=keep_sliders)
            self._layers.clear_samples()
        sampling, disagreement = self._state.sampling, self._state.disagreement
        sampling.status, sampling.progress, sampling.message, sampling.provenance = IDLE, 0.0, "", ""
        disagreement.raw, disagreement.processed, disagreement.curve = None, None, ()

    def redraw(self) -> None:
        """Show the samples anew at the next `update`: post-processing has changed, or a layer is missing."""
        self._stale = True

    def update(self) -> None:
        """Bring in what the sampling process sent, and draw what became stale."""
        for answer in self._engine.poll():
            self._receive(answer)
        if self._stale:
            self._stale = False
            self._show()
        self._player.update()

    def _receive(self, answer: Answer) -> None:
        sampling = self._state.sampling
        if isinstance(answer, Devices):
            sampling.devices = ("auto", *answer.names)
        elif isinstance(answer, Died):
            self._end("the sampling process ended")
            notify(answer.text)
        elif self._case is None or self._request is None:
            return  # it belongs to a case that is no longer shown
        elif isinstance(answer, Loaded):
            self._n_steps, self._started = answer.n_steps, time.monotonic()
            sampling.status, sampling.message = SAMPLING, f"sampling on {answer.device}"
            self._player.begin(answer, self._case, self._request.n)
        elif isinstance(answer, Stepped):
            self._take_step(answer, self._case)
        elif isinstance(answer, Finished):
            self._masks, self._provenance = answer.masks, answer.provenance
            sampling.progress = 1.0
            sampling.provenance = ", ".join(f"{name} {value}" for name, value in answer.provenance.items())
            self._end(f"{len(answer.masks)} samples in {answer.seconds:.1f} s")
            self._stale = True
        elif isinstance(answer, Cancelled):
            self._end(f"cancelled after {len(self._state.playback.times)} states")
        elif isinstance(answer, Failed):
            self._end(answer.text)
            notify(answer.text)

    def _end(self, message: str) -> None:
        self._state.sampling.status, self._state.sampling.message = IDLE, message
        self._player.end()

    def _take_step(self, stepped: Stepped, case: AnnotatedSlice) -> None:
        sampling, disagreement = self._state.sampling, self._state.disagreement
        self._player.put(stepped)
        disagreement.raw = SampleMeasures.of(stepped.masks, case)
        disagreement.curve += ((stepped.t, disagreement.raw.ged_v),)
        step = min(stepped.index + 1, self._n_steps)  # a state comes with the network call that predicts from it
        sampling.progress = step / self._n_steps
        if sampling.status == SAMPLING:
            left = (time.monotonic() - self._started) * (1 / sampling.progress - 1)
            sampling.message = f"step {step} of {self._n_steps}, about {left:.0f} s left"

    def _show(self) -> None:
        """Show and score the samples, as drawn and after post-processing."""
        if self._case is None or self._masks is None:
            return
        r, disagreement = self._state.postprocessing.relative_area, self._state.disagreement
        kept = relative_area(self._masks, r)
        disagreement.raw = SampleMeasures.of(self._masks, self._case)
        disagreement.processed = SampleMeasures.of(kept, self._case)
        with self._layers.by_us():
            self._layers.show_samples(kept, {**self._provenance, "relative_area": r}, scale_of(self._case))
