"""Records refuse at birth what would hurt later."""

import numpy as np
import pytest

from training.data.field import Field
from training.data.hdf5 import write_dataset
from training.errors import ConfigError, DataFormatError
from training.metrics import generalized_energy_distance
from training.records import AnnotatedSlice, SampleSet, Step, Trajectory
from training.segmenters.experts import ExpertsOracle

IMAGE = np.full((4, 6), 0.5, np.float32)
MASKS = np.zeros((3, 4, 6), bool)


def slice_with(**changes):
    return AnnotatedSlice(**{"image": IMAGE, "masks": MASKS, "patient": "p", "key": "k"} | changes)


def with_pixel(value):
    image = IMAGE.copy()
    image[1, 2] = value
    return image


def test_a_slice_counts_its_experts_and_who_found_something():
    masks = MASKS.copy()
    masks[1, 2, 3] = True
    case = slice_with(masks=masks)
    assert (case.n_experts, case.n_found) == (3, 1)


def test_a_slice_that_nobody_annotated_has_no_experts_and_is_not_one_on_which_they_saw_nothing(tmp_path):
    case = slice_with(masks=MASKS[:0])
    assert (case.n_experts, case.n_found) == (0, 0)
    drawn = np.ones((2, 4, 6), bool)
    with pytest.raises(DataFormatError, match="annotations: masks must be"):
        generalized_energy_distance(drawn, case.masks)
    with pytest.raises(DataFormatError, match="nobody annotated 'k'"):
        write_dataset(tmp_path / "out.hdf5", {"test": [case]}, {})
    with pytest.raises(ConfigError, match="give it a case that has them"):
        ExpertsOracle().given(case).draw(case.image, 2, 0)
    assert Field(0, 1, 2, 3).cut(case).masks.shape == (0, 2, 3)


def test_records_cannot_be_changed():
    case = slice_with()
    with pytest.raises(ValueError, match="read-only"):
        case.masks[0, 0, 0] = True
    with pytest.raises(TypeError):
        SampleSet(MASKS, 0, {"model": "demo"}).provenance["model"] = "other"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"image": IMAGE.astype(np.float64)}, "float32 of shape .* got float64"),
        ({"image": IMAGE[None]}, r"got float32 \(1, 4, 6\)"),
        ({"image": IMAGE[:0]}, r"got float32 \(0, 6\)"),
        ({"image": with_pixel(np.nan)}, "image has 1 NaN or infinite pixels"),
        ({"image": with_pixel(np.inf)}, "image has 1 NaN or infinite pixels"),
        ({"image": with_pixel(255)}, r"in \[0, 1\], got \[0.5, 255\]"),
        ({"image": with_pixel(-0.5)}, r"got \[-0.5, 0.5\]"),
        ({"masks": MASKS.astype(np.uint8)}, "bool array .* got uint8"),
        ({"masks": MASKS[:0, :2]}, r"N >= 1, H, W\), got bool \(0, 2, 6\)"),
        ({"masks": MASKS[:0].astype(np.uint8)}, r"got uint8 \(0, 4, 6\)"),
        ({"masks": MASKS[:, :2]}, r"got \(3, 2, 6\)"),
        ({"spacing_mm": (0.0, 0.7)}, "positive millimetres"),
        ({"spacing_mm": (float("nan"), 0.7)}, "positive millimetres"),
    ],
)
def test_a_bad_slice_is_refused_by_name(changes, says):
    with pytest.raises(DataFormatError, match=f"slice 'k': .*{says}"):
        slice_with(**changes)


def test_the_first_samples_are_what_a_smaller_draw_gives():
    masks = np.zeros((5, 2, 2), bool)
    masks[np.arange(5), 0, 0] = [True, False, True, True, False]
    few = SampleSet(masks, 3, {"model": "demo"}).first(2)
    np.testing.assert_array_equal(few.masks, masks[:2])
    assert (len(few), few.seed, few.provenance["model"]) == (2, 3, "demo")


def test_a_sample_set_needs_a_sample():
    with pytest.raises(DataFormatError, match=r"sample set: .*got bool \(0, 4, 6\)"):
        SampleSet(MASKS[:0], 0)


def test_a_trajectory_collects_steps_in_order():
    fields = np.linspace(-1, 1, 2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    steps = [Step(i, 2, 1 - i / 2, fields * i, fields - i) for i in range(3)]
    trajectory = Trajectory.of(steps)
    np.testing.assert_array_equal(trajectory.t, [1, 0.5, 0])
    assert trajectory.x_t.shape == (3, 2, 3, 4)
    assert trajectory.x_t.dtype == np.float16
    np.testing.assert_allclose(trajectory.x0_hat[2], fields - 2, atol=2e-3)
    np.testing.assert_array_equal(steps[0].masks, fields > 0)


def test_a_step_needs_matching_shapes():
    with pytest.raises(DataFormatError, match="share one shape"):
        Step(0, 1, 1.0, np.zeros((1, 2, 2), np.float32), np.zeros((2, 2, 2), np.float32))
