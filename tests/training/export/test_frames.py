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

YELLOW = np.array((240, 228, 66))


def yellow(frame):
    return (frame == YELLOW).all(axis=-1)


def test_there_is_a_frame_for_each_state_all_of_one_even_size(drawn):
    frames = Frames(drawn)
    sizes = {frame.shape for frame in frames}
    assert len(frames) == 5
    assert len(sizes) == 1
    assert all(side % 2 == 0 for side in sizes.pop()[:2])


def test_the_last_frame_outlines_the_masks_where_they_are(drawn):
    frame = Frames(drawn, Look(sample=0))[4]
    zoom = 640 // 40
    shown = yellow(frame)[: 24 * zoom]
    rows, columns = np.nonzero(shown)
    assert (rows.min() // zoom, rows.max() // zoom) == (3, 5)
    assert (columns.min() // zoom, columns.max() // zoom) == (4, 11)
    assert not shown[4 * zoom, 7 * zoom]  # the lesion is seen through the mask


def test_an_empty_mask_leaves_the_image_as_it_is(drawn):
    frame = Frames(drawn, Look(sample=2))[4][: 24 * 16]
    grey = np.rint(drawn.case.image.repeat(16, 0).repeat(16, 1)[..., None] * 255)
    np.testing.assert_array_equal(frame, np.broadcast_to(grey, frame.shape))


def test_at_the_beginning_nothing_is_predicted_but_the_state_is_noise(drawn):
    assert not yellow(Frames(drawn, Look(sample=0))[0]).any()  # x0_hat is 0: no mask yet
    noisy, last = (Frames(drawn, Look("x_t", 0))[index].astype(int) for index in (0, 4))
    assert (np.abs(noisy - last).max(axis=-1) > 20).mean() > 0.5


def test_a_grid_has_each_sample_in_its_tile(drawn):
    frame = Frames(drawn)[4]
    zoom = 1100 // (2 * 40)  # three samples stand in two rows of two
    height, width, gap = 24 * zoom, 40 * zoom, 4
    tiles = [yellow(frame[r : r + height, c : c + width]) for r in (0, height + gap) for c in (0, width + gap)]
    assert [bool(tile.any()) for tile in tiles] == [True, True, False, False]
    assert np.nonzero(tiles[1])[1].min() // zoom == 3


def test_a_closeup_shows_what_was_marked_larger(drawn):
    one = AnnotatedSlice(np.zeros((128, 128), np.float32), np.zeros((1, 128, 128), bool), "p", "k")
    masks = np.zeros((1, 128, 128), bool)
    masks[0, 100:104, 30:34] = True
    hat = np.where(masks, 1, -1).astype(np.float16)[None]
    far = DrawnCase(one, SampleSet(masks, 0), Trajectory(np.zeros(1, np.float32), hat, hat))
    near = yellow(Frames(far, Look(sample=0, closeup=True))[0]).sum()
    assert near > 3 * yellow(Frames(far, Look(sample=0))[0]).sum()


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
