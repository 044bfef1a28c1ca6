"""What is written is what is shown, beside the window, and never half."""

import csv
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image

from napari_ambiseg.background import Background
from napari_ambiseg.controller import Controller
from napari_ambiseg.engine import Engine
from napari_ambiseg.layers.roles import READING
from napari_ambiseg.messages import Cancelled
from napari_ambiseg.products import FIGURE, MASKS, MOVIE, NUMBERS, PAGE, PRODUCTS, READINGS, Options, require_suffix
from training.data.field import Field
from training.errors import ConfigError
from training.export.frames import Look
from training.metrics.glossary import NAMES
from training.postprocess import Cleaning

from .fake_engine import FAKE
from .played_engine import STEPS, draw

OF_CASE = [product for product in PRODUCTS if product != READINGS]  # what is made of samples


@pytest.fixture
def shown(controller, engine, file):
    """A case with six samples."""
    controller.opener.open_path(file)
    draw(controller, engine)
    return controller


def write(controller, product, path, options=None):
    controller.output.write(product, path, options or Options())
    wait(controller)
    return controller.state.output


def wait(controller):
    end = time.monotonic() + 60
    while controller.state.output.writing:
        assert time.monotonic() < end
        controller.output.update()
        time.sleep(0.005)


def test_masks_are_those_that_are_shown_with_their_walk(shown, tmp_path):
    shown.state.postprocessing.cleaning = Cleaning(relative_area=0.5)
    state = write(shown, MASKS, tmp_path / "m.hdf5")
    assert (state.message, state.written) == ("m.hdf5 is written", str(tmp_path / "m.hdf5"))
    run = shown.results.run
    with h5py.File(tmp_path / "m.hdf5") as file:
        np.testing.assert_array_equal(file["samples"], run.masks)
        np.testing.assert_array_equal(file["cleaned"], Cleaning(relative_area=0.5).apply(run.masks))
        np.testing.assert_array_equal(file["experts"], shown.case.masks)
        assert file["trajectory/x_t"].shape == (STEPS + 1, *run.masks.shape)
        np.testing.assert_array_equal(file["trajectory/x_t"][:, 3], run.frames.x_t[3])
        np.testing.assert_array_equal(file["trajectory/step"], range(STEPS + 1))
        assert file.attrs["cleaning"] == "--postprocess 0.5"
        assert file.attrs["key"] == shown.case.key


def test_numbers_are_those_of_the_dock(shown, tmp_path):
    write(shown, NUMBERS, tmp_path / "n.csv")
    with (tmp_path / "n.csv").open(newline="") as file:
        scores = {row["name"]: row["value"] for row in csv.DictReader(file) if row["part"] == "score"}
    assert tuple(scores) == NAMES
    assert float(scores["ged_v"]) == shown.state.disagreement.raw.ged_v


