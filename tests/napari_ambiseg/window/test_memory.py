"""A long sitting in a real window: neither memory nor layers grow with the cases that were looked at."""

import gc

import psutil
import pytest

from napari_ambiseg.layers.book import role_of

from .conftest import N_CASES, draw_all, settle

_WARM_UP = 10  # cases


def kept_bytes(controller):
    """Of the drawings, which are kept up to a bound of their own."""
    return sum(run.nbytes + run.case.image.nbytes + run.case.masks.nbytes for run in controller.runs.all())


def resident_bytes():
    gc.collect()
    return psutil.Process().memory_info().rss


def sit(controller, path, cases):
    """Draw for so many cases; resident memory without what is kept for the user, and layers, after each one."""
    controller.opener.open_path(path)
    controller.state.display.map = "votes"
    memory, layers = [], []
    for index in range(cases):
        controller.opener.open_case(index)
        draw_all(controller)
        settle(0.05)
        assert controller.results.run.origin.index == index
        assert controller.results.masks.any()
        memory.append(resident_bytes() - kept_bytes(controller))
        layers.append(sorted(role_of(layer) for layer in controller.viewer.layers))
    return memory, layers


def require_level(controller, path, cases):
    memory, layers = sit(controller, path, cases)
    assert memory[-1] < 1.05 * memory[_WARM_UP - 1], " ".join(f"{held / 1e6:.0f}" for held in memory)
    assert layers == [["experts", "image", "map", "samples", "trajectory"]] * cases
    runs = controller.runs.all()
    assert len(runs) == cases
    assert sum(run.walk_bytes for run in runs) <= 2**27
    assert runs[0].frames is None  # gone first
    assert runs[-1].frames is not None


@pytest.mark.long
def test_memory_and_layers_stay_level_over_some_cases(open_window, fifty_cases):
    require_level(open_window(), fifty_cases, 20)


@pytest.mark.slow
def test_memory_and_layers_stay_level_over_fifty_cases(open_window, fifty_cases):
    require_level(open_window(), fifty_cases, N_CASES)
