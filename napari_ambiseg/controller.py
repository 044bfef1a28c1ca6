"""Connects state, layers and sampling process; knows no Qt.

The docks change the state or call one of the verbs here (`open_file`, `generate`, ...); `tick`, called some twenty
times a second by a timer, brings in what the sampling process sent and does the work that must not be done at every
single event.  An `AmbisegError` becomes one notification here, wherever it came from.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

import training
from napari_ambiseg._compat import text_overlay, unwrapped
from napari_ambiseg.engine import Engine
from napari_ambiseg.layers import IMAGE, KEY, VARIANCE, VOTES, LayerBook, Origin
from napari_ambiseg.measures import ExpertMeasures, SampleMeasures
from napari_ambiseg.messages import Answer, Cancelled, Devices, Died, Failed, Finished, Loaded, SampleRequest, Stepped
from napari_ambiseg.sample_data import DEMO, DemoSet
from napari_ambiseg.state import CANCELLING, IDLE, LOADING, PREDICTED, SAMPLING, ViewerState
from napari_ambiseg.survey import CaseSet, Survey
from training.errors import AmbisegError
from training.postprocess import relative_area
from training.records import AnnotatedSlice, BoolArray, HalfArray

if TYPE_CHECKING:
    from napari.components import ViewerModel

_MAX_FRAMES = 64
_TRAJECTORY_BYTES = 2**28  # both quantities together; beyond it, fewer of the walk's states are kept
_REDRAW_S = 1 / 15  # the trajectory is redrawn at most this often, however fast the steps come
_SURVEY_S = 0.008  # of each tick, for the case table


class Controller:
    """What happens in one viewer.  `controller_of` gives the one controller that all docks share.

    Parameters
    ----------
    viewer : napari viewer or viewer model
    engine : the door to the sampling process
    """

    def __init__(self, viewer: ViewerModel, engine: Engine | None = None) -> None:
        self.viewer = unwrapped(viewer)
        self.engine = engine or Engine()
        self.state = ViewerState()
        self.layers = LayerBook(self.viewer)
        self.survey: Survey | None = None
        self.case: AnnotatedSlice | None = None
        self._cases: CaseSet | None = None
        self._adopting: dict[str, Any] | None = None
        self._framed = False
        self._ours = False  # our own change of layers or sliders is under way: not the user's
        self._forget_samples()
        self._connect()
        for layer in self.viewer.layers:
            self._notice(layer)

    # -- cases ------------------------------------------------------------------------------------------------

    def open_file(self, path: str | Path) -> None:
        """Open a file of annotated slices and show its first case."""
        with self._notifying():
            self._open(training.open_dataset(path), str(path))

    def open_demo(self) -> None:
        """Open the synthetic demo cases and show the first one."""
        with self._notifying():
            self._open(DemoSet(), DEMO)

    def open_split(self, split: str) -> None:
        """Go to another split of the open file."""
        with self._notifying():
            self._enter(split)

    def open_case(self, index: int) -> None:
        """Show a case of the split; an index outside it is brought back to its nearest end."""
        if self._cases is None:
            return
        browsing = self.state.browsing
        cases = self._cases.splits[browsing.split]
        index = min(max(index, 0), len(cases) - 1)
        with self._notifying():
            case = cases[index]
            self._forget_samples()
            self.case = case
            with self._by_us():
                self.layers.clear_samples()
                self.layers.show_case(case, Origin(browsing.source, browsing.split, index))
                if not self._framed:
                    self.viewer.reset_view()
                    self._framed = True
            self.state.disagreement.experts = ExpertMeasures.of(case)
            browsing.index, browsing.key = index, cases.keys[index]

    def next_case(self, by: int = 1) -> None:
        """Go ``by`` cases forward, or back where negative."""
        self.open_case(self.state.browsing.index + by)

    def _open(self, cases: CaseSet, source: str, split: str | None = None, index: int = 0) -> None:
        if self._cases is not None:
            self._cases.close()
        self._cases = cases
        browsing = self.state.browsing
        browsing.source, browsing.splits = source, tuple(cases.splits)
        with self._by_us():
            self.layers.drop_strangers(source)
        self._enter(split or browsing.splits[0], index)

    def _enter(self, split: str, index: int = 0) -> None:
        if self._cases is None or split not in self._cases.splits:
            return
        browsing = self.state.browsing
        self.survey = Survey(self._cases.splits[split])
        browsing.split, browsing.surveyed, browsing.index = split, 0, -1
        self.open_case(index)

    def _notice(self, layer: Any) -> None:
        """Remember an image layer that napari's own menu opened with our reader; `tick` takes its file over.

        Not at once: napari is still adding the other layers of the file.
        """
        ours = layer.metadata.get(KEY)
        if not self._ours and isinstance(ours, dict) and ours.get("role") == IMAGE:
            self._adopting = ours

    def _adopt(self, origin: dict[str, Any]) -> None:
        with self._notifying():
            source = origin["source"]
            cases = DemoSet() if source == DEMO else training.open_dataset(source)
            self._open(cases, source, origin["split"], origin["index"])

    # -- sampling ---------------------------------------------------------------------------------------------

    def generate(self) -> None:
        """Draw samples for the case that is shown; a drawing under way is dropped."""
        if self.case is None:
            _notify("open a case first: the demo cases, or a file of annotated slices", "warning")
            return
        wish = self.state.sampling
        self._forget_samples()
        with self._by_us():
            self.layers.clear_samples()
        n, (height, width) = wish.n_samples, self.case.image.shape
        affordable = _TRAJECTORY_BYTES // (4 * n * height * width)
        self._sampled_case = self.case
        wish.status, wish.message = LOADING, f"loading {wish.model} ..."
        self.engine.start(
            SampleRequest(
                0, wish.model, np.ascontiguousarray(self.case.image), n, wish.seed,
                wish.device, wish.sampler, wish.steps, max(2, min(_MAX_FRAMES, affordable)),
            )
        )  # fmt: skip

    def cancel(self) -> None:
        """Stop the drawing under way before its next step; what came so far stays to be looked at."""
        if self.state.sampling.status in (LOADING, SAMPLING):
            self.engine.cancel()
            self.state.sampling.status = CANCELLING
            self.state.sampling.message = "cancelling ..."

    def ask_devices(self) -> None:
        """Learn which devices there are; the answer arrives in the state."""
        self.engine.ask_devices()

    def tick(self) -> None:
        """Bring everything up to date; called by a timer, returns within some milliseconds."""
        if self._adopting is not None:
            origin, self._adopting = self._adopting, None
            self._adopt(origin)
        for answer in self.engine.poll():
            self._receive(answer)
        if self._post_wanted and self._masks is not None:
            self._show_masks()
        if self._redraw_wanted and time.monotonic() - self._redrawn > _REDRAW_S:
            self.layers.refresh_trajectory()
            self._redraw_wanted, self._redrawn = False, time.monotonic()
        if self.survey is not None and not self.survey.done:
            self.state.browsing.surveyed = self.survey.advance(_SURVEY_S)
        # A layer's own eye and our switch are two handles of one thing.
        self.state.disagreement.show_variance = self.layers.is_visible(VARIANCE)
        self.state.disagreement.show_votes = self.layers.is_visible(VOTES)

    def close(self) -> None:
        """End the sampling process and let go of viewer and file."""
        self.engine.stop()
        if self._cases is not None:
            self._cases.close()
            self._cases = None
        self.viewer.layers.events.inserted.disconnect(self._on_inserted)
        self.viewer.dims.events.current_step.disconnect(self._on_slider)
        _CONTROLLERS.pop(self.viewer, None)

    def _receive(self, answer: Answer) -> None:
        sampling = self.state.sampling
        if isinstance(answer, Devices):
            sampling.devices = ("auto", *answer.names)
        elif isinstance(answer, Died):
            sampling.status, sampling.message = IDLE, "the sampling process ended"
            _notify(answer.text, "error")
        elif self._sampled_case is None:
            return  # it belongs to a case that is no longer shown
        elif isinstance(answer, Failed):
            sampling.status, sampling.message = IDLE, answer.text
            _notify(answer.text, "error")
        elif isinstance(answer, Cancelled):
            sampling.status, sampling.message = IDLE, f"cancelled after {len(self.state.playback.times)} states"
            self.state.playback.following = False
        elif isinstance(answer, Loaded):
            self._begin_trajectory(answer, self._sampled_case)
        elif isinstance(answer, Stepped):
            self._take_step(answer, self._sampled_case)
        elif isinstance(answer, Finished):
            self._finish(answer)

    def _begin_trajectory(self, loaded: Loaded, case: AnnotatedSlice) -> None:
        sampling, playback = self.state.sampling, self.state.playback
        shape = (sampling.n_samples, len(loaded.frames), *case.image.shape)
        # Frames that have not come yet show nothing: no noise, no mask.
        self._frames = {"x_t": np.zeros(shape, np.float16), PREDICTED: np.full(shape, -1, np.float16)}
        self._frame_steps, self._n_steps, self._started = loaded.frames, loaded.n_steps, time.monotonic()
        playback.n_frames, playback.frame, playback.sample = len(loaded.frames), 0, 0
        playback.following = True
        sampling.status, sampling.message = SAMPLING, f"step 0 of {loaded.n_steps} on {loaded.device}"
        self._show_trajectory()

    def _take_step(self, stepped: Stepped, case: AnnotatedSlice) -> None:
        if not self._frames:
            return
        playback, sampling = self.state.playback, self.state.sampling
        frame = self._frame_steps.index(stepped.index)
        self._frames["x_t"][:, frame], self._frames[PREDICTED][:, frame] = stepped.x_t, stepped.x0_hat
        self._redraw_wanted = True
        measures = SampleMeasures.of(stepped.masks, case, self._pixel_area)
        self.state.disagreement.raw = measures
        self.state.disagreement.curve += ((stepped.t, measures.ged_v),)
        playback.times += (stepped.t,)
        if playback.following:
            playback.frame = frame
        sampling.progress = min(1.0, (stepped.index + 1) / self._n_steps)
        if sampling.status == SAMPLING:
            left = (time.monotonic() - self._started) * (1 / sampling.progress - 1)
            step = min(stepped.index + 1, self._n_steps)
            sampling.message = f"step {step} of {self._n_steps}, about {left:.0f} s left"

    def _finish(self, finished: Finished) -> None:
        sampling = self.state.sampling
        self._masks, self._provenance = finished.masks, finished.provenance
        sampling.status, sampling.progress = IDLE, 1.0
        sampling.message = f"{len(finished.masks)} samples in {finished.seconds:.1f} s"
        sampling.provenance = ", ".join(f"{name} {value}" for name, value in finished.provenance.items())
        self.state.playback.following = False
        self._show_masks()

    def _show_masks(self) -> None:
        """Show and score the samples, as drawn and after post-processing."""
        case, masks = self._sampled_case, self._masks
        self._post_wanted = False
        if case is None or masks is None:
            return
        with self._notifying():
            r = self.state.postprocessing.relative_area
            kept = relative_area(masks, r)
            disagreement = self.state.disagreement
            disagreement.raw = SampleMeasures.of(masks, case, self._pixel_area)
            disagreement.processed = SampleMeasures.of(kept, case, self._pixel_area)
            with self._by_us():
                self.layers.show_samples(kept, {**self._provenance, "relative_area": r}, self._scale)

    def _forget_samples(self) -> None:
        """Back to a case without samples; a drawing under way is stopped."""
        self.engine.cancel()
        self._sampled_case: AnnotatedSlice | None = None
        self._masks: BoolArray | None = None
        self._provenance: dict[str, str | int | float | None] = {}
        self._frames: dict[str, HalfArray] = {}
        self._frame_steps: tuple[int, ...] = ()
        self._n_steps = 0
        self._started = self._redrawn = 0.0
        self._redraw_wanted = self._post_wanted = False
        state = self.state
        state.sampling.status, state.sampling.progress = IDLE, 0.0
        state.sampling.message = state.sampling.provenance = ""
        state.playback.playing = state.playback.following = False
        state.playback.times, state.playback.n_frames = (), 0
        state.playback.frame = state.playback.sample = 0
        state.disagreement.raw = state.disagreement.processed = None
        state.disagreement.curve = ()
        text_overlay(self.viewer).visible = False

    # -- what the state and the sliders say to each other -------------------------------------------------------

    def _connect(self) -> None:
        state = self.state
        self.viewer.layers.events.inserted.connect(self._on_inserted)
        self.viewer.dims.events.current_step.connect(self._on_slider)
        state.playback.events.frame.connect(self._show_frame)
        state.playback.events.sample.connect(self._show_frame)
        state.playback.events.times.connect(self._write_on_canvas)
        state.playback.events.quantity.connect(self._show_trajectory)
        state.postprocessing.events.relative_area.connect(self._want_postprocessing)
        state.disagreement.events.show_variance.connect(self._show_variance)
        state.disagreement.events.show_votes.connect(self._show_votes)

    def _on_inserted(self, event: Any) -> None:
        self._notice(event.value)

    def _on_slider(self) -> None:
        """The user moved one of napari's sliders: follow, and stop running after the newest step."""
        dims, playback = self.viewer.dims, self.state.playback
        if self._ours or dims.ndim < 4 or not self._frames:
            return
        sample, frame = (int(step) for step in dims.current_step[-4:-2])
        if (sample, frame) == (playback.sample, playback.frame):
            return
        playback.following = False
        playback.sample, playback.frame = sample, frame

    def _show_frame(self) -> None:
        """Move napari's sliders to the sample and frame of the state."""
        dims, playback = self.viewer.dims, self.state.playback
        if dims.ndim >= 4 and self._frames:
            with self._by_us():
                dims.set_current_step((dims.ndim - 4, dims.ndim - 3), (playback.sample, playback.frame))
        self._write_on_canvas()

    def _show_trajectory(self) -> None:
        if not self._frames:
            return
        dims = self.viewer.dims
        with self._by_us():
            self.layers.show_trajectory(self._frames[self.state.playback.quantity], self.state.playback.quantity, self._scale)
            dims.axis_labels = (*dims.axis_labels[:-4], "sample", "step", "y", "x")
        self._show_frame()

    def _write_on_canvas(self) -> None:
        playback, overlay = self.state.playback, text_overlay(self.viewer)
        if playback.frame < len(playback.times):
            overlay.text = self.frame_text()
            overlay.visible = True

    def frame_text(self) -> str:
        """Where the shown frame stands in the walk, as it is written on the canvas and in the player."""
        playback = self.state.playback
        if playback.frame >= len(playback.times):
            return ""
        return (
            f"step {self._frame_steps[playback.frame]} of {self._n_steps}   t = {playback.times[playback.frame]:.2f}   "
            f"sample {playback.sample + 1} of {self.state.sampling.n_samples}"
        )

    def _want_postprocessing(self) -> None:
        self._post_wanted = True

    def _show_variance(self, on: bool) -> None:
        self.layers.set_visible(VARIANCE, on)

    def _show_votes(self, on: bool) -> None:
        self.layers.set_visible(VOTES, on)

    # -- small things -------------------------------------------------------------------------------------------

    @property
    def _scale(self) -> tuple[float, float]:
        return (self.case.spacing_mm if self.case is not None else None) or (1.0, 1.0)

    @property
    def _pixel_area(self) -> float:
        experts = self.state.disagreement.experts
        return 1.0 if experts is None else experts.pixel_area

    @contextmanager
    def _by_us(self) -> Iterator[None]:
        """What happens in here to layers and sliders was not done by the user."""
        before, self._ours = self._ours, True
        try:
            yield
        finally:
            self._ours = before

    @contextmanager
    def _notifying(self) -> Iterator[None]:
        try:
            yield
        except AmbisegError as error:
            _notify(str(error), "error")


def _notify(text: str, severity: str) -> None:
    """One notification, one line."""
    from napari.utils.notifications import show_error, show_warning

    (show_error if severity == "error" else show_warning)(text)


_CONTROLLERS: WeakKeyDictionary[Any, Controller] = WeakKeyDictionary()


def controller_of(viewer: ViewerModel) -> Controller:
    """The controller of a viewer, made on first need and shared by all its docks until it is closed."""
    viewer = unwrapped(viewer)
    if viewer not in _CONTROLLERS:
        _CONTROLLERS[viewer] = Controller(viewer)
    return _CONTROLLERS[viewer]
