"""A session keeps how the window is set: every field of the state is kept, or is named here as one that is not."""

from dataclasses import fields

import pytest

from napari_ambiseg.kept_settings import PARTS, KeptSettings, records_of, signals_of
from napari_ambiseg.layers.maps import DIFFERENCE, NO_MAP
from napari_ambiseg.session_file import DisplayRecord, ListingRecord, PlacingRecord, SessionRecord
from napari_ambiseg.state import BY_GED, FLAGGED, ViewerState
from training.data.field import Field
from training.errors import AmbisegError, DataFormatError
from training.postprocess import Cleaning
from training.sampling_wish import SamplingWish

# What another window finds out by itself, what lasts only while something is under way, and what is kept elsewhere.
ALL = None
NOT_KEPT = {
    "browsing": ALL,  # the session's `origin`
    "converting": ALL,
    "sampling": {
        "devices", "seconds", "problem", "status", "progress", "message", "note", "provenance", "warm", "gave_up",
    },
    "playback": ALL,
    "disagreement": ALL,
    "display": {"bare"},
    "placing": {"size", "choosing", "shape", "window", "windows"},
    "listing": {"shown", "revision"},
    "queue": ALL,
    "reading": {"blind", "nothing", "area", "flag", "note", "first", "distances", "standing",
                "unfilled"},  # the session's `cases`
    "comparing": ALL,
    "output": ALL,
    "sessions": ALL,
}  # fmt: skip

OTHERS = {
    "sampling": {
        "model": "another", "n_samples": 3, "seed": 17, "device": "cpu",
        "wish": SamplingWish(sampler="ddim", steps=9, eta=0.5),
    },
    "postprocessing": {"cleaning": Cleaning(fill_holes=True, smallest_object=4), "show_before": False},
    "display": {
        "map": DIFFERENCE, "hidden_experts": (2,), "summary": True, "agreement": 3, "pair": ("B", "12"),
        "window": "dark", "outline_width": 1.25, "staple": True,
    },
    "placing": {"field": Field(3, 5, 32, 48), "by_hand": True},
    "listing": {"sort": BY_GED, "descending": True, "kept": FLAGGED, "search": "lidc"},
    "reading": {"keep": True},
}  # fmt: skip


def state_with(values):
    state = ViewerState()
    for part, changes in values.items():
        for name, value in changes.items():
            setattr(getattr(state, part), name, value)
    return state


def record_of(state, **changes):
    return SessionRecord(saved="2026-11-24T00:00:00", origin=None, **(records_of(state) | changes))


def test_every_field_of_the_state_is_kept_or_said_not_to_be():
    for part in fields(ViewerState):
        of_state = {field.name for field in fields(getattr(ViewerState(), part.name))}
        kept = set(PARTS[part.name].model_fields) if part.name in PARTS else set()
        others = NOT_KEPT.get(part.name, set())
        if others is ALL:
            assert not kept, part.name
        else:
            assert not kept & others, part.name
            assert kept | others == of_state, part.name


def test_every_setting_that_is_kept_comes_back_through_json():
    assert {part: set(values) for part, values in OTHERS.items()} == {
        part: set(record.model_fields) for part, record in PARTS.items()
    }
    record = SessionRecord.model_validate_json(record_of(state_with(OTHERS)).model_dump_json())
    settings, state, plain = KeptSettings.of(record), ViewerState(), ViewerState()
    settings.put(state, *(part for part in PARTS if part != "placing"))
    for part, values in OTHERS.items():
        for name, value in values.items():
            assert getattr(getattr(plain, part), name) != value, f"{part}.{name} tells nothing"
            if part != "placing":
                assert getattr(getattr(state, part), name) == value, f"{part}.{name}"
    assert settings.field == Field(3, 5, 32, 48)


def test_a_new_state_comes_back_as_it_was():
    state = ViewerState()
    settings = KeptSettings.of(SessionRecord.model_validate_json(record_of(state).model_dump_json()))
    settings.put(state, *(part for part in PARTS if part != "placing"))
    assert state == ViewerState()
    assert settings.field is None


def test_every_setting_that_is_kept_tells_when_it_changes():
    state, told = ViewerState(), []
    for signal in signals_of(state):
        signal.connect(lambda *_, name=signal.name: told.append(name))
    for part, values in OTHERS.items():
        for name, value in values.items():
            setattr(getattr(state, part), name, value)
    assert sorted(told) == sorted(name for values in OTHERS.values() for name in values)


def test_a_difference_without_a_pair_is_no_map():
    record = record_of(ViewerState(), display=DisplayRecord(map=DIFFERENCE))
    assert KeptSettings.of(record).values["display"]["map"] == NO_MAP
    record = record_of(ViewerState(), display=DisplayRecord(map=DIFFERENCE, pair=("A", "1")))
    assert KeptSettings.of(record).values["display"]["map"] == DIFFERENCE


def test_a_field_that_lies_where_it_does_by_itself_is_not_placed():
    state = state_with({"placing": {"field": Field(0, 0, 64, 64)}})
    assert KeptSettings.of(record_of(state)).field is None


@pytest.mark.parametrize(
    ("part", "record", "says"),
    [
        ("display", DisplayRecord(map="x"), "the session shows the map 'x'; known are: none, votes"),
        ("display", DisplayRecord(window="x"), "the session shows the window 'x'; known are: stored"),
        ("listing", ListingRecord(sort="x"), "the session sorts cases by 'x'; known are: file"),
        ("listing", ListingRecord(kept="x"), "the session lists the cases 'x'; known are: all cases"),
        ("placing", PlacingRecord(field="x", by_hand=True), "cannot read the field 'x'"),
    ],
)
def test_a_setting_that_there_is_not_is_refused_in_one_line(part, record, says):
    with pytest.raises(AmbisegError, match=says) as told:
        KeptSettings.of(record_of(ViewerState(), **{part: record}))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "pair", [("a", "B"), ("A B", "1"), ("A\n", "1"), ("0", "1"), ("A",), ("", "1"), ("A" * 9, "1")]
)
def test_a_pair_of_impossible_names_is_refused(tmp_path, pair):
    from napari_ambiseg.session_file import read_session

    text = record_of(ViewerState()).model_dump(mode="json")
    text["display"]["pair"] = pair
    import json

    (tmp_path / "s.json").write_text(json.dumps(text))
    with pytest.raises(DataFormatError, match=r"display\.pair.*choose another file"):
        read_session(tmp_path / "s.json")
