"""Slices on the device are those of the source, pixel for pixel, whatever their size, type or order in memory."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.data.dataset import SliceArrays, intensity
from training.fit.resident import ResidentSlices, cropped, upload

CPU = torch.device("cpu")
DEVICES = [CPU, pytest.param(torch.device("cuda"), marks=pytest.mark.cuda)]


def unstructured(n=6, k=3, h=5, w=13, dtype=np.uint8):
    numbers = np.random.default_rng(0)
    images = numbers.integers(0, 256, (n, h, w)).astype(np.uint8)
    return SliceArrays(images if dtype == np.uint8 else intensity(images), numbers.random((n, k, h, w)) < 0.4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("w", [1, 7, 8, 9, 13, 16])
def test_slices_are_those_of_the_source_pixel_for_pixel(w, dtype, device):
    source = unstructured(w=w, dtype=dtype)
    resident = ResidentSlices(source, device)
    rows, experts = np.array([5, 0, 3, 3]), np.array([2, 0, 1, 2])
    images = resident.images(upload(rows, device)).cpu()
    masks = resident.masks(upload(rows, device), upload(experts, device)).cpu()
    assert (images.dtype, masks.dtype) == (torch.float32, torch.bool)
    np.testing.assert_array_equal(images.numpy(), intensity(source.images[rows]))
    np.testing.assert_array_equal(masks.numpy(), source.masks[rows, experts])


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 6), st.integers(1, 20)).flatmap(
        lambda shape: arrays(bool, shape)
    )
)
def test_packing_loses_no_mask(masks):
    n, k, h, w = masks.shape
    resident = ResidentSlices(SliceArrays(np.zeros((n, h, w), np.uint8), masks), CPU)
    rows, experts = np.divmod(np.arange(n * k), k)
    found = resident.masks(torch.from_numpy(rows), torch.from_numpy(experts))
    np.testing.assert_array_equal(found.numpy(), masks.reshape(n * k, h, w))


@pytest.mark.parametrize("device", DEVICES)
def test_every_stored_level_has_the_intensity_that_the_rest_of_the_program_gives_it(device):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    resident = ResidentSlices(SliceArrays(levels, np.zeros((1, 1, 16, 16), bool)), device)
    found = resident.images(torch.zeros(1, dtype=torch.int64, device=device)).cpu().numpy()
    np.testing.assert_array_equal(found, intensity(levels))


def test_the_order_of_the_source_in_memory_does_not_matter():
    source = unstructured()
    odd = SliceArrays(
        np.asfortranarray(source.images), np.ascontiguousarray(source.masks.transpose(1, 0, 2, 3)).transpose(1, 0, 2, 3)
    )
    rows, experts = torch.tensor([4, 1]), torch.tensor([0, 2])
    one, other = ResidentSlices(source, CPU), ResidentSlices(odd, CPU)
    assert torch.equal(one.images(rows), other.images(rows))
    assert torch.equal(one.masks(rows, experts), other.masks(rows, experts))


def test_a_source_that_may_not_be_written_to_is_no_reason_to_warn():
    source = unstructured(dtype=np.float32)
    source.images.flags.writeable = source.masks.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resident = ResidentSlices(source, CPU)
    np.testing.assert_array_equal(resident.images(torch.arange(6)).numpy(), source.images)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_source_is_never_written_to(dtype):
    source = unstructured(dtype=dtype)
    before = source.images.copy()
    ResidentSlices(source, CPU).images(torch.arange(6)).fill_(7)
    np.testing.assert_array_equal(source.images, before)


def test_memory_is_what_the_docstring_says():
    """12,000 slices of 128 x 128 pixels with 4 experts: 295 MB."""
    resident = ResidentSlices(unstructured(n=3, k=4, h=128, w=128), CPU)
    assert resident.nbytes == 3 * (128 * 128 + 4 * 128 * 128 // 8)
    assert round(resident.nbytes / 3 * 12_000 / 1e6) == 295
    assert ResidentSlices(unstructured(n=1, k=2, h=3, w=9), CPU).nbytes == 3 * 9 + 2 * 3 * 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_a_crop_is_the_window_at_its_corner(dtype):
    slices = torch.from_numpy(np.random.default_rng(0).random((4, 9, 11)))
    slices = slices.float() if dtype == torch.float32 else slices < 0.5
    corners = torch.tensor([[0, 0], [5, 7], [2, 3], [5, 0]])
    found = cropped(slices, corners, 4)
    assert found.dtype == dtype
    for one, slice_, (top, left) in zip(found, slices, corners.tolist(), strict=True):
        assert torch.equal(one, slice_[top : top + 4, left : left + 4])


def test_slices_of_the_size_of_the_crop_are_given_back_as_they_are():
    slices = torch.rand(3, 5, 5)
    assert cropped(slices, torch.zeros(3, 2, dtype=torch.int64), 5) is slices
