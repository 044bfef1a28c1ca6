"""What the network sees: every slice once an epoch, every expert alike, times stratified, all of it repeatable."""

import numpy as np
import pytest
import torch

from training.config import AugmentConfig
from training.data.dataset import SliceArrays, intensity
from training.diffusion.denoiser import NO_IMAGE
from training.errors import ConfigError, DataFormatError
from training.fit.augment import Augmentation
from training.noise import normal_fields
from training.rng import Purpose

from .small_batches import FIELDS, PAPER, batches_of, digest, every_kind, source, unstructured


def number_of(batch):
    return (batch.image[:, 0, 0, 0] * 255).round().int().numpy()


def expert_of(batch):
    return (batch.x0[:, 0, :, 0] > 0).int().argmax(dim=1).numpy()


def test_each_epoch_shows_every_slice_once_in_another_order():
    batches = batches_of([source(4), source(2, first=4)], image_size=8, batch_size=3, seed=0)
    seen = np.concatenate([number_of(batches.at(step)) for step in range(4)])
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6))
    assert list(seen[:6]) != list(seen[6:])


def test_the_indices_name_the_slices():
    batches = batches_of([source(4), source(2, first=4)], image_size=8, batch_size=6, seed=0)
    batch = batches.at(0)
    np.testing.assert_array_equal(batch.indices, number_of(batch))


def test_a_batch_depends_on_seed_and_step_alone():
    first, second = (batches_of([source(5)], 8, 2, seed=3) for _ in range(2))
    for step in (7, 0, 3):  # asked for in another order
        second.at(step)
    for step in range(8):
        for name in ("indices", "image", "x0", "t", "eps"):
            np.testing.assert_array_equal(getattr(first.at(step), name), getattr(second.at(step), name))
    assert not torch.equal(first.at(0).eps, batches_of([source(5)], 8, 2, seed=4).at(0).eps)


def test_masks_are_minus_or_plus_one_and_belong_to_one_expert():
    batch = batches_of([source(5)], 8, 5, seed=0).at(0)
    assert set(batch.x0.unique().tolist()) == {-1.0, 1.0}
    assert ((batch.x0 > 0).sum((1, 2, 3)) == 8).all()


def test_experts_are_drawn_alike_also_where_files_differ_in_their_number():
    batches = batches_of([source(2, k=3), source(2, k=2, first=2)], 8, 4, seed=1)
    seen = {number: [] for number in range(4)}
    for step in range(600):
        batch = batches.at(step)
        for number, expert in zip(number_of(batch), expert_of(batch), strict=True):
            seen[number].append(expert)
    for number, k in [(0, 3), (3, 2)]:
        shares = np.bincount(seen[number], minlength=k) / 600
        assert len(shares) == k
        np.testing.assert_allclose(shares, 1 / k, atol=5 * np.sqrt(0.25 / 600))


def test_times_are_stratified_and_shuffled():
    batches = batches_of([source(8)], 8, 8, seed=0)
    for step in range(5):
        t = batches.at(step).t.numpy()
        np.testing.assert_array_equal(np.sort((t * 8).astype(int)), np.arange(8))
    assert not (np.diff(batches.at(0).t.numpy()) > 0).all()


def test_larger_slices_are_cropped_alike_in_image_and_mask():
    size = 12
    image = np.arange(size * size, dtype=np.uint8).reshape(1, size, size)
    masks = (image % 7 == 0)[:, None]
    batches = batches_of([SliceArrays(image, masks)], image_size=4, batch_size=16, seed=0)
    corners = set()
    for step in range(40):
        batch = batches.at(step)
        pixels = (batch.image * 255).round().int()
        np.testing.assert_array_equal((pixels % 7 == 0).numpy(), (batch.x0 > 0).numpy())
        corners |= set(pixels[:, 0, 0, 0].tolist())
    assert corners == {row * size + column for row in range(9) for column in range(9)}


def test_slices_that_cannot_be_trained_on_are_refused():
    with pytest.raises(DataFormatError, match=r"8 x 8 pixels are smaller than image_size = 16"):
        batches_of([source(2)], 16, 2)
    with pytest.raises(DataFormatError, match="no training slices"):
        batches_of([], 16, 2)


