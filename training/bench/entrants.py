"""Who competes where a network runs: our own engine, the plain loop on the same network, and the peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn

from training.bench.outcome import Fact, Group, Row
from training.bench.peers import NEEDS, absent
from training.bench.roofline import PRECISIONS, held_mib, product_contenders, product_gflop
from training.bench.rounds import Contender, chosen, interleave
from training.config import Config
from training.precision import Precision, exactly

OURS, PLAIN = "ours", "plain"

# By name: whose code, and in which precision.
ENTRANTS: Mapping[str, tuple[str, Precision]] = {
    f"{owner}-{precision}": (owner, precision)
    for owner in (OURS, PLAIN, *NEEDS)
    for precision in PRECISIONS
    if (owner, precision) != (PLAIN, "bf16")
}


@dataclass(frozen=True, eq=False)
class Entrant:
    """One contender, warmed up.

    Parameters
    ----------
    name : of `ENTRANTS`
    network : which it runs
    gflop : of one call
    call : does the work once
    facts : further columns, its accuracy first of all
    memory_mib : of a GPU, see `training.bench.roofline.held_mib`
    """

    name: str
    network: nn.Module
    gflop: float
    call: Callable[[], object]
    facts: Mapping[str, Fact]
    memory_mib: float | None

    @property
    def precision(self) -> Precision:
        """Of the network."""
        return ENTRANTS[self.name][1]


# A network, what does the work once, and further columns.
Built = tuple[nn.Module, Callable[[], object], Mapping[str, Fact]]


def arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """What all that an entrant computes runs in: no row of float32 has TF32, whatever the switches are.

    Bfloat16 is nothing here: each entrant asks for it around its network alone.
    """
    return exactly(device, "fp32") if precision == "fp32" else nullcontext()


def entered(name: str, device: torch.device, gflop: float, build: Callable[[], Built]) -> Entrant:
    """One entrant, its memory measured while it is built; all of it in the `arithmetic` of its precision.

    Parameters
    ----------
    name : of `ENTRANTS`
    device : where
    gflop : of one call
    build : makes it, with a network and an optimizer of its own, and runs it until it is warm
    """
    _, precision = ENTRANTS[name]
    with arithmetic(device, precision):
        (network, work, facts), memory = held_mib(build, device)

    def call() -> object:
        with arithmetic(device, precision):
            return work()

    return Entrant(name, network, gflop, call, facts, memory)


def entrants_asked_for(only: Sequence[str], config: Config) -> tuple[dict[str, list[Precision]], tuple[str, ...]]:
    """Who is to run, and why others cannot.

    Parameters
    ----------
    only : of `ENTRANTS`; none is all that can run here
    config : of the network

    Returns
    -------
    precisions by owner; and one line for each peer that is missing

    Raises
    ------
    ConfigError
        On an unknown name, or one that cannot run here.
    """
    missing = absent(config)
    known = [name for name, (owner, _) in ENTRANTS.items() if owner not in missing]
    reasons = {name: missing[owner] for name, (owner, _) in ENTRANTS.items() if owner in missing}
    asked: dict[str, list[Precision]] = {}
    for name in chosen(only, known, reasons):
        owner, precision = ENTRANTS[name]
        asked.setdefault(owner, []).append(precision)
    return asked, tuple(f"{owner}: {reason}" for owner, reason in missing.items())


def compete(
    title: str,
    entrants: Sequence[Entrant],
    images: int,
    rounds: int,
    device: torch.device,
    peak_tflops: float | None = None,
    tick: Callable[[str], None] = lambda _: None,
) -> tuple[Group, Group]:
    """Time all in turns, a matrix product in each precision among them.

    Parameters
    ----------
    title : of the work
    entrants : who
    images : that go through the network, or to and fro, in one call of an entrant
    rounds, device, tick : as `training.bench.rounds.interleave`
    peak_tflops : of the device in bfloat16, for the share of it

    Returns
    -------
    the entrants, and the products
    """
    products = product_contenders(device)
    contenders = [*products, *(Contender(entrant.name, entrant.call) for entrant in entrants)]
    seconds = interleave(contenders, rounds, device, tick)
    product_rates = {
        precision: product_gflop(device) / median(seconds[product.name])
        for precision, product in zip(PRECISIONS, products, strict=True)
    }

    def facts(entrant: Entrant) -> dict[str, Fact]:
        rate = entrant.gflop / median(seconds[entrant.name])
        columns = {
            **entrant.facts,
            "parameters": sum(parameter.numel() for parameter in entrant.network.parameters()),
            "GFLOP/image": entrant.gflop / images,
            "GFLOP/s": rate,
            "% of product": 100 * rate / product_rates[entrant.precision],
        }
        if peak_tflops is not None and entrant.precision == "bf16":
            columns["% of peak"] = 100 * rate / (1e3 * peak_tflops)
        if entrant.memory_mib is not None:
            columns["GPU MiB"] = entrant.memory_mib
        return columns

    rows = tuple(Row(entrant.name, seconds[entrant.name], facts(entrant)) for entrant in entrants)
    product_rows = tuple(
        Row(product.name, seconds[product.name], {"GFLOP/s": rate})
        for product, rate in zip(products, product_rates.values(), strict=True)
    )
    baselines = tuple(f"{OURS}-{precision}" for precision in PRECISIONS)
    return Group(title, rows, baselines), Group("One matrix product, in the same rounds", product_rows, ())
