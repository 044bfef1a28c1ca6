"""A session as a file: which data, which case, what was drawn, noted and set.  JSON that anyone may have edited.

Masks of a drawing are kept, packed, since they are small; its states are not: drawing again with the same command gives
the same ones.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticSerializationError

from napari_ambiseg.settings import OUTLINE_WIDTH, STORED
from training.atomic import write_bytes, writing
from training.errors import ConfigError, DataFormatError
from training.records import BoolArray

SUFFIX = ".ambiseg.json"

_LARGEST_FILE = 256 * 2**20
_LARGEST_MASKS = 2**31  # pixels of one drawing: 256 MiB packed
_LONGEST_PATH = 4096  # letters
_VERSION: Literal[1] = 1
UNWRITABLE = "a session cannot hold a file or folder whose name is no UTF-8; rename it, and open it anew"
_REMEDY = 'choose another file; "Save session ..." writes one'

_MaskName = Annotated[str, StringConstraints(pattern=r"\A([A-Z]{1,3}|[1-9][0-9]{0,5})\z")]


class UnreachableSessionError(DataFormatError):
    """The file of a session is not there, or cannot be read at the moment."""


class NewerSessionError(DataFormatError):
    """A session of a format that a later version of this program reads."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MasksRecord(_Strict):
    """(N, H, W) bool, packed by eights, deflated, and written in base64."""

    shape: tuple[int, int, int]
    packed: str

    @classmethod
    def of(cls, masks: BoolArray) -> MasksRecord:
        """Pack masks (N, H, W)."""
        packed = base64.b64encode(zlib.compress(np.packbits(masks).tobytes())).decode()
        n, height, width = masks.shape
        return cls(shape=(n, height, width), packed=packed)

    def masks(self) -> BoolArray:
        """The masks.

        Raises
        ------
        DataFormatError
            If they are not what the shape says.
        """
        pixels = math.prod(self.shape)
        if min(self.shape) < 1 or pixels > _LARGEST_MASKS:
            raise DataFormatError(f"a session cannot hold masks of the shape {self.shape}; draw them again")
        size = -(-pixels // 8)
        try:
            inflater = zlib.decompressobj()
            # No more than there should be: what is written in a file must not decide how much memory is taken.
            packed = inflater.decompress(base64.b64decode(self.packed, validate=True), size + 1)
        except (binascii.Error, zlib.error) as error:
            raise DataFormatError(f"the masks of a session are damaged: {error}; draw them again") from error
        if len(packed) != size:
            raise DataFormatError(f"the masks of a session are damaged: {len(packed)} bytes of {size}; draw them again")
        bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=pixels)
        return bits.astype(bool).reshape(self.shape)


class WishRecord(_Strict):
    """`training.sampling_wish.SamplingWish`."""

    sampler: str | None = None
    steps: int | None = Field(None, ge=1)
    grid: str | None = None
    eta: float | None = None
    guidance: float | None = None
    precision: str = "auto"


class CleaningRecord(_Strict):
    """`training.postprocess.Cleaning`, which checks the ranges."""

    threshold: float = 0.0
    fill_holes: bool = False
    smallest_object: int = 0
    relative_area: float = 0.0


class OriginRecord(_Strict):
    """Where a case comes from, and which one it was: a file may be exchanged for another of its name.

    ``content`` is `napari_ambiseg.entries.content_of` the case, for a drawing of the part of it that the model saw;
    "" where it is always the same.
    """

    source: str = Field(max_length=_LONGEST_PATH)
    split: str = Field(max_length=_LONGEST_PATH)
    index: int = Field(ge=0)
    key: str = Field(max_length=_LONGEST_PATH)
    patient: str = Field(default="", max_length=_LONGEST_PATH)
    content: str = Field(default="", pattern=r"\A([0-9a-f]{64})?\z")


