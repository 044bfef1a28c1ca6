"""The offer to convert, the run and its result, without a window: runs that the tests play, and then real ones."""

import threading
import time

import pytest
from napari.utils.notifications import notification_manager

import training
from napari_ambiseg.converting import Converter, can_write, counted, default_target, told
from napari_ambiseg.state import CANCELLING, CONVERTED, CONVERTING, COUNTING, NOTHING, OFFERED, Converting
from training.data.conversion import Failed, Prepared
from training.data.counting import Counted, Uncountable
from training.data.forms.sniffing import recognise
from training.data.prepare import Plan, Progress
from training.errors import ConfigError, DeviceError

FACTS = {"slices": 5, "patients": 2, "dropped": {}, "noted": {}}


def idle():
    return False


class PlayedCounting:
    def __init__(self, path, layout):
        self.asked, self.answer, self.ended = (path, layout), None, False

    def poll(self):
        return self.answer

    def end(self):
        self.ended = True


class PlayedRun:
    def __init__(self, source, out, plan):
        self.asked, self.events, self.cancelled = (source, out, plan), [], 0
        self.may_end = threading.Event()
        self.may_end.set()

    def poll(self):
        events, self.events = self.events, []
        return events

    def cancel(self):
        self.may_end.wait(10)
        self.cancelled += 1


class Bench:
    """A converter whose child processes are played; remembers all of them, and what was opened."""

    def __init__(self):
        self.state, self.counts, self.runs, self.opened = Converting(), [], [], []
        self.is_drawing = False
        self.converter = Converter(self.state, self.opened.append, lambda: self.is_drawing, self._run, self._count)

    def _run(self, *asked):
        self.runs.append(PlayedRun(*asked))
        return self.runs[-1]

    def _count(self, *asked):
        self.counts.append(PlayedCounting(*asked))
        return self.counts[-1]

    def play(self, *events):
        self.runs[-1].events += events
        self.converter.update()


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "LIDC"
    folder.mkdir()
    return folder


@pytest.fixture
def told_user():
    before = len(notification_manager.records)
    return lambda: [str(record.message) for record in notification_manager.records[before:]]


