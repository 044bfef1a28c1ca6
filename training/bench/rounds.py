"""The one way in which time is taken: all contenders in turns, in one process, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from training.errors import ConfigError

MAX_ROUNDS = 10_000


@dataclass(frozen=True)
class Contender:
    """Something that can be timed.

    Parameters
    ----------
    name : what the user calls it, ``OWNER-VARIANT``
    call : does the work once; what it returns is let go of outside of the time
    """

    name: str
    call: Callable[[], object]


def interleave(
    contenders: Sequence[Contender],
    rounds: int,
    device: torch.device | None = None,
    tick: Callable[[str], None] = lambda _: None,
) -> dict[str, tuple[float, ...]]:
    """Seconds of each contender in each round.

    Every round runs every contender once, A B C A B C: what else the machine does then hits all of them, and the
    ratios within a round stand when the times themselves swing.  Warming up is the caller's: whoever compares results
    has run everything once before.

    Parameters
    ----------
    contenders : with names of their own
    rounds : how often each is run
    device : whose queue is waited for at both ends of a call; None is the CPU
    tick : told the name after each call

    Returns
    -------
    Seconds by name, in the order of the rounds

    Raises
    ------
    ConfigError
        If there is no round at all, or more than `MAX_ROUNDS`.
    """
    require_rounds(rounds)
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            seconds[contender.name].append(time_once(contender.call, device))
            tick(contender.name)
    return {name: tuple(times) for name, times in seconds.items()}


def time_once(call: Callable[[], object], device: torch.device | None = None) -> float:
    """Wall time of one call in seconds, the device's queue empty before and after it."""
    _wait_for(device)
    begin = time.perf_counter()
    result = call()
    _wait_for(device)
    took = time.perf_counter() - begin
    del result
    return took


def require_rounds(rounds: int) -> None:
    """Refuse a number of rounds that measures nothing, or for ever."""
    if not 1 <= rounds <= MAX_ROUNDS:
        raise ConfigError(f"a measurement needs at least 1 round and at most {MAX_ROUNDS}, got {rounds}")


def chosen(only: Sequence[str], known: Sequence[str], absent: Mapping[str, str]) -> list[str]:
    """The contenders that a user asked for, in the order in which they are known; no name is all of them.

    Parameters
    ----------
    only : names; empty is all
    known : names of those that can run here
    absent : why others cannot, by name

    Raises
    ------
    ConfigError
        On a name that there is not, with those that there are, or that cannot run here, with the reason.
    """
    for name in only:
        if name in absent:
            raise ConfigError(f"{name}: {absent[name]}")
        if name not in known:
            raise ConfigError(f"unknown contender {name!r}; choose from: {', '.join([*known, *absent])}")
    return [name for name in known if not only or name in only]


def _wait_for(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
