"""What the viewer and its sampling process say to each other.

Plain frozen records of numbers, text and NumPy arrays; neither Qt nor napari nor torch.  ``generation`` numbers
the viewer's requests: an answer to any but the newest one is stale and is dropped by the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from training.machine import DeviceFact
from training.records import AnnotatedSlice, BoolArray, FloatArray, HalfArray
from training.sampling_wish import SamplingWish


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
    wish : how to draw
    max_frames : at most this many states of the walk are sent back (the last one always)
    watched : whether somebody looks at the states while they come, see `Watch`
    """

    generation: int
    model: str
    case: AnnotatedSlice
    n: int
    seed: int
    device: str = "auto"
    wish: SamplingWish = SamplingWish()
    max_frames: int = 64
    watched: bool = True


@dataclass(frozen=True)
class Cancel:
    """Stop the request of this generation before its next step is computed."""

    generation: int


@dataclass(frozen=True)
class Pause:
    """Hold the walk of this generation at its next state, until `Resume`, `StepOnce` or `Cancel`."""

    generation: int


@dataclass(frozen=True)
class Resume:
    """Go on with the walk of this generation."""

    generation: int


@dataclass(frozen=True)
class StepOnce:
    """Go on with the walk of this generation, and hold it again at the next state that is sent."""

    generation: int


@dataclass(frozen=True)
class Watch:
    """Whether somebody looks at the states of this generation.

    While nobody does they are not sent one by one: the process keeps them, and sends them at the end, or as soon as
    somebody looks again.
    """

    generation: int
    watched: bool


@dataclass(frozen=True)
class DevicesWanted:
    """Which devices are there?  Answered by `Devices`."""


@dataclass(frozen=True)
class EstimateWanted:
    """How long will ``n`` masks of an image of ``shape`` (H, W) take?  Answered by `Estimate` when nothing is drawn.

    ``model``, ``device`` and ``wish`` as in `SampleRequest`; the model is loaded, and stays so.
    """

    model: str
    device: str
    wish: SamplingWish
    shape: tuple[int, int]
    n: int


@dataclass(frozen=True)
class Devices:
    """The devices that the sampling process can use, the fastest first, with their memory as it is now.

    ``problem`` is one line on why they could not be found out; "" where they could.
    """

    facts: tuple[DeviceFact, ...]
    problem: str = ""


@dataclass(frozen=True)
class Estimate:
    """About how long it will take.

    Parameters
    ----------
    wanted : what was asked
    seconds : NaN for what draws in one go, and where it could not be found out
    batch : samples that go through the network together
    device : where it would run
    problem : one line on why it could not be found out; "" where it could
    """

    wanted: EstimateWanted
    seconds: float
    batch: int = 1
    device: str = ""
    problem: str = ""


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


@dataclass(frozen=True)
class Noted:
    """Something that the user should know of a drawing that goes on, such as that memory ran out; one line."""

    generation: int
    text: str


@dataclass(frozen=True)
class Progressed:
    """The walk came to the state of this index, which is not sent now."""

    generation: int
    index: int


@dataclass(frozen=True, eq=False)
class Stepped:
    """One state of the walk, for all N samples.

    ``x_t`` and ``x0_hat`` are (N, H, W) in half precision, for looking at; ``masks`` (N, H, W) bool are the exact
    masks if the walk ended here, for numbers.
    """

    generation: int
    index: int
    t: float
    log_snr: float
    x_t: HalfArray
    x0_hat: HalfArray
    masks: BoolArray


@dataclass(frozen=True)
class Paused:
    """The walk is held at the state of this index."""

    generation: int
    index: int


@dataclass(frozen=True, eq=False)
class Finished:
    """All samples are drawn: (N, H, W) bool, and what made them.

    ``x0_hat`` (N, H, W) float32 are the clean masks that the last step predicted; None for what draws in one go.
    ``seconds`` leaves out the time that the walk was held.  ``device_bytes`` is the GPU memory that the process keeps.
    """

    generation: int
    masks: BoolArray
    seconds: float
    provenance: dict[str, str | int | float | None] = field(default_factory=dict)
    x0_hat: FloatArray | None = None
    device_bytes: int = 0


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


Command = SampleRequest | Cancel | Pause | Resume | StepOnce | Watch | DevicesWanted | EstimateWanted
Answer = Devices | Estimate | Loaded | Noted | Progressed | Stepped | Paused | Finished | Cancelled | Failed | Died
