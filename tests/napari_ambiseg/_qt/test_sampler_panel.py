"""The dock that asks for samples: what it sends, what it offers, what it says."""

import math

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_ambiseg._qt.dock import pulse_of
from napari_ambiseg._qt.sampler_panel import SamplerPanel
from napari_ambiseg.controller import controller_of
from napari_ambiseg.known_models import KnownModels
from napari_ambiseg.layers.roles import TRAJECTORY
from napari_ambiseg.messages import Cancelled, Failed, Noted
from napari_ambiseg.state import PAUSED
from training.data.field import Field
from training.data.hdf5 import write_dataset
from training.model_card import SHIPPED
from training.postprocess import Cleaning
from training.records import AnnotatedSlice
from training.sampling_wish import SamplingWish

from ..played_engine import draw


@pytest.fixture
def controller(windowless, tmp_path):
    controller = controller_of(windowless)
    controller.models = KnownModels(memory=tmp_path / "models.json")
    controller.state.sampling.n_samples = 6
    return controller


@pytest.fixture
def opened(controller, qtbot):
    """Opens the dock."""

    def open_dock():
        panel = SamplerPanel(controller.viewer)
        qtbot.addWidget(panel)
        panel.refresh()
        return panel

    return open_dock


@pytest.fixture
def panel(controller, opened):
    """The dock beside an open case."""
    controller.opener.open_demo()
    return opened()


def offered(box):
    return [box.itemText(at) for at in range(box.count())]


def choose(box, name):
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex())


def test_generate_sends_what_the_panel_shows(panel, controller, engine):
    panel.samples.setValue(3)
    panel.steps.setValue(6)
    panel.seed.setValue(11)
    choose(panel.sampler, "ddpm")
    choose(panel.ways.grid, "uniform")
    choose(panel.ways.precision, "fp32")
    panel.generate.click()
    (request,) = engine.requests
    assert (request.n, request.seed) == (3, 11)
    assert request.wish == SamplingWish("ddpm", 6, "uniform", precision="fp32")
    assert request.case is controller.case


def test_what_is_left_to_the_model_is_shown_as_its_own_and_asked_as_nothing(panel, controller, engine):
    assert panel.sampler.currentText() == "auto: ddim"
    assert panel.steps.text() == "auto 10"
    assert panel.ways.grid.currentText() == "auto: trailing"
    assert panel.ways.eta.text() == "auto 0"
    panel.steps.setValue(20)
    panel.ways.eta.setValue(0.5)
    assert controller.state.sampling.wish == SamplingWish(steps=20, eta=0.5)
    panel.refresh()
    panel.ways.reset.click()
    panel.refresh()
    assert (panel.steps.text(), panel.ways.eta.text()) == ("auto 10", "auto 0")
    panel.generate.click()
    assert engine.requests[-1].wish == SamplingWish()


def test_eta_is_for_ddim_alone_and_guidance_for_models_that_have_it(panel, controller):
    assert panel.ways.eta.isEnabled()
    panel.ways.eta.setValue(0.5)
    choose(panel.sampler, "heun")
    panel.refresh()
    assert not panel.ways.eta.isEnabled()
    assert controller.state.sampling.wish == SamplingWish(sampler="heun")
    assert "only the sampler ddim" in panel.ways.eta.toolTip()
    assert not panel.ways.guidance.isEnabled()
    assert "not trained without images" in panel.ways.guidance.toolTip()


def test_a_reference_takes_no_wishes_and_another_model_begins_with_its_own(panel, controller):
    panel.steps.setValue(20)
    choose(panel.model, "experts")
    panel.refresh()
    assert controller.state.sampling.model == "experts"
    assert controller.state.sampling.wish == SamplingWish()
    assert not any(box.isEnabled() for box in (panel.sampler, panel.steps, panel.ways))
    assert "no model can do better" in panel.model.about.text()


def test_generate_cancel_pause_and_step_take_turns(panel, controller, engine):
    assert panel.generate.text() == "&Generate [G]"
    assert not panel.pause.isEnabled()
    panel.generate.click()
    engine.load()
    controller.tick()
    panel.refresh()
    assert panel.generate.text() == "&Cancel [G]"
    assert not panel.step.isEnabled()
    panel.pause.click()
    panel.refresh()
    assert controller.state.sampling.status == PAUSED
    assert (panel.pause.text(), panel.step.isEnabled()) == ("&Resume [P]", True)
    panel.step.click()
    panel.pause.click()
    assert engine.verbs == ["pause", "step once", "resume"]
    before = len(engine.cancelled)
    panel.generate.click()
    panel.refresh()
    assert len(engine.cancelled) == before + 1
    assert not panel.generate.isEnabled()  # it is being cancelled
    engine.answer(Cancelled(1))
    controller.tick()
    panel.refresh()
    assert panel.generate.text() == "&Generate [G]"