def test_masks_of_a_field_go_back_to_their_place(controller, engine, file, tmp_path):
    controller.opener.open_path(file)
    controller.state.placing.field = Field(8, 16, 32, 24)
    draw(controller, engine)
    write(controller, MASKS, tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        assert arrays["samples"].shape[1:] == controller.case.image.shape
        np.testing.assert_array_equal(arrays["samples"][:, 8:40, 16:40], controller.results.run.masks)
        assert arrays["samples"].sum() == controller.results.run.masks.sum()


@pytest.mark.parametrize("name", ["m.npz", "m.hdf5"])
def test_masks_of_a_real_process_are_written_whole(viewer, file, tmp_path, name):
    """What the process tells of its model stands beside the masks, never in their place."""
    controller = Controller(viewer, Engine(FAKE))
    try:
        controller.opener.open_path(file)
        controller.state.sampling.model, controller.state.sampling.n_samples = "one-go", 5
        controller.generate()
        end = time.monotonic() + 30
        while controller.results.masks is None:
            assert time.monotonic() < end
            controller.tick()
            time.sleep(0.005)
        run = controller.results.run
        assert run.masks.any()
        assert (run.about["n"], run.about["seed"]) == (5, 0)
        write(controller, MASKS, tmp_path / name)
        with (np.load if name == "m.npz" else h5py.File)(tmp_path / name) as kept:
            np.testing.assert_array_equal(kept["samples"], run.masks)
            np.testing.assert_array_equal(kept["experts"], controller.case.masks)
            about = kept if name == "m.npz" else kept.attrs
            assert (about["model"], about["seed"], about["key"]) == ("one-go", 0, controller.case.key)
    finally:
        controller.close()


def test_page_and_figure_are_written_with_note_and_command(shown, tmp_path):
    shown.state.reading.note, shown.state.reading.flag = "a <note>", "!"
    write(shown, FIGURE, tmp_path / "f.png", Options(dpi=50))
    assert Image.open(tmp_path / "f.png").width == pytest.approx(355, abs=1)
    write(shown, PAGE, tmp_path / "p.html")
    html = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "a &lt;note&gt;" in html
    assert "important" in html
    assert "ambiseg sample demo" in html


def test_a_movie_shows_the_chosen_sample_and_can_be_cancelled(shown, tmp_path):
    write(shown, MOVIE, tmp_path / "m.gif", Options(look=Look(sample=1)))
    with Image.open(tmp_path / "m.gif") as gif:
        assert gif.n_frames == STEPS + 1
    shown.output.write(MOVIE, tmp_path / "other", Options(look=Look()))
    shown.output.cancel()
    wait(shown)
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith((".other", "other"))]
    if shown.state.output.written:  # it was quicker
        assert left == ["other"]
    else:
        assert left == []
        assert "cancelled" in shown.state.output.message


def test_a_walk_that_was_broken_off_can_still_be_filmed(controller, engine, file, tmp_path):
    controller.opener.open_path(file)
    controller.generate()
    engine.load()
    engine.step(0, 1, 2)
    for _ in range(20):
        controller.tick()
    assert controller.output.problem(MOVIE) == "The masks are still being drawn."
    controller.drawing.cancel()
    engine.answer(Cancelled(1))
    controller.tick()
    assert controller.output.problem(MASKS) == "Generate samples first."
    assert controller.output.problem(MOVIE) == ""
    walked = controller.output.shown.walked()
    assert (walked.steps, walked.n_steps) == ((0, 1, 2), STEPS)
    write(controller, MOVIE, tmp_path / "m.gif", Options(look=Look(sample=0)))
    with Image.open(tmp_path / "m.gif") as gif:
        assert gif.n_frames == 3


def test_what_cannot_be_written_says_why(controller, engine, file, tmp_path):
    assert controller.output.problem(READINGS).startswith("Open a case first")
    for product in OF_CASE:
        assert "generate samples first" in controller.output.problem(product).lower()
        with pytest.raises(ConfigError, match=r"(?i)generate samples first"):
            controller.output.write(product, tmp_path / "x")
    controller.opener.open_path(file)
    draw(controller, engine)
    controller.opener.next_case()
    assert controller.output.problem(MASKS) == "Generate samples first."  # not those of the case before
    controller.opener.next_case(-1)
    assert controller.output.problem(MASKS) == ""
    controller.state.reading.blind = True
    assert {controller.output.problem(product) for product in PRODUCTS} == {"This is a blind read: reveal first."}


def test_one_thing_at_a_time(shown, tmp_path):
    shown.output.write(MOVIE, tmp_path / "a")
    with pytest.raises(ConfigError, match="something is being written already"):
        shown.output.write(NUMBERS, tmp_path / "n.csv")
    wait(shown)


def test_a_place_that_cannot_be_written_is_told_once_and_nothing_breaks(shown, tmp_path, told):
    state = write(shown, NUMBERS, tmp_path / "no" / "n.csv")
    assert "choose another place" in state.message
    assert state.written == ""
    assert len([line for line in told() if "choose another place" in line]) == 1
    write(shown, NUMBERS, tmp_path / "n.csv")
    assert (tmp_path / "n.csv").exists()


