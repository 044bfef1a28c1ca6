"""Files with slices of every odd kind: each is read as what it is, or refused in one line; no number becomes NaN.

500 generated files and 60 odd ones by hand, the last group by name.
"""

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training import open_dataset
from training.errors import AmbisegError, DataFormatError
from training.metrics import generalized_energy_distance
from training.report.facts import describe_split

SIDES = st.integers(1, 9)
# The usual ones more often, so that about every other file is a good one.
IMAGE_TYPES = st.sampled_from([*["u1", "f4", "f8"] * 4, "u1", "u2", "i4", "f2", "f4", "f8", "?", ">f4"])
LABEL_TYPES = st.sampled_from([*["u1"] * 6, "u1", "i1", "u4", "i8", "f2", "f4", "f8", "?", ">u2"])
LEVELS = st.sampled_from([*[(0, 1)] * 12, (0, 255), (0, 0), (0, 2), (0, 1, 2), (-1, 1), (0, 0.5), (0, np.nan), (1, 1)])
RANGES = st.sampled_from([*[(0, 1)] * 12, (-0.5, 0.5), (0, 255), (0, 0), (-1, 1), (0, 4095), (-1000, 400), (0, np.nan)])


@st.composite
def arrays(draw):
    """Images and labels that mostly belong together."""
    n, h, w, k = draw(st.integers(1, 3)), draw(SIDES), draw(SIDES), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    low, high = draw(RANGES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NaN as an integer is what this is about
        images = (low + (high - low) * rng.random((n, h, w))).astype(draw(IMAGE_TYPES))
        labels = rng.choice(np.array(draw(LEVELS)), (n, h, w, k)).astype(draw(LABEL_TYPES))
    if draw(st.booleans()):
        labels = np.moveaxis(labels, -1, 1)
    if draw(st.integers(0, 9)) == 0:
        labels = labels[..., :-1] if labels.shape[-1] > 1 else labels[..., 0]
    return images, labels


def written(path: Path, columns) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file.create_dataset(f"train/{name}", data=values)
    return path


def outcome(path: Path) -> str:
    """What reading everything came to; anything but a clean answer raises."""
    try:
        with open_dataset(path) as dataset:
            split = dataset.splits["train"]
            facts = describe_split(split)
            for case in split:
                assert case.image.dtype == np.float32
                assert 0 <= case.image.min() <= case.image.max() <= 1
                assert generalized_energy_distance(case.masks, case.masks, "V") == pytest.approx(0, abs=1e-12)
            assert None not in (facts["disagreement_with_self"], facts["always_empty"]["ged_v"])
            return "read"
    except DataFormatError as error:
        said = str(error)
    assert len(said.splitlines()) == 1
    assert str(path) in said
    return "refused"


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays())
def test_a_generated_file_is_read_or_refused_in_one_line(tmp_path, made):
    images, labels = made
    outcome(written(tmp_path / "generated.hdf5", {"images": images, "labels": labels}))


def test_the_generated_files_are_of_both_kinds(tmp_path):
    """Else the test above would prove little."""
    seen = set()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(arrays())
    def collect(made):
        images, labels = made
        seen.add(outcome(written(tmp_path / "generated.hdf5", {"images": images, "labels": labels})))

    collect()
    assert seen == {"read", "refused"}


IMAGES = np.linspace(0, 1, 2 * 6 * 5).reshape(2, 6, 5).astype("f4")
LABELS = np.zeros((2, 6, 5, 3), "u1")
LABELS[0, 2:4, 1:3, :2] = 1