def test_without_a_case_nothing_can_be_drawn_or_copied(opened):
    panel = opened()
    assert not panel.generate.isEnabled()
    assert not panel.copy.isEnabled()
    assert panel.message.text() == "open a case first"


def test_in_a_blind_reading_nothing_is_drawn_and_nothing_told(panel, controller):
    controller.state.sampling.message = "6 samples in 3.0 s"
    controller.state.reading.blind = True
    panel.refresh()
    assert not panel.generate.isEnabled()
    assert panel.message.text() == "Blind read: reveal to see"


def test_the_devices_are_offered_with_their_makers_names_and_free_memory(panel, controller, engine):
    assert offered(panel.device) == ["auto"]
    controller.tick()
    panel.refresh()
    assert offered(panel.device) == [
        "auto: Some GPU, 12 GB free", "Some GPU, 12 GB free", "Some CPU, 1 GB free"
    ]  # fmt: skip
    assert panel.device.toolTip().endswith("Now cuda:0: Some GPU, 12 of 16 GB free")
    choose(panel.device, "cpu")
    panel.generate.click()
    assert engine.requests[-1].device == "cpu"


def test_a_device_that_was_set_is_shown_before_the_process_told_of_any(controller, opened):
    controller.state.sampling.device = "cuda:3"
    panel = opened()
    assert panel.device.currentText() == "cuda:3"


def test_about_how_long_it_will_take_is_said_before(panel, controller):
    assert panel.message.text() == "ready"
    for seconds, text in ((0.2, "less than a second"), (9.3, "about 9 s"), (240, "about 4 min")):
        controller.state.sampling.seconds = seconds
        panel.refresh()
        assert panel.message.text() == f"6 samples of 128 x 128 pixels: {text}"
    controller.state.sampling.seconds = math.nan
    controller.state.sampling.problem = "no device 'cuda:9' on this machine"
    panel.refresh()
    assert panel.caution.text() == "no device 'cuda:9' on this machine"


def test_another_size_than_the_models_is_cautioned(panel, controller):
    assert not panel.caution.isVisibleTo(panel)
    controller.state.placing.field = Field(0, 0, 64, 96)
    panel.refresh()
    assert panel.caution.text() == "Made for 128 x 128 pixels; here it sees 64 x 96."


def test_a_synthetic_model_on_a_slice_that_is_none_is_cautioned(panel, controller, monkeypatch):
    monkeypatch.setattr("napari_ambiseg.cautions.is_phantom", lambda _: False)
    panel.refresh()
    assert "has seen synthetic slices only" in panel.caution.text()


def test_that_memory_ran_out_stays_to_be_read(panel, controller, engine):
    panel.generate.click()
    engine.load()
    engine.answer(Noted(1, "memory ran out with 8 samples at once; going on with 4"))
    controller.tick()
    panel.refresh()
    assert "going on with 4" in panel.caution.text()


def test_where_the_gpu_failed_the_cpu_is_one_click_away(panel, controller, engine):
    assert not panel.on_cpu.isVisibleTo(panel)
    panel.generate.click()
    engine.load(device="cuda:0")
    engine.answer(Failed(1, "cuda:0 has too little memory for one sample"))
    controller.tick()
    panel.refresh()
    assert panel.on_cpu.isVisibleTo(panel)
    panel.on_cpu.click()
    assert engine.requests[-1].device == "cpu"
    panel.refresh()
    assert not panel.on_cpu.isVisibleTo(panel)


def test_another_seed_is_one_click_away(panel, controller):
    panel.new_seed.click()
    assert controller.state.sampling.seed == 1
    controller.state.sampling.seed = 2**31 - 1
    panel.new_seed.click()
    assert controller.state.sampling.seed == 0


def test_the_command_of_what_is_shown_is_copied_and_before_that_of_what_is_wished(panel, controller, engine):
    controller.state.sampling.seed = 5
    panel.copy.click()
    assert "--seed 5" in QApplication.clipboard().text()
    draw(controller, engine)
    controller.state.sampling.seed = 6
    panel.copy.click()
    command = QApplication.clipboard().text()
    assert "--seed 5" in command
    assert "ambiseg sample demo demo.hdf5" in command


