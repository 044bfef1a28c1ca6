"""What is said of samples that come from a session, which keeps their masks only.  No Qt."""

from __future__ import annotations

from psygnal import SignalInstance

from napari_ambiseg.runs import Run
from napari_ambiseg.state import ViewerState
from training.segmenters.experts import REFERENCES


def restored_note(run: Run, state: ViewerState) -> str:
    """How to get back what a session does not keep of these samples, without a full stop; "" where nothing is missing.

    The same masks come where the Sampler is set as it was for them.
    """
    if not run.is_restored or run.model in REFERENCES:
        return ""
    wish = state.sampling
    as_then = (run.model, run.wish, run.n, run.seed, run.field)
    same = (wish.model, wish.wish, wish.n_samples, wish.seed, state.placing.field) == as_then
    masks = "the same masks" if same else "other masks: the Sampler is not set as it was for these"
    return f"opened from a session: Generate gives the steps and the threshold back ({masks})"


def wishes_of(state: ViewerState) -> tuple[SignalInstance, ...]:
    """What tells that `restored_note` may have changed."""
    sampling = state.sampling.events
    return (sampling.model, sampling.wish, sampling.n_samples, sampling.seed, state.placing.events.field)
