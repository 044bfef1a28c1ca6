"""The processes that train or evaluate together: which one this is, what they agree on, and how they fail as one.

Started by ``torchrun``, each process finds its place in the environment (RANK, WORLD_SIZE, LOCAL_RANK and the address
of the first one).  Gradients go through DistributedDataParallel, by NCCL between GPUs; the few numbers that the hosts
agree on go through Gloo (``docs/adr/019-training-on-torchrun.md``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from training.device import available_devices, pick_device
from training.errors import AmbisegError, ConfigError, DeviceError

# What a lost connection or a process that is silent for too long says, in the words of either transport.
_LOST = ("gloo", "nccl", "connection", "timed out", "timeout", "socket", "c10d")

CPU = torch.device("cpu")


class OtherProcessError(AmbisegError):
    """Another process of this run failed, and says why itself."""


@dataclass(frozen=True)
class Processes:
    """This process among those that work together; a single one by default.

    Parameters
    ----------
    rank : this one's number
    count : how many there are
    device : where this one works
    timeout : seconds for which one waits for another
    launcher : process id of what started several of them; None for a single one
    """

    rank: int = 0
    count: int = 1
    device: torch.device = CPU
    timeout: float = 600.0
    launcher: int | None = None

    @property
    def is_orphaned(self) -> bool:
        """Whether the launcher died without a word, so that nobody would end or restart this process any more."""
        return self.launcher is not None and os.getppid() != self.launcher

    @property
    def is_first(self) -> bool:
        """Whether this is the process that owns the run's folder and speaks."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether the flag is up on any process."""
        return flag if self.count == 1 else bool(self._reduced([float(flag)], dist.ReduceOp.MAX)[0])

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sums over all processes, place by place."""
        return list(values) if self.count == 1 else self._reduced(values, dist.ReduceOp.SUM)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What fails in the block on one process ends all of them, and one of them speaks.

        Raises
        ------
        OtherProcessError
            Where another process, or one of a lower rank as well, failed.
        """
        if self.count == 1:
            yield
            return
        own: AmbisegError | OSError | None = None
        try:
            yield
        except (AmbisegError, OSError) as error:
            own = error
        failed = -self._reduced([-float(self.count if own is None else self.rank)], dist.ReduceOp.MAX)[0]
        if failed == self.count:
            return
        if own is not None and failed == self.rank:
            raise own
        raise OtherProcessError(f"process {failed:.0f} of this run failed")

    def error(self, message: str) -> AmbisegError:
        """What to raise for something that all processes found at once: the first one says it."""
        return ConfigError(message) if self.is_first else OtherProcessError(message)

    def wrapped(self, module: nn.Module) -> nn.Module:
        """The module with its gradients averaged over all processes at each backward pass."""
        if self.count == 1:
            return module
        # The time embedding's frequencies are the only buffer, the same everywhere.  Newer torch renamed the option.
        names = signature(DistributedDataParallel).parameters
        option = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
        options: dict[str, Any] = {option: False}
        return DistributedDataParallel(module, **options)

    @contextmanager
    def losses_told(self) -> Iterator[None]:
        """Tell a connection that broke, or a wait that was too long, as what it is.

        Raises
        ------
        DeviceError
            With the remedy.
        """
        try:
            yield
        except RuntimeError as error:
            known = isinstance(error, dist.DistError) or any(word in str(error).lower() for word in _LOST)
            if self.count == 1 or not known:
                raise
            raise DeviceError(
                f"process {self.rank} lost another process of this run: it ended, or did not answer for "
                f"{self.timeout:g} s; start the same command again, it goes on from what is saved"
            ) from error

    def _reduced(self, values: Sequence[float], operation: dist.ReduceOp.RedOpType) -> list[float]:
        shared = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(shared, operation)
        return [float(value) for value in shared]


@contextmanager
def joined_processes(device: str = "auto", timeout: float = 600.0) -> Iterator[Processes]:
    """Meet the processes that the environment names; without such an environment there is one.

    Parameters
    ----------
    device : "auto", "cpu", "cuda" or "cuda:N"; of several processes on one machine each takes its own GPU
    timeout : seconds for which one waits for another

    Raises
    ------
    ConfigError
        If the environment is not one that ``torchrun`` makes, or the timeout is not positive.
    DeviceError
        If the device is not there, or the others are not.
    """
    if timeout <= 0:
        raise ConfigError(f"the timeout must be positive, got {timeout:g} seconds")
    count = _from_environment("WORLD_SIZE", 1)
    if count == 1:
        alone = Processes(device=pick_device(device), timeout=timeout)
        with _current(alone.device):
            yield alone
        return
    rank, local_rank = _from_environment("RANK", None), _from_environment("LOCAL_RANK", None)
    failure: AmbisegError | None = None
    where = torch.device("cpu")
    try:
        where = _own_device(device, local_rank)
    except AmbisegError as error:
        failure = error  # told once the others are there to hear it
    processes = Processes(rank, count, where, timeout, os.getppid() if os.name == "posix" else None)
    with processes.losses_told(), _current(where):
        dist.init_process_group(
            "gloo" if where.type == "cpu" else "cpu:gloo,cuda:nccl",
            store=_meeting_place(rank, count, timeout),
            rank=rank,
            world_size=count,
            timeout=timedelta(seconds=timeout),
        )
        lost = False
        try:
            with processes.together():
                if failure is not None:
                    raise failure
            yield processes
        except (DeviceError, RuntimeError):
            lost = True
            raise
        finally:
            # Its threads must not outlive the interpreter; but where a process is lost, this would wait for it.
            if not lost:
                dist.destroy_process_group()


def is_first_process() -> bool:
    """Whether this process may speak; known before the processes meet."""
    return _from_environment("RANK", 0) == 0


def _meeting_place(rank: int, count: int, timeout: float) -> Store:
    """Where the processes find each other's addresses.

    The launcher keeps one store over all its restarts (torch 2.13), and a process that is early would find the address
    of a dead one there.  On one machine the count of restarts tells them apart; between machines it differs, and
    ``docs/cluster.md`` says what to set instead.
    """
    store, _, _ = next(rendezvous("env://", rank, count, timeout=timedelta(seconds=timeout)))
    store.set_timeout(timedelta(seconds=timeout))
    machines = _from_environment("GROUP_WORLD_SIZE", 1)
    return PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store) if machines == 1 else store


def _current(device: torch.device) -> AbstractContextManager[object]:
    """Streams, graphs and NCCL work on the GPU that is the current one."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _from_environment(name: str, default: int | None) -> int:
    text = os.environ.get(name, "" if default is None else str(default))
    try:
        return int(text)
    except ValueError:
        raise ConfigError(
            f"the environment has {name} = {text!r} and names several processes; "
            f"start them with torchrun --nproc-per-node N -m training train ..., or evaluate ..."
        ) from None


def _own_device(wish: str, local_rank: int) -> torch.device:
    if wish == "cpu" or (wish == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if wish not in ("auto", "cuda"):
        raise ConfigError(f"several processes cannot share the device {wish!r}; use cuda, each takes its own, or cpu")
    have = [name for name in available_devices() if name != "cpu"]
    if local_rank >= len(have):
        raise DeviceError(
            f"process {local_rank} of this machine has no GPU, there are {len(have)}; "
            f"start at most as many processes as GPUs, or choose --device cpu"
        )
    return torch.device(have[local_rank])