def test_augmented_batches_depend_on_seed_and_step_alone():
    sources = [unstructured(5, (12, 12)), unstructured(3, (16, 16))]
    first, second = (batches_of(sources, 8, 4, 3, PAPER) for _ in range(2))
    for step in (7, 0, 3):
        second.at(step)
    for step in range(8):
        assert torch.equal(first.at(step).image, second.at(step).image)
        assert torch.equal(first.at(step).x0, second.at(step).x0)
    assert not torch.equal(first.at(0).image, batches_of(sources, 8, 4, 4, PAPER).at(0).image)


def test_augmentation_leaves_order_experts_times_and_noise_as_they_were():
    plain, varied = (batches_of([unstructured(5, (8, 8))], 8, 4, 3, augment) for augment in (None, PAPER))
    for step in range(5):
        for name in ("indices", "t", "eps"):
            np.testing.assert_array_equal(getattr(plain.at(step), name), getattr(varied.at(step), name))
    assert not torch.equal(plain.at(0).image, varied.at(0).image)


def test_augmentation_that_changes_nothing_changes_no_bit():
    plain, idle = (batches_of([unstructured(5, (12, 12))], 8, 4, 3, augment) for augment in (None, AugmentConfig()))
    through = AugmentConfig(probability=1.0, degrees=0, scale=0, shift=0, gamma=0, brightness=0, contrast=0)
    same = batches_of([unstructured(5, (12, 12))], 8, 4, 3, through)
    for step in range(5):
        for other in (idle, same):
            assert torch.equal(plain.at(step).image, other.at(step).image)
            assert torch.equal(plain.at(step).x0, other.at(step).x0)


def test_the_whole_slice_is_augmented_and_then_cropped():
    """Each item is the augmentation of its visit, on the whole slice, cut where the plain batches cut it."""
    size = 16
    place = np.arange(size * size, dtype=np.uint8).reshape(1, size, size)
    masks = (place % 5 == 0)[:, None]
    sources = [SliceArrays(place, masks)]
    plain, varied = batches_of(sources, 6, 8, 1), batches_of(sources, 6, 8, 1, PAPER)
    for step in range(6):
        drawn = Augmentation.draw(PAPER, 1, range(step * 8, step * 8 + 8))
        corners = (plain.at(step).image[:, 0, 0, 0] * 255).round().int().tolist()
        whole_images, whole_masks = drawn.apply(
            torch.from_numpy(np.repeat(intensity(place), 8, 0)), torch.from_numpy(np.repeat(masks[:, 0], 8, 0))
        )
        batch = varied.at(step)
        for i, corner in enumerate(corners):
            row, column = divmod(corner, size)
            window = slice(row, row + 6), slice(column, column + 6)
            assert torch.equal(batch.image[i, 0], whole_images[i][window])
            assert torch.equal(batch.x0[i, 0] > 0, whole_masks[i][window])


def test_slices_of_several_shapes_and_types_share_an_augmented_batch():
    """What an item looks like does not depend on the shapes of its neighbours."""
    small, large, oblong = unstructured(4, (8, 8)), unstructured(4, (20, 20), k=2), unstructured(4, (8, 13), k=1)
    large = SliceArrays(intensity(large.images), large.masks)
    batches = batches_of([small, large, oblong], 8, 12, 0, PAPER)
    batch = batches.at(0)
    assert batch.image.shape == batch.x0.shape == (12, 1, 8, 8)
    assert 0 <= batch.image.min() <= batch.image.max() <= 1
    assert set(batch.x0.unique().tolist()) == {-1.0, 1.0}
    apart = [batches_of([small, large, oblong], 8, 1, 0, PAPER).at(visit) for visit in range(12)]
    np.testing.assert_array_equal(batch.indices, [one.indices[0] for one in apart])
    assert torch.equal(batch.image, torch.cat([one.image for one in apart]))
    assert torch.equal(batch.x0, torch.cat([one.x0 for one in apart]))


