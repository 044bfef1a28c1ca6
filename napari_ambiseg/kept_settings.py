"""What a session keeps of how a window is set, and back.  No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from psygnal import SignalInstance
from pydantic import BaseModel

from napari_ambiseg.layers.maps import DIFFERENCE, MAPS, NO_MAP
from napari_ambiseg.session_file import (
    DisplayRecord,
    ListingRecord,
    PlacingRecord,
    PostprocessingRecord,
    ReadingRecord,
    SamplingRecord,
    SessionRecord,
)
from napari_ambiseg.state import (
    BY_CASE,
    BY_DISTANCE,
    BY_FLAG,
    BY_GED,
    BY_NOTE,
    BY_PATIENT,
    BY_READ,
    BY_SEEN,
    FILE_ORDER,
    FILTERS,
    ViewerState,
)
from napari_ambiseg.windowing import PRESETS
from napari_ambiseg.wish_check import possible_device, possible_wish
from training.data.field import Field
from training.errors import DataFormatError
from training.postprocess import Cleaning
from training.sampling_wish import SamplingWish

#: The parts of the state that are kept, with the record whose fields are those that are kept of each.
PARTS: dict[str, type[BaseModel]] = {
    "sampling": SamplingRecord,
    "postprocessing": PostprocessingRecord,
    "display": DisplayRecord,
    "placing": PlacingRecord,
    "listing": ListingRecord,
    "reading": ReadingRecord,
}
_SORTS = (FILE_ORDER, BY_CASE, BY_PATIENT, BY_SEEN, BY_DISTANCE, BY_GED, BY_FLAG, BY_READ, BY_NOTE)


def signals_of(state: ViewerState) -> Iterator[SignalInstance]:
    """The signal of each field that is kept."""
    for part, record in PARTS.items():
        for name in record.model_fields:
            yield getattr(getattr(state, part).events, name)


def records_of(state: ViewerState) -> dict[str, Any]:
    """The record of each part, as it is set now."""
    return {
        part: record.model_validate({name: _plain(getattr(getattr(state, part), name)) for name in record.model_fields})
        for part, record in PARTS.items()
    }


@dataclass(frozen=True)
class KeptSettings:
    """The settings of a session, each of them one that there is.

    Parameters
    ----------
    values : by part and field of the state, all but where the model looks
    field : where the user placed it; None where it lies where it does by itself
    remarks : which ways to draw and to show were impossible and are left as they are by themselves, one line each
    """

    values: dict[str, dict[str, Any]]
    field: Field | None
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: SessionRecord) -> KeptSettings:
        """Those of a record; a map of a difference without a pair is none.

        Raises
        ------
        ConfigError, DataFormatError
            With the first one that there is not.
        """
        values = {part: dict(getattr(record, part)) for part in PARTS}
        display, listing, placing = values["display"], values["listing"], values.pop("placing")
        _require_known(display["map"], MAPS, "shows the map")
        _require_known(display["window"], PRESETS, "shows the window")
        _require_known(listing["sort"], _SORTS, "sorts cases by")
        _require_known(listing["kept"], FILTERS, "lists the cases")
        if display["map"] == DIFFERENCE and display["pair"] is None:
            display["map"] = NO_MAP
        sampling = values["sampling"]
        sampling["wish"], remarks = possible_wish(SamplingWish(**dict(record.sampling.wish)))
        sampling["device"], of_device = possible_device(record.sampling.device)
        values["postprocessing"]["cleaning"] = Cleaning(**dict(record.postprocessing.cleaning))
        by_hand = placing["by_hand"] and placing["field"] is not None
        field = Field.parse(placing["field"]) if by_hand else None
        return cls(values, field, (*remarks, *of_device))

    def for_experts(self, n_experts: int) -> KeptSettings:
        """The same without hidden experts that a case of so many experts does not have."""
        display = self.values["display"]
        shown = tuple(number for number in display["hidden_experts"] if 1 <= number <= n_experts)
        if shown == display["hidden_experts"]:
            return self
        remark = f"hidden_experts {list(display['hidden_experts'])[:8]}: numbers from 1 to {n_experts}"
        values = self.values | {"display": display | {"hidden_experts": shown}}
        return replace(self, values=values, remarks=(*self.remarks, remark))

    def put(self, state: ViewerState, *parts: str) -> None:
        """Set these parts of the state, all but `placing`."""
        for part in parts:
            for name, value in self.values[part].items():
                setattr(getattr(state, part), name, value)


def _plain(value: Any) -> Any:
    """A value as its record takes it."""
    if isinstance(value, Field):
        return str(value)
    return asdict(value) if isinstance(value, SamplingWish | Cleaning) else value


def _require_known(value: str, names: Iterable[str], what: str) -> None:
    if value not in names:
        raise DataFormatError(f"the session {what} {value!r}; known are: {', '.join(names)}")