def test_the_model_can_be_unloaded_once_there_is_one(panel, controller, engine):
    assert not panel.unload.isEnabled()
    draw(controller, engine)
    panel.refresh()
    panel.unload.click()
    panel.refresh()
    assert engine.stopped
    assert "512 MB" in panel.message.text()
    assert not panel.unload.isEnabled()


@pytest.mark.parametrize("chosen", [str(SHIPPED / "demo.safetensors"), "", "/no/such.safetensors"])
def test_a_checkpoint_may_be_chosen_and_the_choice_be_called_off(panel, controller, monkeypatch, told, chosen):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (chosen, ""))
    choose(panel.model, "choose a checkpoint ...")
    panel.refresh()
    good = chosen.startswith(str(SHIPPED))
    assert controller.state.sampling.model == panel.model.currentData() == (chosen if good else "demo")
    assert len(told()) == (chosen == "/no/such.safetensors")


def test_a_run_folder_without_a_checkpoint_is_one_notification(panel, controller, monkeypatch, told, tmp_path):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    choose(panel.model, "choose a training folder ...")
    assert "no complete checkpoint" in told()[0]
    assert panel.model.currentData() == "demo"


def test_a_model_that_is_gone_says_so_in_place_of_its_card(panel, controller):
    controller.state.sampling.model = "/gone/model.safetensors"
    panel.refresh()
    assert panel.model.currentText() == "gone/model.safetensors"
    assert "no model" in panel.model.about.text()


def test_provenance_is_shown_when_the_samples_are_there(panel, controller, engine):
    controller.state.sampling.seed = 7
    draw(controller, engine)
    panel.refresh()
    assert panel.message.text() == "6 samples in 1.0 s"
    assert panel.provenance.text() == "model demo, samples 6, seed 7"
    assert panel.bar.value() == 100


def test_what_the_state_says_is_no_wish_of_the_users(panel, controller):
    """Showing a number must not ask for it: else what the model does by itself becomes a wish."""
    panel.refresh()
    panel.refresh()
    assert controller.state.sampling.wish == SamplingWish()


def test_the_states_of_a_walk_are_wanted_only_while_somebody_can_see_them(quiet_controller, engine, make_dock):
    panel, controller = make_dock(SamplerPanel), quiet_controller  # which shows no states
    controller.opener.open_demo()
    draw(controller, engine)
    pulse, layer = pulse_of(controller.viewer), controller.layers.find(TRAJECTORY)
    pulse._on_timeout()
    assert engine.verbs == []
    layer.visible = False
    pulse._on_timeout()
    assert engine.verbs == ["look away"]
    panel.watches = True  # the window of these tests is never shown, so neither is any dock
    pulse._on_timeout()
    assert engine.verbs == ["look away"]
    panel.is_in_sight = lambda: True
    pulse._on_timeout()
    assert engine.verbs == ["look away", "watch"]


def test_a_blind_read_does_not_copy_where_the_experts_marked_something(controller, opened, tmp_path):
    masks = np.zeros((4, 512, 512), bool)
    masks[:, 400:420, 60:80] = True
    large = AnnotatedSlice(np.eye(512, dtype=np.float32), masks, "p", "k")
    write_dataset(tmp_path / "large.hdf5", {"train": [large]}, {})
    controller.opener.open_path(tmp_path / "large.hdf5")
    controller.tick()
    panel = opened()
    panel.copy.click()
    assert "--field" in QApplication.clipboard().text()  # what would tell
    controller.reader.toggle()
    controller.tick()
    panel.refresh()
    QApplication.clipboard().setText("nothing")
    panel.copy.click()
    assert QApplication.clipboard().text() == "nothing"


def test_post_processing_is_told_beside_the_samples_and_can_be_taken_back(panel, controller, engine):
    assert panel.cleaning.isHidden()
    draw(controller, engine)
    controller.state.postprocessing.cleaning = Cleaning(relative_area=0.8)
    controller.tick()
    panel.refresh()
    assert not panel.cleaning.isHidden()
    assert panel.cleaning.text.text() == "shown after post-processing: relative area 0.80"
    controller.reader.toggle()
    panel.refresh()
    assert panel.cleaning.isHidden()
    controller.reader.toggle()
    panel.refresh()
    panel.cleaning.reset.click()
    panel.refresh()
    assert controller.state.postprocessing.cleaning == Cleaning()
    assert panel.cleaning.isHidden()