def wait(converter, condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "took too long"
        converter.update()
        time.sleep(0.01)


def test_an_offer_says_what_the_source_is_then_how_much_it_holds(bench, source):
    bench.converter.offer(source, "lidc-slices")
    state = bench.state
    assert (state.status, state.source, state.layout) == (COUNTING, str(source), "lidc-slices")
    assert state.summary.startswith("folders LIDC-IDRI-####")
    assert state.target == str(source.parent / "LIDC.ambiseg.hdf5")
    assert not state.target_exists
    assert bench.counts[0].asked == (source, "lidc-slices")
    bench.converter.update()
    assert state.status == COUNTING
    bench.counts[0].answer = Counted(207, 8)
    bench.converter.update()
    assert (state.status, state.slices, state.patients) == (OFFERED, 207, 8)
    assert bench.counts[0].ended
    assert bench.runs == []  # nothing is converted until somebody says so


def test_a_source_that_cannot_be_counted_says_why_where_it_was_offered(bench, source, told_user):
    bench.converter.offer(source, "folder")
    bench.counts[0].answer = Uncountable("LIDC: uint16 values; say which are black and white: --window LOW..HIGH")
    bench.converter.update()
    assert bench.state.status == OFFERED
    assert bench.state.problem.startswith("LIDC: uint16 values")
    assert bench.state.takes_window
    assert told_user() == []


def test_the_window_and_the_size_that_are_chosen_go_with_the_conversion(bench, source):
    bench.converter.offer(source, "folder")
    bench.counts[0].answer = Uncountable("LIDC: uint16 values")
    bench.converter.update()
    bench.state.window, bench.state.size = "0..4095", 64
    bench.converter.start()
    assert bench.state.problem == ""
    plan = bench.runs[0].asked[2]
    assert (plan.options.window, plan.options.size) == ("0..4095", 64)


def test_a_window_that_is_none_is_told_before_anything_is_started(bench, source):
    bench.converter.offer(source, "folder")
    bench.state.window = "bright"
    with pytest.raises(ConfigError, match="unknown window 'bright'"):
        bench.converter.start()
    assert bench.runs == []


def test_a_new_offer_forgets_what_was_chosen_and_what_was_wrong(bench, source):
    bench.converter.offer(source, "folder")
    bench.state.window, bench.state.size, bench.state.problem = "lung", 64, "wrong"
    bench.converter.offer(source, "lidc-slices")
    assert (bench.state.window, bench.state.size, bench.state.problem) == ("auto", 0, "")
    assert not bench.state.takes_window


def test_a_run_from_offer_to_opened_file(bench, source):
    bench.converter.offer(source, "lidc-slices")
    bench.converter.start()  # before the count is there: nobody has to wait for it
    state = bench.state
    assert state.status == CONVERTING
    assert bench.counts[0].ended
    assert bench.runs[0].asked == (source, source.parent / "LIDC.ambiseg.hdf5", Plan(layout="lidc-slices"))
    bench.play(Progress(1, 207), Progress(30, 207))
    assert (state.done, state.total) == (30, 207)
    bench.play(Prepared(FACTS))
    assert (state.status, state.result) == (CONVERTED, "5 slices of 2 patients")
    assert bench.opened == [str(source.parent / "LIDC.ambiseg.hdf5")]
    bench.converter.cancel()
    assert state.status == NOTHING
    assert bench.runs[0].cancelled == 0


def test_a_run_that_ends_while_samples_are_drawn_leaves_them_alone_until_somebody_opens_its_file(bench, source):
    bench.converter.offer(source, "cimd")
    bench.converter.start()
    bench.is_drawing = True
    bench.play(Prepared(FACTS))
    state = bench.state
    assert (state.status, state.unopened, bench.opened) == (CONVERTED, True, [])
    bench.is_drawing = False
    bench.converter.update()
    assert bench.opened == []  # what was drawn is being looked at
    bench.converter.open_target()
    assert bench.opened == [state.target]
    assert (state.status, state.unopened, state.result) == (CONVERTED, False, "5 slices of 2 patients")


def test_the_time_left_is_that_of_the_slices_left_at_the_pace_so_far(bench, source, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("napari_ambiseg.converting.time.monotonic", lambda: now[0])
    bench.converter.offer(source, "tcia")
    bench.converter.start()
    guesses = []
    for seconds, done in ((0, 10), (0.5, 12), (2, 30), (10, 110), (20, 210)):
        now[0] = 100 + seconds
        bench.play(Progress(done, 210))
        guesses.append(bench.state.seconds_left)
    assert guesses == [None, None, pytest.approx(18), pytest.approx(10), 0]


def test_another_target_may_be_chosen_and_one_that_exists_is_known_to(bench, source, tmp_path):
    bench.converter.offer(source, "cimd")
    there = tmp_path / "there.hdf5"
    there.touch()
    bench.converter.write_to(there)
    assert (bench.state.target, bench.state.target_exists) == (str(there), True)
    bench.converter.start()
    assert bench.runs[0].asked[1] == there


def test_the_file_made_earlier_can_be_opened_instead(bench, source):
    target = default_target(source)
    target.touch()
    bench.converter.offer(source, "cimd")
    assert bench.state.target_exists
    bench.converter.open_target()
    assert (bench.opened, bench.runs, bench.state.status) == ([str(target)], [], NOTHING)


def test_cancel_takes_an_offer_back(bench, source):
    bench.converter.offer(source, "cimd")
    bench.converter.cancel()
    assert bench.state.status == NOTHING
    assert bench.counts[0].ended


def test_cancelling_a_run_does_not_make_the_window_wait_and_the_offer_stays(bench, source):
    bench.converter.offer(source, "cimd")
    bench.converter.start()
    run = bench.runs[0]
    run.may_end.clear()
    began = time.monotonic()
    bench.converter.cancel()
    bench.converter.cancel()  # an impatient second click
    bench.play(Progress(3, 9), Prepared(FACTS))  # what was under way is of no interest any more
    assert time.monotonic() - began < 1
    assert (bench.state.status, bench.opened) == (CANCELLING, [])
    run.may_end.set()
    wait(bench.converter, lambda: bench.state.status == OFFERED)
    assert run.cancelled == 1
    bench.converter.start()
    assert len(bench.runs) == 2


@pytest.mark.parametrize("cancelled", [False, True])
def test_close_waits_for_the_end_of_a_run(bench, source, cancelled):
    bench.converter.offer(source, "cimd")
    bench.converter.start()
    if cancelled:
        bench.converter.cancel()
    bench.converter.close()
    assert bench.runs[0].cancelled == 1


def test_a_failure_is_told_where_the_offer_stays(bench, source, told_user):
    bench.converter.offer(source, "cimd")
    bench.converter.start()
    bench.play(Progress(3, 9), Failed("LIDC: no slice can be used"))
    bench.converter.update()
    assert bench.state.status == OFFERED
    assert bench.state.problem == "LIDC: no slice can be used"
    assert told_user() == []


def test_a_process_that_cannot_be_started_leaves_the_offer(source):
    def refuse(*_):
        raise DeviceError("cannot start the converting process")

    state = Converting()
    converter = Converter(state, print, idle, refuse, PlayedCounting)
    converter.offer(source, "cimd")
    with pytest.raises(DeviceError):
        converter.start()
    assert state.status == COUNTING
    converter.cancel()
    assert state.status == NOTHING


def test_a_second_source_has_to_wait_for_the_run_but_replaces_an_offer(bench, source, tmp_path, told_user):
    other = tmp_path / "other"
    bench.converter.offer(source, "cimd")
    bench.converter.offer(other, "nifti")
    assert (bench.state.source, bench.counts[0].ended) == (str(other), True)
    bench.converter.start()
    bench.converter.offer(source, "cimd")
    assert bench.state.source == str(other)
    (text,) = told_user()
    assert text.startswith("other is still being converted")
    bench.play(Prepared(FACTS))
    bench.converter.offer(source, "cimd")
    assert (bench.state.source, bench.state.status, bench.state.result) == (str(source), COUNTING, "")


def test_verbs_at_the_wrong_time_do_nothing(bench):
    bench.converter.start()
    bench.converter.update()
    bench.converter.close()
    assert (bench.state.status, bench.runs) == (NOTHING, [])


def test_the_result_counts_what_was_left_out_and_says_why():
    facts = {
        "slices": 1204,
        "patients": 1,
        "dropped": {
            "no expert drew anything": {"count": 3, "first": "a_slice0"},
            "cannot be read": {"count": 1, "first": "b_slice7"},
        },
        "noted": {"image that an earlier slice has too": {"count": 2, "first": "c_slice1"}},
    }
    text, details = told(facts)
    assert text == "1,204 slices of 1 patient; 4 left out"
    assert details.splitlines() == [
        "left out: 3 x no expert drew anything; first a_slice0",
        "left out: 1 x cannot be read; first b_slice7",
        "kept, but: 2 x image that an earlier slice has too; first c_slice1",
    ]


def test_numbers_have_their_nouns():
    assert [counted(n, "slice") for n in (0, 1, 2, 15096)] == ["0 slices", "1 slice", "2 slices", "15,096 slices"]


# -- where the file goes -------------------------------------------------------------------------------------------


def test_the_file_goes_beside_its_source(tmp_path):
    assert default_target(tmp_path / "data_lidc.pickle") == tmp_path / "data_lidc.pickle.ambiseg.hdf5"


def test_beside_means_the_same_for_a_relative_path(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert default_target(type(tmp_path)("slices")) == tmp_path / "inner" / "slices.ambiseg.hdf5"


@pytest.mark.parametrize("documents", [False, True])
def test_a_source_in_a_folder_that_nobody_may_write_to_goes_to_the_user_s_own(tmp_path, monkeypatch, documents):
    home, shelf = tmp_path / "home", tmp_path / "shelf"
    (shelf / "slices").mkdir(parents=True)
    home.mkdir()
    if documents:
        (home / "Documents").mkdir()
    monkeypatch.setattr("pathlib.Path.home", lambda: home)
    shelf.chmod(0o555)
    try:
        assert not can_write(shelf)
        expected = (home / "Documents" if documents else home) / "slices.ambiseg.hdf5"
        assert default_target(shelf / "slices") == expected
    finally:
        shelf.chmod(0o755)


def test_nothing_can_be_written_into_a_file_or_into_what_is_not_there(tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert [can_write(path) for path in (file, tmp_path / "absent", tmp_path)] == [False, False, True]


# -- with real processes -------------------------------------------------------------------------------------------


def test_a_folder_becomes_a_file(slices_folder):
    state, opened = Converting(), []
    converter = Converter(state, opened.append, idle)
    converter.offer(slices_folder, recognise(slices_folder))
    wait(converter, lambda: state.status == OFFERED)
    assert (state.slices, state.patients) == (6, 2)
    converter.start()
    wait(converter, lambda: state.status == CONVERTED)
    assert state.result == "5 slices of 2 patients; 1 left out"
    assert state.details.startswith("left out: 1 x no expert drew anything; first LIDC-IDRI-0002_")
    assert opened == [str(slices_folder) + ".ambiseg.hdf5"]
    with training.open_dataset(opened[0]) as dataset:
        assert sum(map(len, dataset.splits.values())) == 5


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_a_run_that_is_stopped_ends_within_two_seconds_and_leaves_nothing(slices_folder, slow_conversion, end):
    state, opened = Converting(), []
    converter = Converter(state, opened.append, idle, slow_conversion)
    before = set(slices_folder.parent.rglob("*"))
    converter.offer(slices_folder, "lidc-slices")
    converter.start()
    wait(converter, lambda: state.done > 1)
    assert set(slices_folder.parent.rglob("*")) > before  # the file that is not finished yet
    began = time.monotonic()
    getattr(converter, end)()
    wait(converter, lambda: end == "close" or state.status == OFFERED)
    assert time.monotonic() - began < 2
    assert set(slices_folder.parent.rglob("*")) == before
    assert opened == []
