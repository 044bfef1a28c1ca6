"""A device is a wish, unless it was named."""

import pickle
import subprocess
import sys

import pytest
import torch

from training.device import available_devices, device_errors_told, device_facts, is_out_of_memory, pick_device
from training.errors import DeviceError, DeviceLostError
from training.machine import DeviceFact


def test_auto_never_fails():
    assert str(pick_device("auto")) == available_devices()[0]


def test_the_cpu_is_always_there():
    assert pick_device("cpu").type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused_with_what_is():
    with pytest.raises(DeviceError, match="no device 'cuda' on this machine; choose one of: auto, cpu"):
        pick_device("cuda")


@pytest.mark.cuda
def test_cuda_means_the_first_gpu():
    assert pick_device("cuda") == torch.device("cuda:0")


@pytest.mark.parametrize("wish", ["gpu", "cuda:99", "", "tpu"])
def test_other_words_are_refused(wish):
    with pytest.raises(DeviceError, match="choose one of: auto"):
        pick_device(wish)


def test_the_facts_are_of_the_devices_that_can_be_picked():
    facts = device_facts()
    assert [fact.name for fact in facts] == available_devices()
    for fact in facts:
        pick_device(fact.name)
        assert fact.label
        assert 0 < fact.free_bytes <= fact.total_bytes


def test_the_facts_of_gpus_come_first(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda i: (10 + i, 20 + i))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: f"GPU {i}")
    *gpus, cpu = device_facts()
    assert gpus == [DeviceFact("cuda:0", "GPU 0", 10, 20), DeviceFact("cuda:1", "GPU 1", 11, 21)]
    assert cpu.name == "cpu"


def test_facts_travel_to_a_process_without_torch():
    code = (
        "import pickle, sys; "
        f"fact = pickle.loads({pickle.dumps(DeviceFact('cpu', 'a', 1, 2))!r}); "
        "assert fact.label == 'a' and 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)  # noqa: S603
    assert done.returncode == 0, done.stderr


def test_running_out_of_memory_is_known_by_what_it_says():
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(found.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    assert not is_out_of_memory(ValueError("can't allocate memory"))


def telling(error):
    with device_errors_told(torch.device("cpu"), lost="start again", memory="take less"):
        raise error


def test_a_device_that_gave_up_is_told_in_one_line_as_lost():
    error = torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might ...")
    with pytest.raises(DeviceLostError) as found:
        telling(error)
    assert str(found.value) == "cpu gave up (CUDA error: an illegal memory access was encountered); start again"
    assert found.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 8 GiB. Try setting ..."),
            "CUDA out of memory. Tried to allocate 2.00 GiB",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory\nTrace"),
            "DefaultCPUAllocator: can't allocate memory",
        ),
        (MemoryError(), "MemoryError"),
    ],
)
def test_memory_that_ran_out_is_told_in_one_line_without_torchs_own_advice(error, reason):
    with pytest.raises(DeviceError) as found:
        telling(error)
    assert str(found.value) == f"cpu has too little memory ({reason}); take less"
    assert not isinstance(found.value, DeviceLostError)


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("a bug"), DeviceError("told before")])
def test_other_errors_come_through_as_they_are(error):
    with pytest.raises(type(error)) as found:
        telling(error)
    assert found.value is error
