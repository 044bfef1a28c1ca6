"""MedicalMatting's pickle: grey levels become intensities, the matte stays behind, studies become patients."""

import pickle

import numpy as np
import pytest

from training.data import lidc
from training.data.forms.interface import Options, Tally, Unit
from training.data.forms.lidc_pickle import LidcPickle
from training.data.forms.matting_pickle import MattingPickle
from training.data.lidc import LICENCE, patient_of_study
from training.errors import DataFormatError

PROTOCOLS = (2, 3, 4, 5)


def entry(seed=0, n_experts=4, **changes):
    rng = np.random.default_rng(seed)
    fields = {
        "image": rng.integers(0, 256, (8, 6), np.uint8),
        "masks": [(rng.random((8, 6)) < 0.3).astype(np.uint8) for _ in range(n_experts)],
        "alpha": rng.integers(0, 256, (8, 6), np.uint8),
        "series_uid": "abc_slice1",
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


@pytest.fixture
def form_of(tmp_path):
    """The form of a pickle of these entries."""

    def made(entries, protocol=4):
        path = tmp_path / "lidc_attributes.pkl"
        path.write_bytes(pickle.dumps(entries, protocol))
        return MattingPickle(path, Options())

    return made


def read(form):
    tally = Tally()
    return list(form.read(tally)), tally


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_slices_come_with_their_grey_levels_over_255(form_of, protocol):
    entries = {f"k{seed}": entry(seed) for seed in (2, 0, 1)}
    entries["k9"] = entry(image=np.arange(48, dtype=np.uint8).reshape(8, 6) * 5 + 20)
    form = form_of(entries, protocol)
    found, tally = read(form)
    assert [item.case.key for item in found] == list(entries)
    assert form.image_type == "uint8"
    assert len(form) == 4
    for item, fields in zip(found, entries.values(), strict=True):
        slow = np.array([[np.float32(int(level)) / np.float32(255) for level in row] for row in fields["image"]])
        np.testing.assert_array_equal(item.case.image, slow, strict=True)
        np.testing.assert_array_equal(np.rint(item.case.image * 255).astype(np.uint8), fields["image"])
        np.testing.assert_array_equal(item.case.masks, np.stack(fields["masks"]) == 1, strict=True)
        assert item.case.spacing_mm is None
    assert not tally.dropped
    assert not tally.noted


def test_patients_are_lidcs_where_the_series_or_the_key_names_a_study_of_it(form_of):
    study = next(iter(lidc._studies()))
    patient = patient_of_study(study)
    form = form_of(
        {
            "k1": entry(series_uid=f"{study}_slice3"),
            f"{study}_slice5": entry(series_uid="1.3.6.1.4"),
            f"{study}_slice6": entry(series_uid=None),
            "k2": entry(series_uid="abc_slice1"),
            "k3": entry(series_uid="abc_slice2"),
            "de_slice1": entry(series_uid=None),
        }
    )
    units = [item.unit for item in read(form)[0]]
    assert units == [Unit(patient, study)] * 3 + [Unit("study-abc", "abc")] * 2 + [Unit("study-de", "de")]
    assert form.units() == [Unit(patient, study), Unit("study-abc", "abc"), Unit("study-de", "de")]
    assert dict(form.attributes) == {"source": LICENCE}


def test_what_is_not_lidcs_does_not_get_its_licence(form_of):
    assert not form_of({"k": entry()}).attributes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image": np.zeros((8, 6))}, "the image is not of uint8"),
        ({"image": np.zeros((8, 6), np.int16)}, "the image is not of uint8"),
        ({"image": None}, "no image"),
        ({"masks": [np.zeros((8, 6), np.uint8)] * 7}, "another number of experts than the first slice"),
        ({"masks": [np.full((8, 6), 7, np.uint8)] * 4}, "a mask has values other than 0 and 1, or 0 and 255"),
    ],
)
def test_a_slice_that_cannot_be_used_is_dropped_with_its_reason(form_of, changes, reason):
    found, tally = read(form_of({"a": entry(1), "b": entry(2, **changes), "c": entry(3)}))
    assert [item.case.key for item in found] == ["a", "c"]
    assert dict(tally.dropped) == {reason: 1}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_is_told_from_the_lidc_pickle_by_its_mattes(tmp_path, protocol):
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps({"k": entry(), "l": entry()}, protocol))
    assert MattingPickle.recognises(path)
    assert not LidcPickle.recognises(path)
    path.write_bytes(pickle.dumps({"k": entry(alpha=None)}, protocol))
    assert not MattingPickle.recognises(path)


def test_a_file_that_is_none_is_refused_by_name(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"not a pickle")
    assert not MattingPickle.recognises(tmp_path / "a.pkl")
    with pytest.raises(DataFormatError, match="is damaged"):
        MattingPickle(tmp_path / "a.pkl", Options())
