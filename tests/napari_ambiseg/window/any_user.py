"""A user who does whatever can be done, in whatever order; the sampling processes are played.

A state machine opens cases, places fields, draws, cancels, deletes and renames layers, closes docks, reads blind,
compares, post-processes, saves and goes back.  Every answer can come at any moment, late and stale ones included.
"""

from __future__ import annotations

from dataclasses import replace
from functools import wraps

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from qtpy.QtWidgets import QApplication

from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.layers.book import role_of
from napari_ambiseg.layers.maps import MAPS
from napari_ambiseg.layers.roles import FIELD
from napari_ambiseg.notices import notifying
from napari_ambiseg.state import IDLE
from training.sampling_wish import SamplingWish

from ..played_engine import draw

_MOST_LAYERS = 6  # of ours, unless two runs stand side by side


def only_if(holds):
    """Makes a rule of a method, which does nothing where it has no sense.

    Not hypothesis' own `precondition`: how far the windows are is a matter of time too, and of the sequences before.
    """

    def decorate(method):
        @wraps(method)
        def act(self, **chosen):
            if holds(self):
                method(self, **chosen)

        return act

    return decorate


class User(RuleBasedStateMachine):
    """One user before two windows, which are made by the test and shared by all sequences.

    Attributes
    ----------
    viewer, other : the window that the user is at, and a second one
    file : slices larger than the model's, in HDF5
    session : where a session is saved
    engines : all that were made, those of lists that are drawn behind too
    """

    viewer = other = None
    file = session = None
    engines = ()

    @initialize()
    def begin(self):
        self.controller, self.second = controller_of(self.viewer), controller_of(self.other)
        self.state, self.engine = self.controller.state, self.controller.engine
        self.session.unlink(missing_ok=True)
        self.controller.comparer.leave()
        self.controller.drawing.cancel()
        self.viewer.layers.clear()
        self.docks = open_all_docks(self.viewer)
        self.controller.opener.open_demo()
        self.state.sampling.n_samples, self.state.sampling.wish = 3, SamplingWish()
        self.steps = 0
        self.settle()

    def settle(self):
        for controller in (self.controller, self.second):
            controller.tick()
        QApplication.processEvents()

    # -- the case --------------------------------------------------------------------------------------------------

    @rule(by=st.sampled_from((-2, -1, 1, 3)))
    def go_to_another_case(self, by):
        self.controller.opener.next_case(by)

    @rule()
    def open_the_demo_again(self):
        self.controller.opener.open_demo()

    @rule()
    def open_large_slices(self):
        self.controller.opener.open_path(self.file)

    @rule(by=st.sampled_from(((-9, 0), (0, 300), (40, -7))))
    @only_if(lambda self: self.state.placing.field is not None)
    def move_the_field(self, by):
        self.controller.placer.move(*by)

    @rule(at=st.sampled_from(((0, 0), (130, 90), (500, 12))))
    def place_the_field(self, at):
        self.controller.placer.put(at)

    @rule(first=st.sampled_from(((0, 0), (30, 90))), second=st.sampled_from(((33, 92), (100, 60))))
    def place_a_box(self, first, second):
        self.controller.placer.put_box(first, second)

    @rule(whole=st.booleans())
    def give_the_field_back(self, whole):
        placer = self.controller.placer
        placer.take_whole() if whole else placer.reset()

    @rule()
    @only_if(lambda self: self.state.browsing.index >= 0)
    def save_the_session(self):
        with notifying():
            self.controller.session.save(self.session)

    @rule()
    @only_if(lambda self: self.session.exists())
    def go_back_to_the_session(self):
        self.controller.opener.open_path(self.session)

    # -- the drawing -----------------------------------------------------------------------------------------------

    @rule(n=st.integers(1, 5), seed=st.integers(0, 3))
    def generate(self, n, seed):
        self.state.sampling.n_samples, self.state.sampling.seed = n, seed
        self.controller.generate()
        self.steps = 0
        assert len(self.engine.requests) > 0

    @rule()
    @only_if(lambda self: self.engine.requests)
    def the_model_is_loaded(self):
        self.engine.load()

    @rule()
    @only_if(lambda self: self.engine.requests and self.state.playback.n_frames > len(self.state.playback.times))
    def a_step_comes(self):
        self.engine.step(len(self.state.playback.times))
        self.settle()

    @rule()
    @only_if(lambda self: self.engine.requests and self.state.sampling.status != IDLE)
    def the_samples_come(self):
        self.engine.finish()

    @rule()
    def cancel(self):
        self.controller.drawing.cancel()

    @rule()
    def pause(self):
        self.controller.drawing.pause()

    @rule()
    def unload(self):
        self.controller.drawing.unload()

    @rule(indices=st.sampled_from(((0, 1), (2,), range(4))))
    def draw_a_list(self, indices):
        with notifying():
            self.controller.backlog.start(indices)

    @rule()
    def a_case_of_the_list_comes(self):
        for behind in self.engines:
            if behind not in (self.engine, self.second.engine) and behind.requests and not behind.stopped:
                behind.finish()

    # -- the other window ------------------------------------------------------------------------------------------

    @rule(by=st.sampled_from((-1, 1)))
    def another_case_in_the_other_window(self, by):
        self.second.opener.open_demo() if self.second.case is None else self.second.opener.next_case(by)

    @rule()
    def draw_in_the_other_window(self):
        draw(self.second, self.second.engine)

    @rule(at=st.integers(0, 20))
    @only_if(lambda self: len(self.other.layers))
    def delete_a_layer_of_the_other_window(self, at):
        del self.other.layers[at % len(self.other.layers)]

    # -- the layers ------------------------------------------------------------------------------------------------

    @rule(at=st.integers(0, 20))
    @only_if(lambda self: len(self.viewer.layers))
    def delete_a_layer(self, at):
        del self.viewer.layers[at % len(self.viewer.layers)]

    @rule(at=st.integers(0, 20), name=st.sampled_from(("image", "samples", "x", "experts")))
    @only_if(lambda self: len(self.viewer.layers))
    def rename_a_layer(self, at, name):
        self.viewer.layers[at % len(self.viewer.layers)].name = name

    @rule(at=st.integers(0, 20))
    @only_if(lambda self: len(self.viewer.layers))
    def switch_a_layer(self, at):
        layer = self.viewer.layers[at % len(self.viewer.layers)]
        layer.visible = not layer.visible

    @rule(at=st.integers(0, 20))
    @only_if(lambda self: 0 < len(self.viewer.layers) < 15)
    def duplicate_a_layer(self, at):
        layer = self.viewer.layers[at % len(self.viewer.layers)]
        self.viewer.layers.selection = {layer}
        from napari.layers._layer_actions import _duplicate_layer

        _duplicate_layer(self.viewer.layers)

    @rule()
    @only_if(lambda self: len(self.viewer.layers) < 15)
    def add_a_volume_of_ones_own(self):
        self.viewer.add_image(np.zeros((3, 16, 16), np.float32), name="mine")

    @rule(at=st.integers(0, 20), to=st.integers(0, 20))
    @only_if(lambda self: len(self.viewer.layers) > 1)
    def move_a_layer(self, at, to):
        count = len(self.viewer.layers)
        self.viewer.layers.move(at % count, to % count)

    @rule()
    def everything_away(self):
        self.viewer.layers.clear()

    # -- what is shown ---------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(MAPS))
    def choose_a_map(self, name):
        self.state.display.map = name

    @rule(pair=st.sampled_from((("A", "B"), ("A", "1"), ("2", "3"), ("D", "9"))))
    def choose_a_pair(self, pair):
        self.state.display.pair = pair

    @rule(hidden=st.sampled_from(((), (1,), (1, 2, 3, 4))), summary=st.booleans(), agreement=st.integers(0, 5))
    def choose_outlines(self, hidden, summary, agreement):
        display = self.state.display
        display.hidden_experts, display.summary, display.agreement = hidden, summary, agreement

    @rule(r=st.sampled_from((0.0, 0.5, 1.0)), smallest=st.sampled_from((0, 30)), fill=st.booleans())
    def post_process(self, r, smallest, fill):
        wish = self.state.postprocessing
        wish.cleaning = replace(wish.cleaning, relative_area=r, smallest_object=smallest, fill_holes=fill)

    @rule(tau=st.sampled_from((-0.5, 0.0, 0.5)))
    def threshold(self, tau):
        wish = self.state.postprocessing
        wish.cleaning = replace(wish.cleaning, threshold=tau)

    @rule(by=st.sampled_from((-1, 1)))
    def step(self, by):
        self.controller.player.step(by)

    @rule()
    def next_sample(self):
        self.controller.player.next_sample()

    @rule(quantity=st.sampled_from(("x_t", "x0_hat")))
    def look_at(self, quantity):
        self.state.playback.quantity = quantity

    @rule()
    def bare(self):
        self.controller.bare.toggle()

    # -- reading, comparing, sliders -------------------------------------------------------------------------------

    @rule()
    def read_blind_or_reveal(self):
        self.controller.reader.toggle()

    @rule()
    def flag(self):
        self.controller.reader.next_flag()

    @rule()
    def pin(self):
        self.controller.comparer.pin()

    @rule()
    def runs_side_by_side(self):
        self.controller.comparer.show_runs()

    @rule()
    def experts_side_by_side(self):
        self.controller.comparer.show_experts()

    @rule()
    def leave_the_comparison(self):
        self.controller.comparer.leave()

    @rule(axis=st.integers(0, 4), to=st.integers(0, 9))
    def move_a_slider_of_napari(self, axis, to):
        if axis < self.viewer.dims.ndim:
            self.viewer.dims.set_current_step(axis, to)

    @rule()
    def close_the_docks(self):
        for dock in open_all_docks(self.viewer).values():
            dock.parent().destroyOnClose()

    @rule()
    def open_the_docks(self):
        open_all_docks(self.viewer)

    @rule()
    def time_passes(self):
        self.settle()

    # -- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def all_is_as_it_should_be(self):
        if hasattr(self, "controller"):
            self.settle()
            for controller in (self.controller, self.second):
                require_one_layer_for_one_thing(controller)
                require_nothing_told_in_a_blind_read(controller)
                require_a_state_that_agrees_with_itself(controller)
            assert not {id(layer) for layer in self.viewer.layers} & {id(layer) for layer in self.other.layers}


def require_one_layer_for_one_thing(controller):
    layers = [layer for layer in controller.viewer.layers if role_of(layer) is not None]
    roles = [role_of(layer) for layer in layers]
    assert len(set(roles)) == len(roles), roles
    if not controller.state.comparing.shown:
        assert len(roles) <= _MOST_LAYERS, roles
    if (field := controller.layers.find(FIELD)) is not None:
        assert field.metadata["ambiseg"]["field"] == str(controller.state.placing.field)


def require_nothing_told_in_a_blind_read(controller):
    if controller.state.reading.blind:
        shown = {role_of(layer) for layer in controller.viewer.layers if layer.visible}
        assert not shown & {"experts", "samples", "map", "trajectory", "field"}


def require_a_state_that_agrees_with_itself(controller):
    playback, results = controller.state.playback, controller.results
    assert len(playback.times) == len(playback.log_snr) == len(playback.measures) <= max(playback.n_frames, 0)
    assert not playback.times or 0 <= playback.frame < max(playback.n_frames, 1)
    assert controller.state.disagreement.processed is None or results.run is not None
    assert results.run is None or results.run.origin == controller.browser.origin
    assert 0 <= controller.state.sampling.progress <= 1