# What is odd, what it does to a good file, and what must come of it.
ODD = [
    ("one expert", {"labels": LABELS[..., :1]}, "read"),
    ("thirty experts", {"labels": np.repeat(LABELS, 10, axis=-1)}, "read"),
    ("nobody drew anything", {"labels": 0 * LABELS}, "read"),
    ("everybody marked all", {"labels": 0 * LABELS + 1}, "read"),
    ("0 and 255", {"labels": 255 * LABELS}, "read"),
    ("0 and 255 as floats", {"labels": 255.0 * LABELS}, "read"),
    ("0 and 1 as floats", {"labels": LABELS.astype("f8")}, "read"),
    ("bool labels", {"labels": LABELS.astype(bool)}, "read"),
    ("big-endian labels", {"labels": LABELS.astype(">i4")}, "read"),
    ("1 x 1 images", {"images": IMAGES[:, :1, :1], "labels": LABELS[:, :1, :1]}, "read"),
    ("one row", {"images": IMAGES[:, :1], "labels": LABELS[:, :1]}, "read"),
    ("one column", {"images": IMAGES[:, :, :1], "labels": LABELS[:, :, :1]}, "read"),
    ("one slice", {"images": IMAGES[:1], "labels": LABELS[:1], "patient_ids": None}, "read"),
    ("uint8 images", {"images": (255 * IMAGES).astype("u1")}, "read"),
    ("half floats", {"images": IMAGES.astype("f2")}, "read"),
    ("PHiSeg's range", {"images": IMAGES - 0.5}, "read"),
    ("black images", {"images": 0 * IMAGES}, "read"),
    ("white images", {"images": 0 * IMAGES + 1}, "read"),
    ("rounding beyond 1", {"images": IMAGES.astype("f8") * (1 + 1e-9)}, "read"),
    ("no patients", {"patient_ids": None}, "read"),
    ("numbers as patients", {"patient_ids": np.arange(2)}, "read"),
    ("spacing unknown", {"pixel_spacing_mm": np.full(2, np.nan)}, "read"),
    ("spacing half known", {"pixel_spacing_mm": np.array([[0.5, np.nan], [0.5, 0.5]])}, "read"),
    ("empty keys of other characters", {"keys": np.array([b"", "ü\n".encode()])}, "read"),
    ("a mask with 2", {"labels": 2 * LABELS}, "refused"),
    ("a mask with 0, 1 and 2", {"labels": LABELS + LABELS[::-1] * 2}, "refused"),
    ("negative labels", {"labels": -LABELS.astype("i1")}, "refused"),
    ("soft labels", {"labels": 0.5 * LABELS}, "refused"),
    ("labels that are NaN", {"labels": np.where(LABELS, np.nan, 0)}, "refused"),
    ("labels that are infinite", {"labels": np.where(LABELS, np.inf, 0)}, "refused"),
    ("0, 1 and 255 in one slice", {"labels": np.where(np.arange(5)[:, None] < 2, 255, LABELS)}, "refused"),
    ("text as labels", {"labels": np.full(LABELS.shape, b"a")}, "refused"),
    ("complex labels", {"labels": LABELS.astype("c8")}, "refused"),
    ("no experts", {"labels": LABELS[..., :0]}, "refused"),
    ("labels of three axes", {"labels": LABELS[..., 0]}, "refused"),
    ("labels of five axes", {"labels": LABELS[..., None]}, "refused"),
    ("one row too few", {"labels": LABELS[:, :-1]}, "refused"),
    ("one slice too few", {"labels": LABELS[:1]}, "refused"),
    ("width and height exchanged", {"labels": LABELS.swapaxes(1, 2)}, "refused"),
    ("no labels", {"labels": None}, "refused"),
    ("no images", {"images": None}, "refused"),
    ("no slices", {"images": IMAGES[:0], "labels": LABELS[:0]}, "refused"),
    ("images without pixels", {"images": IMAGES[:, :0], "labels": LABELS[:, :0]}, "refused"),
    ("colour images", {"images": np.repeat(IMAGES[..., None], 3, axis=-1)}, "refused"),
    ("images of 16 bits", {"images": (4095 * IMAGES).astype("u2")}, "refused"),
    ("signed images", {"images": IMAGES.astype("i4")}, "refused"),
    ("bool images", {"images": IMAGES > 0.5}, "refused"),
    ("images in Hounsfield units", {"images": 1400 * IMAGES - 1000}, "refused"),
    ("images to 255 as floats", {"images": 255 * IMAGES}, "refused"),
    ("a NaN pixel", {"images": np.where(IMAGES == 1, np.nan, IMAGES)}, "refused"),
    ("an infinite pixel", {"images": np.where(IMAGES == 1, np.inf, IMAGES)}, "refused"),
    ("one key for two slices", {"keys": np.array([b"a", b"a"])}, "refused"),
    ("one key", {"keys": np.array([b"a"])}, "refused"),
    ("floats as keys", {"keys": np.array([0.5, 1.5])}, "refused"),
    ("keys that are no UTF-8", {"keys": np.array([b"\xff\xfe", b"a"])}, "refused"),
    ("three patients", {"patient_ids": np.arange(3)}, "refused"),
    ("spacing of zero", {"pixel_spacing_mm": np.zeros(2)}, "refused"),
    ("negative spacing", {"pixel_spacing_mm": np.full((2, 2), -0.5)}, "refused"),
    ("infinite spacing", {"pixel_spacing_mm": np.full(2, np.inf)}, "refused"),
    ("spacing in three axes", {"pixel_spacing_mm": np.ones((2, 3))}, "refused"),
]


def test_there_are_sixty_of_them():
    assert len(ODD) == len({name for name, _, _ in ODD}) == 60


@pytest.mark.parametrize(("changes", "expected"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
def test_an_odd_file_is_read_or_refused_as_it_should_be(tmp_path, changes, expected):
    columns = {"images": IMAGES, "labels": LABELS, "patient_ids": np.array([b"a", b"b"])} | changes
    path = written(tmp_path / "odd.hdf5", {name: values for name, values in columns.items() if values is not None})
    assert outcome(path) == expected


@pytest.mark.parametrize("what", ["a folder", "nothing", "an empty file", "text"])
def test_what_is_no_hdf5_is_an_error_of_ours(tmp_path, what):
    path = tmp_path / "x.hdf5"
    if what == "a folder":
        path.mkdir()
    elif what != "nothing":
        path.write_text("" if what == "an empty file" else "hello")
    with pytest.raises(AmbisegError):
        open_dataset(path)
