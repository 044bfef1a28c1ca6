"""Finished drawings, and those of the session that are kept: going back to a case shows its samples at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.measures import SampleMeasures
from napari_ambiseg.messages import Finished, SampleRequest
from training.data.field import Field
from training.postprocess import Cleaning
from training.records import AnnotatedSlice, BoolArray, FloatArray, HalfArray
from training.sampling_wish import SamplingWish

_KEPT_BYTES, _WALK_BYTES = 2**28, 2**27


@dataclass(frozen=True, eq=False)
class Frames:
    """The states of a walk that were watched.

    Parameters
    ----------
    steps : index of each state in the walk, rising; the last one is ``n_steps`` if the walk was finished
    n_steps : of the whole walk
    times, log_snr : diffusion time (1 is noise, 0 is the mask) and log SNR of each state
    measures : the numbers of the masks that each state would give
    changes : how much of those masks is new since the state before, see `player.Player.put`
    x_t, x0_hat : (N, F, H, W) float16, the noisy state and the predicted clean mask
    """

    steps: tuple[int, ...]
    n_steps: int
    times: tuple[float, ...]
    log_snr: tuple[float, ...]
    measures: tuple[SampleMeasures, ...]
    x_t: HalfArray
    x0_hat: HalfArray
    changes: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Run:
    """One finished drawing: what was asked for, and what came.

    Parameters
    ----------
    case : what the model saw: the part of the slice within ``field``
    origin : where the slice comes from
    field : which part of the slice that is
    place : where that part lies in the viewer
    model, wish, n, seed, device : as asked for
    masks : (N, H, W) bool
    provenance : what made the masks
    x0_hat : (N, H, W) float32, the clean masks predicted last; None for what draws in one go
    seconds : how long it took
    frames : the walk; None where there was none, or it is no longer kept
    is_restored : whether it comes from a session, which keeps neither ``x0_hat`` nor ``frames``
    """

    case: AnnotatedSlice
    origin: Origin
    field: Field
    place: Place
    model: str
    wish: SamplingWish
    n: int
    seed: int
    device: str
    masks: BoolArray
    provenance: Mapping[str, str | int | float | None]
    x0_hat: FloatArray | None = None
    seconds: float = 0.0
    frames: Frames | None = None
    is_restored: bool = False

    @classmethod
    def of(
        cls,
        finished: Finished,
        request: SampleRequest,
        origin: Origin,
        field: Field,
        place: Place,
        frames: Frames | None = None,
    ) -> Run:
        """What came of a request for the part ``field`` of the slice at ``origin``."""
        return cls(
            case=request.case,
            origin=origin,
            field=field,
            place=place,
            model=request.model,
            wish=request.wish,
            n=request.n,
            seed=request.seed,
            device=request.device,
            masks=finished.masks,
            provenance=finished.provenance,
            x0_hat=finished.x0_hat,
            seconds=finished.seconds,
            frames=frames,
        )

    def cleaning_of(self, wish: Cleaning) -> Cleaning:
        """All that is wished but for a threshold, where the clean masks predicted last are not known."""
        return replace(wish, threshold=0.0) if self.x0_hat is None else wish

    def marked_in(self, shape: tuple[int, ...]) -> BoolArray:
        """What any sample marks, (H, W) of the whole slice."""
        marked: BoolArray = np.logical_or.reduce(self.masks, axis=0)
        return self.field.paste(marked, shape)

    def is_same(self, other: Run) -> bool:
        """Whether both are of the same masks, drawn in the same way."""
        made = [(run.origin, run.field, run.model, run.wish, run.seed, run.n) for run in (self, other)]
        return made[0] == made[1] and (self.masks is other.masks or bool(np.array_equal(self.masks, other.masks)))

    @property
    def nbytes(self) -> int:
        """Memory that it takes, its walk included."""
        return self.masks.nbytes + (0 if self.x0_hat is None else self.x0_hat.nbytes) + self.walk_bytes

    @property
    def walk_bytes(self) -> int:
        """Memory that its walk takes."""
        return 0 if self.frames is None else self.frames.x_t.nbytes + self.frames.x0_hat.nbytes

    @property
    def about(self) -> dict[str, Any]:
        """Which slice it is of and what made it, in plain values: enough to draw it again."""
        return {
            "case": self.case.key,
            "source": self.origin.source,
            "split": self.origin.split,
            "index": self.origin.index,
            "field": str(self.field),
            **self.provenance,
            "n": self.n,
            "seed": self.seed,
            "wish": " ".join(self.wish.options()),
            "device_wish": self.device,
        }


class RunCache:
    """The newest run of each case, as many as fit; what was not looked at for longest goes first.

    A walk takes ten times the memory of its masks and is soon looked at enough, so that far fewer of them are kept.

    Parameters
    ----------
    limit : bytes of all runs
    walk_limit : bytes of their walks
    """

    def __init__(self, limit: int = _KEPT_BYTES, walk_limit: int = _WALK_BYTES) -> None:
        self._limit, self._walk_limit = limit, walk_limit
        self._runs: OrderedDict[Origin, Run] = OrderedDict()

    def __len__(self) -> int:
        return len(self._runs)

    def put(self, run: Run) -> None:
        """Keep a run in place of the one that its case had; it stays, however large it is."""
        self._runs.pop(run.origin, None)
        self._runs[run.origin] = run
        older = list(self._runs)[:-1]
        for origin in older:
            if sum(kept.walk_bytes for kept in self._runs.values()) <= self._walk_limit:
                break
            self._runs[origin] = replace(self._runs[origin], frames=None)
        for origin in older:
            if sum(kept.nbytes for kept in self._runs.values()) <= self._limit:
                break
            del self._runs[origin]

    def get(self, origin: Origin) -> Run | None:
        """The run of a case, None where there is none."""
        if origin in self._runs:
            self._runs.move_to_end(origin)
        return self._runs.get(origin)

    def all(self) -> tuple[Run, ...]:
        """All that are kept, the one looked at last at the end."""
        return tuple(self._runs.values())
