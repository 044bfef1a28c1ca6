"""What the network sees: every slice once an epoch, every expert alike, times stratified, all of it repeatable."""

import numpy as np
import pytest
import torch

from training.data.dataset import SliceArrays
from training.errors import DataFormatError
from training.fit.batches import Batches


def source(n, k=3, size=8, first=0):
    """Slices whose grey level is their number, with one row marked per expert."""
    images = np.repeat(np.arange(first, first + n, dtype=np.uint8), size * size).reshape(n, size, size)
    masks = np.zeros((n, k, size, size), bool)
    for expert in range(k):
        masks[:, expert, expert] = True
    return SliceArrays(images, masks)


def number_of(batch):
    return (batch.image[:, 0, 0, 0] * 255).round().int().numpy()


def expert_of(batch):
    return (batch.x0[:, 0, :, 0] > 0).int().argmax(dim=1).numpy()


def test_each_epoch_shows_every_slice_once_in_another_order():
    batches = Batches([source(4), source(2, first=4)], image_size=8, batch_size=3, seed=0)
    seen = np.concatenate([number_of(batches.at(step)) for step in range(4)])
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6))
    assert list(seen[:6]) != list(seen[6:])


def test_the_indices_name_the_slices():
    batches = Batches([source(4), source(2, first=4)], image_size=8, batch_size=6, seed=0)
    batch = batches.at(0)
    np.testing.assert_array_equal(batch.indices, number_of(batch))


def test_a_batch_depends_on_seed_and_step_alone():
    first, second = (Batches([source(5)], 8, 2, seed=3) for _ in range(2))
    for step in (7, 0, 3):  # asked for in another order
        second.at(step)
    for step in range(8):
        for name in ("indices", "image", "x0", "t", "eps"):
            np.testing.assert_array_equal(getattr(first.at(step), name), getattr(second.at(step), name))
    assert not torch.equal(first.at(0).eps, Batches([source(5)], 8, 2, seed=4).at(0).eps)


def test_masks_are_minus_or_plus_one_and_belong_to_one_expert():
    batch = Batches([source(5)], 8, 5, seed=0).at(0)
    assert set(batch.x0.unique().tolist()) == {-1.0, 1.0}
    assert ((batch.x0 > 0).sum((1, 2, 3)) == 8).all()


def test_experts_are_drawn_alike_also_where_files_differ_in_their_number():
    batches = Batches([source(2, k=3), source(2, k=2, first=2)], 8, 4, seed=1)
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
    batches = Batches([source(8)], 8, 8, seed=0)
    for step in range(5):
        t = batches.at(step).t.numpy()
        np.testing.assert_array_equal(np.sort((t * 8).astype(int)), np.arange(8))
    assert not (np.diff(batches.at(0).t.numpy()) > 0).all()


def test_larger_slices_are_cropped_alike_in_image_and_mask():
    size = 12
    image = np.arange(size * size, dtype=np.uint8).reshape(1, size, size)
    masks = (image % 7 == 0)[:, None]
    batches = Batches([SliceArrays(image, masks)], image_size=4, batch_size=16, seed=0)
    corners = set()
    for step in range(40):
        batch = batches.at(step)
        pixels = (batch.image * 255).round().int()
        np.testing.assert_array_equal((pixels % 7 == 0).numpy(), (batch.x0 > 0).numpy())
        corners |= set(pixels[:, 0, 0, 0].tolist())
    assert corners == {row * size + column for row in range(9) for column in range(9)}


def test_slices_smaller_than_the_network_are_refused():
    with pytest.raises(DataFormatError, match=r"8 x 8 pixels are smaller than image_size = 16"):
        Batches([source(2)], 16, 2, seed=0)


def test_no_slices_are_refused():
    with pytest.raises(DataFormatError, match="no training slices"):
        Batches([], 16, 2, seed=0)
