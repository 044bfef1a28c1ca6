"""What the viewer shows, as plain data that announces its changes.

Widgets bind to these fields and the controller acts on them; neither knows the other.  Setting a field to the value it
has emits nothing, which is what stops two bound sides from calling each other for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from psygnal import SignalGroupDescriptor

from napari_ambiseg.measures import ExpertMeasures, SampleMeasures
from training.data.window import AUTO

IDLE, LOADING, SAMPLING, CANCELLING = "idle", "loading", "sampling", "cancelling"
NOISY, PREDICTED = "x_t", "x0_hat"
NOTHING, COUNTING, OFFERED, CONVERTING, CONVERTED = "", "counting", "offered", "converting", "converted"


@dataclass
class Browsing:
    """Which case of which data is open."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    source: str = ""  # the file's path, or the name of the demo set; "" while nothing is open
    splits: tuple[str, ...] = ()
    split: str = ""
    index: int = -1  # -1 while no case is open
    key: str = ""
    surveyed: int = 0  # how many rows of the case table have their numbers


@dataclass
class Converting:
    """Slices in a form that has to be made into HDF5 before they can be browsed, and how far that is."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    status: str = NOTHING
    source: str = ""  # path of what was opened
    layout: str = ""  # name of its form
    summary: str = ""  # what that form is, in one line
    slices: int = 0  # about how many it holds; 0 until they are counted
    patients: int = 0
    takes_window: bool = False  # whether a window may be chosen for its form
    window: str = AUTO  # which stored values become black and white, as `training.data.window` reads it
    size: int = 0  # pixels of a side that slices are cut to; 0 leaves them as they are
    problem: str = ""  # why it cannot be converted as asked so far
    target: str = ""  # path of the file to make
    target_exists: bool = False
    done: int = 0
    total: int = 0  # 0 until the first slice is read
    seconds_left: float | None = None
    result: str = ""  # one line on what was made
    details: str = ""  # what was left out or changed, and why, one line each
    unopened: bool = False  # the new file waits to be opened, since samples were being drawn when it was made


@dataclass
class Sampling:
    """What to draw, and how far the drawing is."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    model: str = "demo"
    sampler: str = "ddim"
    steps: int = 10
    n_samples: int = 16
    seed: int = 0
    device: str = "auto"
    devices: tuple[str, ...] = ("auto",)
    status: str = IDLE
    progress: float = 0.0
    message: str = ""
    provenance: str = ""


@dataclass
class Playback:
    """Which sample and which state of the reverse diffusion the trajectory layer shows."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    times: tuple[float, ...] = ()  # diffusion time of each frame that is there, falling from 1 to 0
    n_frames: int = 0  # frames that there will be
    n_samples: int = 0  # samples that are being drawn or were, whatever is asked for next
    frame: int = 0
    sample: int = 0
    quantity: str = PREDICTED
    playing: bool = False
    frames_per_second: float = 5.0
    following: bool = False  # stay at the newest frame while sampling

    def advance(self) -> None:
        """Show the next frame that is there; after the last one, the first."""
        if self.times:
            self.frame = (self.frame + 1) % len(self.times)


@dataclass
class Postprocessing:
    """How samples are cleaned before they are shown and scored."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    relative_area: float = 0.0  # r of Eq. 10; 0 changes nothing


@dataclass
class Disagreement:
    """The numbers, and which maps are on."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    experts: ExpertMeasures | None = None
    raw: SampleMeasures | None = None  # the samples as drawn
    processed: SampleMeasures | None = None  # the same after post-processing
    curve: tuple[tuple[float, float], ...] = ()  # (t, GED V) of each frame so far
    show_variance: bool = False
    show_votes: bool = False


@dataclass
class ViewerState:
    """The six parts together: the whole state of one viewer."""

    browsing: Browsing = field(default_factory=Browsing)
    converting: Converting = field(default_factory=Converting)
    sampling: Sampling = field(default_factory=Sampling)
    playback: Playback = field(default_factory=Playback)
    postprocessing: Postprocessing = field(default_factory=Postprocessing)
    disagreement: Disagreement = field(default_factory=Disagreement)
