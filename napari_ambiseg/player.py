"""The reverse diffusion on the canvas: the frames that came so far, napari's sliders, and the text beside them."""

from __future__ import annotations

import math
import time

import numpy as np

from napari_ambiseg._compat import boxed, canvas_size, fit_slider_labels, text_overlay
from napari_ambiseg.layers.book import LayerBook
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import TRAJECTORY
from napari_ambiseg.layers.trajectory import trajectory_layer
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.messages import Loaded, Stepped
from napari_ambiseg.runs import Frames, Run
from napari_ambiseg.state import NOISY, PREDICTED, ViewerState
from napari_ambiseg.walk_text import SEPARATOR, fitting, walk_parts
from training.metrics import iou
from training.records import AnnotatedSlice, BoolArray, HalfArray

_LONGEST_HURRY_S = 1.0  # frames that were due within this time are made up for, not more
_SLIDERS = ("sample (from 0)", "step")  # napari counts from 0, as we do steps: 0 is the noise before the first
_CHARACTER_PX = 9.5  # width of one on the canvas, at most, in napari's size of text


class Player:
    """Holds the frames of one walk, two float16 arrays (N, frames, H, W) that are filled in place.

    A frame that has not come yet is NaN, which napari leaves transparent.  napari's sliders are there while there is
    something to scrub through; the layer itself stays, since napari takes a third of a second to make one.

    Parameters
    ----------
    state : its playback part is followed, and follows napari's sliders
    layers : where the frames are shown
    redraws_per_second : the trajectory is redrawn at most this often, however fast the steps come
    """

    def __init__(self, state: ViewerState, layers: LayerBook, redraws_per_second: float = 15.0) -> None:
        self._pause = 1 / redraws_per_second
        self._playback, self._reading, self._layers = state.playback, state.reading, layers
        self._frames: dict[str, HalfArray] = {}
        self._steps: tuple[int, ...] = ()
        self._n_steps = 0
        self._place = Place()
        self._masks: BoolArray | None = None  # of the newest frame
        self._stale, self._redrawn, self._played = False, 0.0, 0.0
        self._width = 0  # of the canvas, in pixels of the screen, when the text was written
        layers.viewer.dims.events.point.connect(self._on_slider)
        events = state.playback.events
        events.frame.connect(self._on_frame)
        events.sample.connect(self._show_frame)
        events.quantity.connect(self._show)
        events.playing.connect(self._start_clock)
        state.reading.events.blind.connect(self._write)
        state.browsing.events.source.connect(self._remove_sliders)

    @property
    def n_steps(self) -> int:
        """Steps of the whole walk."""
        return self._n_steps

    @property
    def steps(self) -> tuple[int, ...]:
        """Index in the walk of each frame that is there."""
        return self._steps

    def prepare(self, place: Place) -> None:
        """Make the layer of a walk that is about to begin, where it is not there yet: it takes napari its time."""
        if self._layers.find(TRAJECTORY) is None:
            nothing = np.full((1, 1, 1, 1), np.nan, np.float16)
            self._layers.show(trajectory_layer(nothing, self._playback.quantity, place))

    def begin(self, loaded: Loaded, case: AnnotatedSlice, n: int, place: Place) -> None:
        """Make room for the states of a walk of ``n`` samples that will come."""
        playback = self._playback
        playback.n_frames, playback.n_samples = len(loaded.frames), n
        if not loaded.frames:
            return
        shape = (n, len(loaded.frames), *case.image.shape)
        self._frames = {name: np.full(shape, np.nan, np.float16) for name in (NOISY, PREDICTED)}
        self._steps, self._n_steps, self._masks = (), loaded.n_steps, None
        self._place = place
        playback.following = True
        self._show()

    def put(self, stepped: Stepped, measures: SampleMeasures) -> None:
        """Take in a state of the walk, and the numbers of the masks that it would give; `update` draws it.

        How much of the masks is new is the mean over the samples of 1 - IoU with the state before that came; NaN for
        the first one.
        """
        playback, frame = self._playback, len(self._steps)
        if frame >= playback.n_frames:
            return
        self._frames[NOISY][:, frame], self._frames[PREDICTED][:, frame] = stepped.x_t, stepped.x0_hat
        change = math.nan if self._masks is None else float(1 - iou(stepped.masks, self._masks).mean())
        self._masks = stepped.masks
        self._steps += (stepped.index,)
        playback.log_snr += (stepped.log_snr,)
        playback.measures += (measures,)
        playback.changes += (change,)
        playback.times += (stepped.t,)
        self._stale = True

    def end(self) -> None:
        """No state will come any more; what came stays, and the sliders end with it."""
        self._catch_up()
        self._playback.following = False
        count = len(self._steps)
        if not count:  # there is nothing to scrub through
            self._frames = {}
            self._layers.clear(TRAJECTORY)
        elif count < self._playback.n_frames:
            self._frames = {name: frames[:, :count] for name, frames in self._frames.items()}
            self._playback.n_frames = count
            self._show()

    def forget(self, *, keep_sliders: bool = False) -> None:
        """Back to no walk at all; napari's sliders go too, but where another walk begins at once."""
        self._frames, self._steps, self._masks, self._stale = {}, (), None, False
        playback = self._playback
        playback.playing = playback.following = False
        playback.times, playback.log_snr, playback.measures, playback.changes = (), (), (), ()
        playback.n_frames, playback.n_samples = 0, 0
        playback.frame = playback.sample = 0
        if keep_sliders:
            self._layers.blank_trajectory()
        else:
            self._layers.clear(TRAJECTORY)
        self._write()

    def show(self, run: Run) -> None:
        """Show the walk of a run that was made earlier, at its end."""
        frames, playback = run.frames, self._playback
        playback.n_samples = run.n
        if frames is None:
            return
        self._frames = {NOISY: frames.x_t, PREDICTED: frames.x0_hat}
        self._steps, self._n_steps, self._place = frames.steps, frames.n_steps, run.place
        playback.n_frames = frames.x_t.shape[1]
        playback.log_snr, playback.measures, playback.changes = frames.log_snr, frames.measures, frames.changes
        playback.times = frames.times
        with self._layers.by_us():
            playback.frame = len(frames.times) - 1
        self._show()

    def redraw(self) -> None:
        """Show the frame anew, after it was hidden during a blind read."""
        self._show()
        self._write()

    def frames(self) -> Frames | None:
        """The states that came, None where there was no walk."""
        if not self._steps:
            return None
        playback, count = self._playback, len(self._steps)
        return Frames(
            steps=self._steps,
            n_steps=self._n_steps,
            times=playback.times,
            log_snr=playback.log_snr,
            measures=playback.measures,
            x_t=self._frames[NOISY][:, :count],
            x0_hat=self._frames[PREDICTED][:, :count],
            changes=playback.changes,
        )

    def step(self, by: int = 1) -> None:
        """Go ``by`` frames on, or back where negative, to the ends and no further; playing and following stop."""
        playback = self._playback
        if playback.times:
            playback.playing = playback.following = False
            playback.frame = min(max(playback.frame + by, 0), len(playback.times) - 1)

    def next_sample(self, by: int = 1) -> None:
        """Go ``by`` samples on; after the last one comes the first."""
        playback = self._playback
        if playback.times and playback.n_samples:
            playback.sample = (playback.sample + by) % playback.n_samples

    def play(self) -> None:
        """Play the frames that are there, or stop; from the last one it begins again."""
        playback = self._playback
        playback.playing = bool(playback.times) and not playback.playing
        if playback.playing:
            playback.following = False
            if playback.frame >= len(playback.times) - 1:
                playback.frame = 0

    def update(self) -> None:
        """Draw what came in, not too often; go on where it is played."""
        if self._playback.playing:
            self._play(time.monotonic())
        if canvas_size(self._layers.viewer)[1] != self._width:
            self._write()
        if self._stale and time.monotonic() - self._redrawn >= self._pause:
            self._catch_up()

    def text(self) -> str:
        """Where the shown frame stands in the walk, in one line; "" where there is none, or the reading is blind."""
        return SEPARATOR.join(self._text_parts())

    def _text_parts(self) -> tuple[str, ...]:
        playback = self._playback
        if playback.frame >= len(playback.times) or self._reading.blind:
            return ()
        step = self._steps[playback.frame]
        t, log_snr = playback.times[playback.frame], playback.log_snr[playback.frame]
        sample, predicted = (playback.sample + 1, playback.n_samples), playback.quantity == PREDICTED
        return walk_parts((step, self._n_steps), sample, t, log_snr, predicted=predicted)

    def _catch_up(self) -> None:
        """Draw what came in, and go to the newest frame where that is wished."""
        if not self._stale:
            return
        self._stale, self._redrawn = False, time.monotonic()
        self._layers.refresh_trajectory()
        if self._playback.following:
            with self._layers.by_us():
                self._playback.frame = len(self._steps) - 1
        self._write()

    def _start_clock(self) -> None:
        self._played = time.monotonic()

    def _play(self, now: float) -> None:
        """Go on by as many frames as are due; those that a slow machine has no time to show are passed over."""
        pause = 1 / self._playback.frames_per_second
        if now - self._played > _LONGEST_HURRY_S + pause:  # the window was busy for long
            self._played = now - pause
        while now - self._played >= pause and self._playback.playing:
            self._played += pause
            self._playback.advance()

    def _show(self) -> None:
        if not self._frames:
            return
        viewer, quantity = self._layers.viewer, self._playback.quantity
        with self._layers.by_us():
            self._layers.show(trajectory_layer(self._frames[quantity], quantity, self._place))
            inner = self._place.ndim
            plane = ("y", "x") if inner == 2 else viewer.dims.axis_labels[-inner:]
            labels = (*viewer.dims.axis_labels[: -inner - 2], *_SLIDERS, *plane)
            if len(labels) == viewer.dims.ndim and viewer.dims.axis_labels != labels:
                viewer.dims.axis_labels = labels
                fit_slider_labels(viewer)
        self._show_frame()

    def _on_frame(self) -> None:
        if not self._layers.ours:
            self._playback.following = False  # somebody wants to look at this frame, not at the newest one
        self._show_frame()

    def _show_frame(self) -> None:
        """Move napari's sliders to the sample and frame of the state."""
        dims, playback = self._layers.viewer.dims, self._playback
        outer = dims.ndim - self._place.ndim  # axes before those of the slice: sample and step are the last of them
        if outer >= 2 and self._frames:
            with self._layers.by_us():
                dims.set_point((outer - 2, outer - 1), (playback.sample, playback.frame))
        self._write()

    def _on_slider(self) -> None:
        """The user moved one of napari's sliders: follow it."""
        dims, playback = self._layers.viewer.dims, self._playback
        outer = dims.ndim - self._place.ndim
        if self._layers.ours or outer < 2 or not self._steps:
            return
        # A layer of the user's own may have more to scrub through than ours, or finer steps.
        sample, frame = (max(round(at), 0) for at in dims.point[outer - 2 : outer])
        playback.sample = min(sample, playback.n_samples - 1)
        playback.frame = min(frame, playback.n_frames - 1)

    def _remove_sliders(self) -> None:
        """Other data are being opened: what is shown is about to be forgotten."""
        self._layers.clear(TRAJECTORY)

    def _write(self) -> None:
        overlay = text_overlay(self._layers.viewer)
        self._width = canvas_size(self._layers.viewer)[1]
        text = boxed(fitting(self._text_parts(), int(self._width / _CHARACTER_PX)))
        if overlay.text != text or overlay.visible != bool(text):
            overlay.text, overlay.visible = text, bool(text)
