"""The reverse diffusion on the canvas: the frames that came so far, napari's sliders, and the text beside them."""

from __future__ import annotations

import time

import numpy as np

from napari_ambiseg._compat import fit_slider_labels, text_overlay
from napari_ambiseg.layer_book import LayerBook
from napari_ambiseg.layers import scale_of
from napari_ambiseg.messages import Loaded, Stepped
from napari_ambiseg.state import NOISY, PREDICTED, ViewerState
from training.records import AnnotatedSlice, HalfArray

_REDRAW_S = 1 / 15  # the trajectory is redrawn at most this often, however fast the steps come


class Player:
    """Holds the frames of one walk, two float16 arrays (N, frames, H, W) that are filled in place.

    A frame that has not come yet is NaN, which napari leaves transparent.

    Parameters
    ----------
    state : its playback part is followed, and follows napari's sliders
    layers : where the frames are shown
    """

    def __init__(self, state: ViewerState, layers: LayerBook) -> None:
        self._playback, self._layers = state.playback, layers
        self._frames: dict[str, HalfArray] = {}
        self._steps: tuple[int, ...] = ()
        self._n_steps = 0
        self._scale = (1.0, 1.0)
        self._stale, self._redrawn = False, 0.0
        layers.viewer.dims.events.current_step.connect(self._on_slider)
        events = state.playback.events
        events.frame.connect(self._on_frame)
        events.sample.connect(self._show_frame)
        events.times.connect(self._write)
        events.quantity.connect(self._show)

    def begin(self, loaded: Loaded, case: AnnotatedSlice, n: int) -> None:
        """Make room for the states of a walk of ``n`` samples that will come."""
        playback = self._playback
        playback.n_frames, playback.n_samples = len(loaded.frames), n
        if not loaded.frames:
            return
        shape = (n, len(loaded.frames), *case.image.shape)
        self._frames = {name: np.full(shape, np.nan, np.float16) for name in (NOISY, PREDICTED)}
        self._steps, self._n_steps = loaded.frames, loaded.n_steps
        self._scale = scale_of(case)
        playback.following = True
        self._show()

    def put(self, stepped: Stepped) -> None:
        """Take in a state of the walk; it is drawn soon after."""
        playback, frame = self._playback, self._steps.index(stepped.index)
        self._frames[NOISY][:, frame], self._frames[PREDICTED][:, frame] = stepped.x_t, stepped.x0_hat
        self._stale = True
        playback.times += (stepped.t,)
        if playback.following:
            with self._layers.by_us():
                playback.frame = frame

    def end(self) -> None:
        """No state will come any more; what came stays."""
        self._playback.following = False
        if not self._frames:  # there was no walk to scrub through
            with self._layers.by_us():
                self._layers.clear_trajectory()

    def forget(self, *, keep_sliders: bool = False) -> None:
        """Back to no walk at all; with ``keep_sliders`` where the next one begins at once."""
        self._frames, self._steps, self._stale = {}, (), False
        playback = self._playback
        playback.playing = playback.following = False
        playback.times, playback.n_frames, playback.n_samples = (), 0, 0
        playback.frame = playback.sample = 0
        self._layers.clear_trajectory(keep_sliders=keep_sliders)

    def update(self) -> None:
        """Draw what came in, not too often."""
        if self._stale and time.monotonic() - self._redrawn > _REDRAW_S:
            self._layers.refresh_trajectory()
            self._stale, self._redrawn = False, time.monotonic()

    def text(self) -> str:
        """Where the shown frame stands in the walk; "" where there is no frame."""
        playback = self._playback
        if playback.frame >= len(playback.times):
            return ""
        return (
            f"step {self._steps[playback.frame]} of {self._n_steps}   t = {playback.times[playback.frame]:.2f}   "
            f"sample {playback.sample + 1} of {playback.n_samples}"
        )

    def _show(self) -> None:
        if not self._frames:
            return
        dims, quantity = self._layers.viewer.dims, self._playback.quantity
        with self._layers.by_us():
            self._layers.show_trajectory(self._frames[quantity], quantity, self._scale)
            dims.axis_labels = (*dims.axis_labels[:-4], "sample", "step", "y", "x")
            fit_slider_labels(self._layers.viewer)
        self._show_frame()

    def _on_frame(self) -> None:
        if not self._layers.ours:
            self._playback.following = False  # somebody wants to look at this frame, not at the newest one
        self._show_frame()

    def _show_frame(self) -> None:
        """Move napari's sliders to the sample and frame of the state."""
        dims, playback = self._layers.viewer.dims, self._playback
        if dims.ndim >= 4 and self._frames:
            with self._layers.by_us():
                dims.set_current_step((dims.ndim - 4, dims.ndim - 3), (playback.sample, playback.frame))
        self._write()

    def _on_slider(self) -> None:
        """The user moved one of napari's sliders: follow it."""
        dims, playback = self._layers.viewer.dims, self._playback
        if self._layers.ours or dims.ndim < 4 or not self._frames:
            return
        sample, frame = (int(step) for step in dims.current_step[-4:-2])
        # A layer of the user's own may have more to scrub through than ours.
        playback.sample = min(sample, playback.n_samples - 1)
        playback.frame = min(frame, playback.n_frames - 1)

    def _write(self) -> None:
        overlay = text_overlay(self._layers.viewer)
        overlay.text = self.text()
        overlay.visible = bool(overlay.text)
