"""What the viewer shows, as plain data that announces its changes.

Widgets bind to these fields and the controller acts on them; neither knows the other.  Setting a field to the value it
has emits nothing, which is what stops two bound sides from calling each other for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from psygnal import SignalGroupDescriptor

from napari_ambiseg.layers.maps import NO_MAP
from napari_ambiseg.likeness import Standing
from napari_ambiseg.measures import ExpertMeasures, SampleMeasures
from napari_ambiseg.settings import OUTLINE_WIDTH, STORED
from training.data.field import Field
from training.data.window import AUTO
from training.export.own_reading import Distance
from training.machine import DeviceFact
from training.postprocess import Cleaning
from training.sampling_wish import SamplingWish

FILE_ORDER, BY_CASE, BY_PATIENT, BY_SEEN, BY_DISTANCE = "file", "case", "patient", "seen", "distance"
BY_GED, BY_FLAG, BY_READ, BY_NOTE = "ged", "flag", "read", "note"
ALL, DISAGREEING, SPLIT_ON_PRESENCE = "all cases", "disagreeing", "seen by some only"
FLAGGED, NOTED, UNREAD, DRAWN = "flagged", "with a note", "not read yet", "model drawn"
FILTERS = (ALL, DISAGREEING, SPLIT_ON_PRESENCE, FLAGGED, NOTED, UNREAD, DRAWN)
IDLE, LOADING, SAMPLING, PAUSED, CANCELLING = "idle", "loading", "sampling", "paused", "cancelling"
RUNS_BESIDE, EXPERTS_BESIDE = "runs", "experts"
NOISY, PREDICTED = "x_t", "x0_hat"
SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0)  # of playing, states a second; the window is redrawn no more often
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
    wish: SamplingWish = SamplingWish()  # how to draw; what is None is the model's own choice
    n_samples: int = 16
    seed: int = 0
    device: str = "auto"
    devices: tuple[DeviceFact, ...] = ()  # the fastest first; empty until the sampling process told
    seconds: float = math.nan  # about how long it would take; NaN while that is not known
    problem: str = ""  # why it cannot be drawn so, as far as that is known before
    status: str = IDLE
    progress: float = 0.0
    message: str = ""
    note: str = ""  # what the user should know of the drawing, such as that memory ran out
    provenance: str = ""
    warm: bool = False  # whether the sampling process holds a model
    gave_up: bool = False  # a GPU did, or had too little memory: the CPU may do


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
    frames_per_second: float = 5.0  # one of `SPEEDS`
    following: bool = False  # stay at the newest frame while sampling
    log_snr: tuple[float, ...] = ()  # of each frame that is there
    measures: tuple[SampleMeasures, ...] = ()  # the numbers of the masks that each frame would give
    changes: tuple[float, ...] = ()  # how much of each frame's masks is new since the frame before
    loop: bool = True  # after the last frame the first one is played
    metric: str = "ged_v"  # which of `curves.CURVES` is drawn against the steps

    def advance(self) -> None:
        """Show the next frame that is there; after the last one the first, or where they are not looped, none."""
        if not self.times:
            return
        if self.frame + 1 < len(self.times) or self.loop:
            self.frame = (self.frame + 1) % len(self.times)
        else:
            self.playing = False


@dataclass
class Postprocessing:
    """How samples are cleaned before they are shown and scored."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    cleaning: Cleaning = Cleaning()
    show_before: bool = True  # dashed outlines of the samples as drawn


@dataclass
class Disagreement:
    """The numbers of the case that is shown."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    experts: ExpertMeasures | None = None
    raw: SampleMeasures | None = None  # the samples as drawn
    processed: SampleMeasures | None = None  # the same after post-processing
    hover: str = ""  # what the masks say of the pixel under the mouse


@dataclass
class Display:
    """Which outlines and which map lie on the image, and how the image itself is shown."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    map: str = NO_MAP  # one of `layers.maps.MAPS`
    hidden_experts: tuple[int, ...] = ()  # numbers (from 1) of the experts whose outlines are off
    summary: bool = False  # inner, median and outer outline in place of the experts' own
    agreement: int = 0  # outline of what at least so many experts marked; 0 is off
    pair: tuple[str, str] | None = None  # whose difference the map shows: "A" is an expert, "3" a sample
    bare: bool = False  # nothing but the image is shown
    window: str = STORED  # name of one of `windowing.PRESETS`: which values are black and white
    outline_width: float = OUTLINE_WIDTH  # of the experts' outlines, in pixels of the slice
    staple: bool = False  # outline of the estimate by STAPLE


