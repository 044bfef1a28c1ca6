"""16 samples and 4 experts on 50 cases: six layers at most, and the next case is there in half a second (R21)."""

import time
from dataclasses import replace

import numpy as np

from napari_ambiseg.layers.book import role_of

from .conftest import N_CASES, N_SAMPLES, draw_all, settle


def fill(controller):
    """Give every case of the open split the drawing of the first one, moved a bit."""
    draw_all(controller)
    like = controller.results.run
    for index in range(1, N_CASES):
        case = controller.browser.read(index)
        by = (index % 9 - 4, index % 7 - 3)
        masks, x0_hat = np.roll(like.masks, by, (1, 2)), np.roll(like.x0_hat, by, (1, 2))
        origin = replace(like.origin, index=index)
        controller.runs.put(replace(like, case=case, origin=origin, masks=masks, x0_hat=x0_hat))


def test_fifty_cases_with_all_that_belongs_to_them_are_shown_quickly_in_six_layers(open_window, fifty_cases):
    controller = open_window()
    controller.opener.open_path(fifty_cases)
    controller.state.display.map = "votes"
    fill(controller)
    counts, works = [], []
    for index in range(N_CASES):
        settle()
        begun = time.thread_time()
        controller.opener.open_case(index)
        controller.tick()
        settle()
        works.append(time.thread_time() - begun)
        counts.append(len(controller.viewer.layers))
        assert controller.results.run.n == N_SAMPLES
        assert controller.case.n_experts == 4
    assert max(counts) <= 6
    assert {role_of(layer) for layer in controller.viewer.layers} >= {"image", "experts", "samples", "map"}
    assert max(works) < 0.5, np.round(works, 2)
