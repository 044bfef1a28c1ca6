"""How long the next drawing will take, asked of the sampling process while nothing is drawn."""

from __future__ import annotations

import math
import time

from napari_ambiseg.engine import Engine
from napari_ambiseg.messages import Estimate, EstimateWanted
from napari_ambiseg.state import IDLE, ViewerState

_REST_S = 0.4  # the wishes have to stay as they are for so long before the process is asked


class Forecast:
    """Keeps the estimate of the state up to the wishes of the state.

    Parameters
    ----------
    state : its sampling part gets the estimate; NaN while none is known
    engine : the door to the sampling process
    """

    def __init__(self, state: ViewerState, engine: Engine) -> None:
        self._state, self._engine = state, engine
        self._wanted: EstimateWanted | None = None
        self._since = 0.0
        self._asked = False

    def update(self) -> None:
        """Ask anew, some time after the wishes changed."""
        sampling, field = self._state.sampling, self._state.placing.field
        if field is None:
            return
        wanted = EstimateWanted(sampling.model, sampling.device, sampling.wish, field.shape, sampling.n_samples)
        if wanted != self._wanted:
            self._wanted, self._since, self._asked = wanted, time.monotonic(), False
            sampling.seconds, sampling.problem = math.nan, ""
        elif not self._asked and sampling.status == IDLE and time.monotonic() - self._since > _REST_S:
            self._asked = True
            self._engine.ask_estimate(wanted)

    def take(self, answer: Estimate) -> None:
        """Take in what the process found out, if it is still of interest."""
        if answer.wanted == self._wanted:
            self._state.sampling.seconds, self._state.sampling.problem = answer.seconds, answer.problem

    def learn(self, wanted: EstimateWanted, seconds: float) -> None:
        """A drawing took so long: better than any estimate."""
        if wanted == self._wanted:
            self._asked = True
            self._state.sampling.seconds, self._state.sampling.problem = seconds, ""