@pytest.mark.parametrize(
    ("product", "name"), [(NUMBERS, "a.txt"), (FIGURE, "a.jpg"), (PAGE, "a"), (MOVIE, "a.avi"), (MASKS, "a")]
)
def test_a_name_of_another_end_is_refused_before_anything_begins(shown, tmp_path, product, name):
    with pytest.raises(ConfigError, match="give a name that ends in one of"):
        shown.output.write(product, tmp_path / name)
    with pytest.raises(ConfigError, match="give a name that ends in one of"):
        require_suffix(product, tmp_path / name)
    assert shown.state.output.writing == ""


def test_all_files_of_a_form_are_announced(shown, tmp_path):
    announced = shown.output.files(MASKS, tmp_path / "m.nii.gz")
    write(shown, MASKS, tmp_path / "m.nii.gz")
    assert sorted(announced) == sorted(tmp_path.glob("m.*"))
    assert shown.output.files(NUMBERS, tmp_path / "n.csv") == (tmp_path / "n.csv",)


def test_names_are_made_of_the_case_and_are_names_of_files(shown):
    shown.browser.case = replace(shown.case, key="../a b/c:d\n" + "x" * 300)
    for product in PRODUCTS:
        name = shown.output.suggested(product)
        assert not set(name) & set("/\\:\n ")
        assert not name.startswith(".")
        assert len(name) < 120


def test_closing_the_window_waits_for_the_thread_and_leaves_no_half_file(shown, tmp_path):
    shown.output.write(MOVIE, tmp_path / "frames")
    shown.close()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".frames")]


def test_an_error_that_is_a_bug_is_raised_where_it_is_seen():
    def work():
        yield 0.5
        raise RuntimeError("bug")

    background = Background("test", lambda: None, lambda: None, lambda _: None)
    background.start(work())
    background._thread.join()
    with pytest.raises(RuntimeError, match="bug"):
        background.poll()
    assert not background.busy


@pytest.mark.parametrize("product", [NUMBERS, FIGURE, PAGE])
def test_what_the_sampler_cautions_of_stands_in_what_is_written(shown, tmp_path, monkeypatch, product):
    monkeypatch.setattr("napari_ambiseg.cautions.is_phantom", lambda _: False)
    path = tmp_path / {NUMBERS: "a.csv", FIGURE: "a.svg", PAGE: "a.html"}[product]
    heavy = []
    monkeypatch.setattr("training.report.case_figure._write", lambda *given: heavy.extend(given[-1]))
    write(shown, product, path)
    says = "This model has seen synthetic slices only: on a real one its masks mean nothing."
    assert heavy == ([says] if product == FIGURE else [])
    if product != FIGURE:
        assert path.read_text(encoding="utf-8").count(says) == 1


def test_readings_of_all_cases_are_written_without_samples_and_the_page_shows_the_own_one(controller, engine, tmp_path):
    controller.opener.open_demo()
    controller.state.reading.keep = True
    controller.opener.next_case()
    assert controller.output.problem(READINGS) == "This is a blind read: reveal first."
    data = np.array(controller.layers.find(READING).data)
    data[40:60, 40:60] = 1
    controller.layers.find(READING).data = data
    controller.reader.toggle()
    assert controller.output.suggested(READINGS) == "demo_cases-readings"
    write(controller, READINGS, tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(newline="", encoding="utf-8-sig") as file:
        first, second = csv.DictReader(file)
    assert (first["case"], first["reading"]) == ("synthetic 01", "")
    assert (second["case"], second["read_blind"], second["area_px"]) == ("synthetic 02", "yes", "400")
    far = controller.state.reading.distances[0].distance
    assert float(second["expert_A_one_minus_iou"]) == far
    draw(controller, engine)
    controller.tick()
    own = controller.output.shown.drawn().reading
    assert (own.mask.sum(), own.blind) == (400, True)
    write(controller, PAGE, tmp_path / "p.html")
    html = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "read blind, before the experts were shown" in html
    assert f"<td>{far:.3f}</td>" in html
    controller.reader.toggle()
    with pytest.raises(ConfigError, match="reveal first"):
        controller.output.write(PAGE, tmp_path / "p.html")
