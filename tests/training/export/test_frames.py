"""Frames show the state that they say, each at its place."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from training.data.field import Field
from training.errors import ConfigError, DataFormatError
from training.export import DrawnCase
from training.export.frames import Frames, Look
from training.records import AnnotatedSlice, SampleSet, Trajectory


def white(frame):
    """The outlines of masks on a dark image; what is written is white too."""
    return (frame == 255).all(axis=-1)


@pytest.fixture
def dark(drawn):
    """The same masks on a black image."""
    return replace(drawn, case=replace(drawn.case, image=np.zeros_like(drawn.case.image)))


def test_there_is_a_frame_for_each_state_all_of_one_even_size(drawn):
    frames = Frames(drawn)
    sizes = {frame.shape for frame in frames}
    assert len(frames) == 5
    assert len(sizes) == 1
    assert all(side % 2 == 0 for side in sizes.pop()[:2])


def test_the_last_frame_outlines_the_masks_where_they_are(dark):
    frame = Frames(dark, Look(sample=0))[4]
    zoom = 640 // 40
    shown = white(frame)[: 24 * zoom]
    rows, columns = np.nonzero(shown)
    assert (rows.min() // zoom, rows.max() // zoom) == (3, 5)
    assert (columns.min() // zoom, columns.max() // zoom) == (4, 11)
    assert not shown[4 * zoom, 7 * zoom]  # the lesion is seen through the mask


def test_an_empty_mask_leaves_the_image_as_it_is(drawn):
    frame = Frames(drawn, Look(sample=2))[4][: 24 * 16]
    grey = np.rint(drawn.case.image.repeat(16, 0).repeat(16, 1)[..., None] * 255)
    np.testing.assert_array_equal(frame, np.broadcast_to(grey, frame.shape))


def test_at_the_beginning_nothing_is_predicted_but_the_state_is_noise(drawn, dark):
    assert not white(Frames(dark, Look(sample=0))[0][: 24 * 16]).any()  # x0_hat is 0: no mask yet
    noisy, last = (Frames(drawn, Look("x_t", 0))[index].astype(int) for index in (0, 4))
    assert (np.abs(noisy - last).max(axis=-1) > 20).mean() > 0.5


def test_a_mask_is_the_veil_of_the_viewer_and_noise_its_grey():
    """Flat states over a grey image, at values whose colours are known."""
    shape = (1, 32, 32)
    case = AnnotatedSlice(np.full(shape[1:], 0.4, np.float32), np.zeros(shape, bool), "p", "k")
    values = np.array([-1, -0.4, 0, 1], np.float16)
    states = np.broadcast_to(values[:, None, None, None], (4, *shape))
    walk = Trajectory(np.linspace(1, 0, 4, dtype=np.float32), 2 * states, states)
    drawn = DrawnCase(case, SampleSet(np.zeros(shape, bool), 0), walk)
    for at, opacity in enumerate((0, 0.05, 0.15, 0.25)):
        shown = Frames(drawn, Look(sample=0))[at][300, 300]
        np.testing.assert_array_equal(shown, np.rint(102 * (1 - opacity) + np.array((255, 242, 140)) * opacity))
        noisy = Frames(drawn, Look("x_t", 0))[at][300, 300]
        np.testing.assert_array_equal(noisy, np.rint((float(values[at]) + 1) / 2 * 255))


def test_a_grid_has_each_sample_in_its_tile(dark):
    frame = Frames(dark)[4]
    zoom = 1100 // (2 * 40)  # three samples stand in two rows of two
    height, width, gap = 24 * zoom, 40 * zoom, 4
    tiles = [white(frame[r : r + height, c : c + width]) for r in (0, height + gap) for c in (0, width + gap)]
    drawn_in = [tile[2 * zoom :] for tile in tiles]  # below the number
    assert [bool(tile.any()) for tile in drawn_in] == [True, True, False, False]
    assert np.nonzero(drawn_in[1])[1].min() // zoom == 3


def test_a_closeup_shows_what_was_marked_larger(drawn):
    one = AnnotatedSlice(np.zeros((128, 128), np.float32), np.zeros((1, 128, 128), bool), "p", "k")
    masks = np.zeros((1, 128, 128), bool)
    masks[0, 100:104, 30:34] = True
    hat = np.where(masks, 1, -1).astype(np.float16)[None]
    far = DrawnCase(one, SampleSet(masks, 0), Trajectory(np.zeros(1, np.float32), hat, hat))
    near, whole = (white(Frames(far, Look(sample=0, closeup=on))[0][:-46]).sum() for on in (True, False))
    assert near > 3 * whole > 0


def test_a_field_is_shown_and_not_the_slice(drawn):
    field = Field(0, 0, 12, 20)
    cut = drawn.samples.masks[:, :12, :20]
    walk = Trajectory(drawn.trajectory.t, *(q[..., :12, :20] for q in (drawn.trajectory.x_t, drawn.trajectory.x0_hat)))
    frame = Frames(DrawnCase(drawn.case, SampleSet(cut, 0), walk, field=field), Look(sample=2))[4]
    zoom = 640 // 20
    np.testing.assert_array_equal(frame[::zoom, ::zoom, 0][:12], np.rint(drawn.case.image[:12, :20] * 255))


def test_large_grids_are_reduced():
    shape = (4, 1024, 1024)
    case = AnnotatedSlice(np.zeros(shape[1:], np.float32), np.zeros((1, *shape[1:]), bool), "p", "k")
    states = np.zeros((1, *shape), np.float16)
    drawn = DrawnCase(case, SampleSet(np.zeros(shape, bool), 0), Trajectory(np.zeros(1, np.float32), states, states))
    assert max(Frames(drawn)[0].shape) <= 2100


def test_memory_does_not_grow_with_the_frames(drawn):
    """A thousand states, of which one at a time is a picture."""
    t = np.linspace(1, 0, 60, dtype=np.float32)
    states = np.zeros((60, *drawn.samples.masks.shape), np.float16)
    frames = Frames(replace(drawn, trajectory=Trajectory(t, states, states)))
    size = frames[0].nbytes
    tracemalloc.start()
    for _ in frames:
        pass
    assert tracemalloc.get_traced_memory()[1] < 12 * size
    tracemalloc.stop()


def test_what_is_not_there_is_told(drawn):
    with pytest.raises(ConfigError, match="no sample 3; choose one of 0 to 2"):
        Frames(drawn, Look(sample=3))
    with pytest.raises(ConfigError, match="no sample -1"):
        Look(sample=-1)
    with pytest.raises(ConfigError, match="unknown quantity 'x0'; choose one of: x0_hat, x_t"):
        Look("x0")
    with pytest.raises(DataFormatError, match="came without a trajectory"):
        Frames(replace(drawn, trajectory=None))
