"""What processes that work together know of themselves and of one another."""

import pytest
import torch

from training.errors import ConfigError, DeviceError
from training.processes import Processes, is_first_process, joined_processes


def test_a_single_process_agrees_with_itself():
    alone = Processes()
    assert (alone.rank, alone.count, alone.is_first) == (0, 1, True)
    assert alone.any(True)
    assert not alone.any(False)
    assert alone.sum([1.5, 2.0]) == [1.5, 2.0]
    with pytest.raises(ConfigError, match="wrong"), alone.together():
        raise ConfigError("wrong")
    module = torch.nn.Linear(1, 1)
    assert alone.wrapped(module) is module


def test_an_error_of_our_own_is_not_taken_for_a_lost_process():
    with pytest.raises(RuntimeError, match="timeout"), Processes().losses_told():
        raise RuntimeError("timeout")
    with pytest.raises(RuntimeError, match="shapes"), Processes(count=2).losses_told():
        raise RuntimeError("shapes do not match")
    two = Processes(count=2, timeout=5)
    with pytest.raises(DeviceError, match="did not answer for 5 s; start the same command"), two.losses_told():
        raise RuntimeError("[pair.cc:534] Connection closed by peer [127.0.0.1]:1234")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"WORLD_SIZE": "2"}, "the environment has RANK = ''"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE = 'two'"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "LOCAL_RANK = ''.*start them with torchrun"),
    ],
)
def test_an_environment_that_names_half_of_the_processes_is_refused(monkeypatch, environment, says):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=says), joined_processes("cpu"):
        pass


def test_a_wait_of_no_time_is_refused():
    with pytest.raises(ConfigError, match="must be positive"), joined_processes("cpu", 0):
        pass


def test_the_first_process_speaks(monkeypatch):
    assert is_first_process()
    monkeypatch.setenv("RANK", "1")
    assert not is_first_process()