class RunRecord(_Strict):
    """One drawing: what was asked for, and its masks; of a case there may be several.

    ``letter`` is that of the dock Compare, "" where it is neither, and ``shown`` is true of one that is shown with its
    case.
    """

    origin: OriginRecord
    field: str
    model: str
    wish: WishRecord
    n: int = Field(ge=1)
    seed: int = Field(ge=0, lt=2**63)
    device: str
    provenance: dict[str, str | int | float | None]
    seconds: float = Field(ge=0)
    masks: MasksRecord
    letter: Literal["", "A", "B"] = ""
    shown: bool = True


class SamplingRecord(_Strict):
    """What to draw next."""

    model: str
    n_samples: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0, lt=2**63)
    device: str
    wish: WishRecord


class DisplayRecord(_Strict):
    """What lies on the image."""

    map: str = "none"
    hidden_experts: tuple[int, ...] = ()
    summary: bool = False
    agreement: int = Field(0, ge=0)
    pair: tuple[_MaskName, _MaskName] | None = None
    window: str = STORED
    outline_width: float = Field(OUTLINE_WIDTH, ge=0.05, le=50)
    staple: bool = False


class PostprocessingRecord(_Strict):
    """How samples are cleaned, and whether they are shown as drawn too."""

    cleaning: CleaningRecord = CleaningRecord()
    show_before: bool = True


class PlacingRecord(_Strict):
    """Where the model looks, if the user placed it: ``field`` is what `training.data.field.Field` writes of itself."""

    field: str | None = None
    by_hand: bool = False


class ListingRecord(_Strict):
    """Which cases are listed, and in which order."""

    sort: str = "file"
    descending: bool = False
    kept: str = "all cases"
    search: str = Field(default="", max_length=1000)


class ReadingRecord(_Strict):
    """Whether cases that are not read yet begin blind; what was read is with the cases."""

    keep: bool = False


class SessionRecord(_Strict):
    """All of it."""

    format: Literal["napari-ambiseg session"] = "napari-ambiseg session"
    version: Literal[1] = _VERSION
    saved: str
    origin: OriginRecord | None
    sampling: SamplingRecord
    postprocessing: PostprocessingRecord
    display: DisplayRecord
    placing: PlacingRecord = PlacingRecord()
    listing: ListingRecord = ListingRecord()
    reading: ReadingRecord = ReadingRecord()
    cases: Any = None  # what the case book makes of itself; it checks what it is given
    runs: tuple[RunRecord, ...] = ()


class _Version(BaseModel):
    """What every version says of itself."""

    format: Literal["napari-ambiseg session"]
    version: int = Field(ge=1)


def write_session(path: Path, record: SessionRecord) -> None:
    """Write a session; the file is the old one or the new one, whole.

    Raises
    ------
    ConfigError
        If it cannot be written, or holds a name that no file of text can.
    """
    try:
        text = record.model_dump_json(indent=1)
    except PydanticSerializationError as error:  # the name of a file may hold bytes that are no letters
        raise ConfigError(UNWRITABLE) from error
    with writing(path):
        write_bytes(path, text.encode())


def read_session(path: Path) -> SessionRecord:
    """Read a session.

    Raises
    ------
    UnreachableSessionError
        If it is not there, or cannot be read at the moment.
    NewerSessionError
        If a later version wrote it.
    DataFormatError
        If it is too large, or no session, with the first thing that is wrong.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise DataFormatError(
                f"{path}: is larger than {_LARGEST_FILE // 2**20} MiB, which no session is; {_REMEDY}"
            )
        content = path.read_bytes()
        return SessionRecord.model_validate_json(content)
    except OSError as error:
        raise UnreachableSessionError(f"{path}: cannot be read: {error.strerror or error}; {_REMEDY}") from error
    except ValidationError as error:
        if (version := _version(content)) > _VERSION:
            raise NewerSessionError(
                f"{path}: is of a newer napari-ambiseg (format {version}, this one reads {_VERSION}); "
                "update it, or choose another file"
            ) from error
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DataFormatError(
            f"{path}: is no session of this version: {where}: {first['msg'].lower()}; {_REMEDY}"
        ) from error


def _version(content: bytes) -> int:
    """Which version of the format a file says to be of; 0 where it says none."""
    try:
        return _Version.model_validate_json(content).version
    except ValidationError:
        return 0