@dataclass
class Placing:
    """Which part of a slice the model looks at."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    field: Field | None = None  # None while no case is open
    size: int = 128  # pixels of a side that the chosen model was made for
    choosing: bool = False  # the next click on the image places the field
    by_hand: bool = False  # the user placed it; else it is where it is by itself
    shape: tuple[int, int] = (0, 0)  # (H, W) of the slice
    window: str = ""  # of a slice from a layer: which of `windows` its intensities are by
    windows: tuple[str, ...] = ()


@dataclass
class Listing:
    """Which cases the case table lists, and in which order."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    sort: str = FILE_ORDER
    descending: bool = False
    kept: str = ALL
    search: str = ""
    shown: int = 0  # how many cases are listed
    revision: int = 0  # rises with every other order


@dataclass
class Reading:
    """What the user says of the case that is shown."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    blind: bool = False  # experts and model are hidden until `reveal`: no dock may tell anything of them
    keep: bool = False  # whether the cases that are not read yet begin blind too
    nothing: bool = False  # the user says that there is nothing to outline
    area: int = 0  # pixels of the user's own outline
    unfilled: int = 0  # pixels that it encloses and that are not part of it
    flag: str = ""
    note: str = ""
    first: bool = False  # the own outline was made before the experts' were ever shown
    distances: tuple[Distance, ...] = ()  # of the user's outline, once revealed: to each expert, to the samples
    standing: Standing | None = None  # how it would rank among the experts, once revealed

    @property
    def hides_others(self) -> bool:
        """Whether the list of cases tells nothing of experts and model: before the next blind read begins, too."""
        return self.blind or self.keep


@dataclass
class Queue:
    """Cases that are drawn one after the other, behind what is shown."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    total: int = 0  # of this round; 0 while there is none
    done: int = 0  # cases gone through, those that failed among them
    failed: int = 0
    message: str = ""


@dataclass
class Comparing:
    """Two runs of one case, or its experts, side by side."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    runs: tuple[str, ...] = ()  # the runs of the case that is shown, one line each, the oldest first
    first: int = -1  # which of them is A; -1 while none is pinned
    second: int = -1  # which of them is B; -1 while there is none but A
    shown: str = ""  # what is side by side now: `RUNS_BESIDE`, `EXPERTS_BESIDE`, or nothing
    revision: int = 0  # rises with other numbers of A or B


@dataclass
class Outputting:
    """What is being written, and what was written last."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    writing: str = ""  # what it is; "" while nothing is written
    progress: float = 0.0
    message: str = ""  # one line on what was written last, or why not
    written: str = ""  # path of what was written last
    shown_sample: bool = False  # a movie shows the sample that the trajectory shows, else all side by side
    closeup: bool = True  # a movie shows the square around what was marked, else all that the model saw


@dataclass
class Sessions:
    """Where this session is kept."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    path: str = ""  # the file that the user saved to or opened
    saved: str = ""  # when it was last written, by itself or by the user: "14:32"
    offered: str = ""  # what an earlier session holds that was not saved, in one line; "" where there is none


@dataclass
class ViewerState:
    """The parts together: the whole state of one viewer."""

    browsing: Browsing = field(default_factory=Browsing)
    converting: Converting = field(default_factory=Converting)
    sampling: Sampling = field(default_factory=Sampling)
    playback: Playback = field(default_factory=Playback)
    postprocessing: Postprocessing = field(default_factory=Postprocessing)
    disagreement: Disagreement = field(default_factory=Disagreement)
    display: Display = field(default_factory=Display)
    placing: Placing = field(default_factory=Placing)
    listing: Listing = field(default_factory=Listing)
    queue: Queue = field(default_factory=Queue)
    reading: Reading = field(default_factory=Reading)
    comparing: Comparing = field(default_factory=Comparing)
    output: Outputting = field(default_factory=Outputting)
    sessions: Sessions = field(default_factory=Sessions)