def test_augmented_masks_are_minus_or_plus_one_and_move_with_the_image():
    """A mask drawn around the bright half follows it through every symmetry and small move."""
    image = np.zeros((1, 32, 32), np.uint8)
    image[:, :16, 4:28] = 255
    batches = batches_of([SliceArrays(image, (image > 0)[:, None])], 32, 8, 0, PAPER)
    tops = set()
    for step in range(10):
        batch = batches.at(step)
        assert set(batch.x0.unique().tolist()) == {-1.0, 1.0}
        bright, inside = batch.image > 0.35, batch.x0 > 0
        assert ((bright != inside).sum((1, 2, 3)) <= 40).all()  # along the edge, at most
        tops |= {tuple(np.argwhere(one[0].numpy())[0]) for one in inside}
    assert len(tops) > 8


def test_noise_is_that_of_the_visit():
    batch = batches_of([source(5)], 8, 4, seed=6).at(3)
    np.testing.assert_array_equal(batch.visits, [12, 13, 14, 15])
    assert torch.equal(batch.eps, normal_fields(6, Purpose.TRAINING_NOISE, [12, 13, 14, 15], 0, (1, 8, 8)))


# ---- self-conditioning and dropped images


def test_a_dropped_image_is_the_one_value_that_stands_for_none():
    batches = batches_of([source(5)], 8, 16, image_dropout=0.5)
    dropped = [batches.at(step).image.flatten(1) == np.float32(NO_IMAGE) for step in range(10)]
    assert all((one.all(1) == one.any(1)).all() for one in dropped)
    shares = torch.cat([one.all(1) for one in dropped]).float()
    assert abs(shares.mean() - 0.5) < 5 * 0.5 / 160**0.5


def test_dropping_images_and_self_conditioning_change_nothing_else():
    plain = batches_of([unstructured(9, (12, 12))], 8, 6, 3, PAPER)
    full = batches_of([unstructured(9, (12, 12))], 8, 6, 3, PAPER, image_dropout=0.4, self_conditioning=True)
    n_dropped = 0
    for step in range(8):
        one, other = plain.at(step), full.at(step)
        for name in ("visits", "indices", "x0", "t", "eps"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        seen = (other.image != np.float32(NO_IMAGE)).flatten(1).any(1)
        assert torch.equal(one.image[seen], other.image[seen])
        n_dropped += int((~seen).sum())
        assert one.self_conditioned is None
        assert (other.self_conditioned.dtype, other.self_conditioned.shape) == (torch.bool, (6,))
    assert 0 < n_dropped < 48


# ---- several processes


def joined(parts):
    pieces = {}
    for name in FIELDS:
        values = [getattr(part, name) for part in parts]
        pieces[name] = torch.cat(values) if isinstance(values[0], torch.Tensor) else np.concatenate(values)
    return type(parts[0])(**pieces)


@pytest.mark.parametrize("processes", [2, 3, 5, 7])
def test_any_number_of_processes_makes_the_same_global_batch(processes):
    sources, drawn = every_kind()
    alone = batches_of(sources, 8, 7, **drawn)
    each = [batches_of(sources, 8, 7, rank=rank, processes=processes, **drawn) for rank in range(processes)]
    for step in (0, 1, 5, 1000):
        parts = [one.at(step) for one in each]
        assert tuple(len(part.t) for part in parts) == each[0].local_sizes
        assert digest(joined(parts)) == digest(alone.at(step))
        for one in (alone, *each):
            np.testing.assert_array_equal(one.indices(step), alone.at(step).indices)


@pytest.mark.parametrize(
    ("batch", "processes", "sizes"), [(8, 1, (8,)), (8, 3, (3, 3, 2)), (7, 5, (2, 2, 1, 1, 1)), (2, 2, (1, 1))]
)
def test_items_fall_to_processes_as_evenly_as_they_can(batch, processes, sizes):
    assert batches_of([source(3)], 8, batch, processes=processes).local_sizes == sizes


def test_more_processes_than_items_are_refused():
    with pytest.raises(ConfigError, match=r"3 processes cannot share batches of 2; use at most 2 .* at least 3"):
        batches_of([source(3)], 8, 2, processes=3)
