"""What the viewer and its sampling process say to each other.

Plain frozen records of numbers, text and NumPy arrays; neither Qt nor napari nor torch.  ``generation`` numbers
the viewer's requests: an answer to any but the newest one is stale and is dropped by the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from training.records import AnnotatedSlice, BoolArray, HalfArray


@dataclass(frozen=True, eq=False)
class SampleRequest:
    """Draw ``n`` masks for one case, step by step.

    Parameters
    ----------
    generation : number of this request
    model : shipped name, checkpoint path or reference
    case : models look at its image alone; the reference "experts" draws from its annotations
    n, seed : how many samples, and the seed that with a sample's index names its noise
    device : "auto", "cpu", "cuda:0", ...
    sampler, steps : None keeps what the model's card says
    max_frames : at most this many states of the walk are sent back (the last one always)
    """

    generation: int
    model: str
    case: AnnotatedSlice
    n: int
    seed: int
    device: str = "auto"
    sampler: str | None = None
    steps: int | None = None
    max_frames: int = 64


@dataclass(frozen=True)
class Cancel:
    """Stop the request of this generation before its next step."""

    generation: int


@dataclass(frozen=True)
class DevicesWanted:
    """Which devices are there?  Answered by `Devices`."""


@dataclass(frozen=True)
class Devices:
    """Names of the devices that the sampling process can use."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """The model is in memory; sampling begins.

    ``frames`` are the indices of the states that will follow, rising, the last one ``n_steps``; none for a model
    that draws in one go, which has no steps to watch.
    """

    generation: int
    model: str
    device: str
    n_steps: int
    frames: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Stepped:
    """One state of the walk, for all N samples.

    ``x_t`` and ``x0_hat`` are (N, H, W) in half precision, for looking at; ``masks`` (N, H, W) bool are the exact
    masks if the walk ended here, for numbers.
    """

    generation: int
    index: int
    t: float
    x_t: HalfArray
    x0_hat: HalfArray
    masks: BoolArray


@dataclass(frozen=True, eq=False)
class Finished:
    """All samples are drawn: (N, H, W) bool, and what made them."""

    generation: int
    masks: BoolArray
    seconds: float
    provenance: dict[str, str | int | float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Cancelled:
    """The request of this generation was stopped."""

    generation: int


@dataclass(frozen=True)
class Failed:
    """The request could not be done; ``text`` is one line for the user."""

    generation: int
    text: str


@dataclass(frozen=True)
class Died:
    """The sampling process ended on its own, or says itself that it is about to; the next request starts a new one."""

    text: str


Command = SampleRequest | Cancel | DevicesWanted
Answer = Devices | Loaded | Stepped | Finished | Cancelled | Failed | Died
