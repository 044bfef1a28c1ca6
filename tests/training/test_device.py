"""A device is a wish, unless it was named."""

import pytest
import torch

from training.device import available_devices, is_out_of_memory, pick_device
from training.errors import DeviceError


def test_auto_never_fails():
    assert str(pick_device("auto")) == available_devices()[0]


def test_the_cpu_is_always_there():
    assert pick_device("cpu").type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused_with_what_is():
    with pytest.raises(DeviceError, match="no device 'cuda' on this machine; choose one of: auto, cpu"):
        pick_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_means_the_first_gpu():
    assert pick_device("cuda") == torch.device("cuda:0")


@pytest.mark.parametrize("wish", ["gpu", "cuda:99", "", "tpu"])
def test_other_words_are_refused(wish):
    with pytest.raises(DeviceError, match="choose one of: auto"):
        pick_device(wish)


def test_running_out_of_memory_is_known_by_what_it_says():
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(found.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    assert not is_out_of_memory(ValueError("can't allocate memory"))
