"""The engine with a real child process: streaming, cancelling, dying, and never an orphan."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_ambiseg.engine import Engine
from napari_ambiseg.messages import (
    Devices,
    Died,
    Failed,
    Finished,
    Loaded,
    SampleRequest,
    Stepped,
)
from napari_ambiseg.watched_walk import frame_indices
from training.child import Child
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.errors import DeviceError
from training.presets import load_config
from training.sampling_wish import SamplingWish

from .fake_engine import FAKE, collect, request, wait_for_end


@pytest.fixture
def engine():
    engine = Engine(FAKE)
    yield engine
    engine.stop()


def test_states_stream_in_order_and_end_with_the_masks(engine):
    engine.start(request(n=2))
    loaded, *steps, finished = collect(engine)
    assert loaded == Loaded(1, "quick", "fake:0", 5, (0, 1, 2, 3, 4, 5))
    assert [step.index for step in steps] == list(range(6))
    assert [step.t for step in steps] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])
    assert [step.log_snr for step in steps] == [-20, -10, 0, 10, 20, 30]
    assert all(step.x_t.dtype == np.float16 and (step.x_t == step.index).all() for step in steps)
    assert np.array_equal(finished.masks, steps[-1].masks)
    assert finished.masks.shape == (2, 8, 8)
    assert finished.provenance == {"model": "quick", "device": "fake:0", "loads": 1}
    assert not engine.busy


def test_of_a_long_walk_only_so_many_states_are_sent(engine):
    engine.start(request(steps=100, max_frames=8))
    loaded, *steps, finished = collect(engine)
    assert loaded.frames == tuple(step.index for step in steps)
    assert (len(steps), steps[0].index, steps[-1].index) == (8, 0, 100)
    assert finished.masks.all()


@pytest.mark.parametrize(("n_steps", "most"), [(1, 2), (10, 64), (10, 11), (63, 64), (1000, 64), (1000, 2), (5, 1)])
def test_the_states_that_are_kept_are_spread_evenly_with_both_ends(n_steps, most):
    frames = frame_indices(n_steps, most)
    assert (frames[0], frames[-1]) == (0, n_steps)
    assert len(frames) == min(n_steps + 1, max(most, 2))
    gaps = np.diff(frames)
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


def test_a_segmenter_without_steps_draws_too_and_is_given_the_case(engine):
    engine.start(request("one-go", n=3))
    loaded, finished = collect(engine)
    assert (loaded.n_steps, loaded.frames) == (0, ())
    assert finished.masks.sum(axis=(1, 2)).tolist() == [3, 6, 9]  # i + 1 rows, as many columns as experts


def test_the_model_stays_warm_between_requests(engine):
    loads = []
    for changes in ({"seed": 1}, {"seed": 2, "n": 5}, {"steps": 7}):
        engine.start(request(**changes))
        loads.append(collect(engine)[-1].provenance["loads"])
    assert loads == [1, 1, 2]


def test_a_checkpoint_that_was_written_again_is_loaded_again(engine, tmp_path):
    path = tmp_path / "model.safetensors"
    loads = []
    for content in ("old", "new"):
        path.write_text(content)
        os.utime(path, (0, len(loads)))
        engine.start(request(str(path)))
        loads.append(collect(engine)[-1].provenance["loads"])
    assert loads == [1, 2]


def test_after_a_cancel_the_next_request_runs_at_once_in_the_same_process(engine):
    engine.start(request("slow", steps=200))
    collect(engine, Stepped)
    pid = engine.pid
    engine.cancel()
    engine.start(request("quick"))
    answers = collect(engine)
    assert isinstance(answers[-1], Finished)
    assert engine.pid == pid


def test_answers_to_an_older_request_are_dropped(engine):
    engine.start(request("slow", steps=200, seed=0))
    collect(engine, Stepped)
    second = engine.start(request("slow", steps=3, seed=1))
    answers = collect(engine, Finished)
    assert {answer.generation for answer in answers} == {second}
    assert [answer.index for answer in answers if isinstance(answer, Stepped)] == [0, 1, 2, 3]
    assert answers[-1].masks.all()


def test_of_many_requests_only_the_last_is_walked(engine):
    for seed in range(5):
        engine.start(request("slow", steps=100, seed=seed))
    newest = engine.start(request("quick", seed=9))
    *_, finished = collect(engine)
    assert (finished.generation, finished.provenance["model"]) == (newest, "quick")


def test_devices_are_named_by_the_process(engine):
    engine.ask_devices()
    (answer,) = collect(engine, Devices)
    assert [(fact.name, fact.label, fact.free_bytes) for fact in answer.facts] == [
        ("fake:0", "Fake GPU", 3),
        ("cpu", "Fake CPU", 1),
    ]


def test_what_a_library_prints_does_not_reach_the_conversation(engine):
    engine.start(request("prints"))
    assert isinstance(collect(engine)[-1], Finished)


def test_a_users_mistake_is_one_line_and_the_process_lives_on(engine):
    engine.start(request("unknown"))
    (failed,) = collect(engine)
    assert failed == Failed(1, "no model 'unknown'; choose one of: demo")
    pid = engine.pid
    engine.start(request())
    assert isinstance(collect(engine)[-1], Finished)
    assert engine.pid == pid


@pytest.mark.parametrize(
    ("model", "text"),
    [("buggy", "sampling failed: RuntimeError: first line"), ("disk", "sampling failed: OSError: no space")],
)
def test_a_bug_in_a_model_is_one_line_and_the_process_lives_on(engine, model, text):
    engine.start(request(model))
    *steps, failed = collect(engine)
    assert len(steps) == 3
    assert isinstance(failed, Failed)
    assert failed.text.startswith(text)
    assert "\n" not in failed.text
    engine.start(request())
    assert isinstance(collect(engine)[-1], Finished)


def test_a_crash_is_one_message_and_the_next_request_starts_a_new_process(engine):
    engine.start(request("crashes"))
    pid_of_first, answers = engine.pid, collect(engine)
    assert [type(answer) for answer in answers] == [Loaded, Stepped, Stepped, Died]
    assert "exit code 3" in answers[-1].text
    assert engine.pid is None
    assert not engine.busy
    engine.start(request())
    assert isinstance(collect(engine)[-1], Finished)
    assert engine.pid != pid_of_first


def test_a_lost_device_is_one_message_that_offers_the_cpu_and_ends_its_process(engine):
    engine.start(request("lost"))
    process = psutil.Process(engine.pid)
    answers = collect(engine)
    assert [type(answer) for answer in answers] == [Loaded, Stepped, Stepped, Died]
    assert answers[-1].text == "fake:0 gave up; choose the device cpu, or try once more"
    wait_for_end(process.pid)
    assert engine.pid is None
    assert not engine.busy
    assert engine.poll() == []
    engine.start(request())
    assert isinstance(collect(engine)[-1], Finished)
    assert engine.pid != process.pid


def test_the_process_of_a_lost_device_ends_by_itself_with_a_code_that_is_not_zero():
    child = Child(FAKE)
    try:
        with child.connect(30.0) as connection:
            connection.send(request("lost"))
            while not isinstance(connection.recv(), Died):
                pass
            assert child.process.wait(10) == 71
    finally:
        child.end()


def test_a_killed_process_is_one_message_and_the_next_request_starts_a_new_one(engine):
    engine.start(request("stuck"))
    collect(engine, Stepped)
    os.kill(engine.pid, signal.SIGKILL)
    died = collect(engine, Died)[-1]
    assert "signal 9" in died.text
    assert "\n" not in died.text
    engine.start(request())
    assert isinstance(collect(engine)[-1], Finished)


def test_a_process_that_cannot_begin_is_one_message():
    engine = Engine((sys.executable, "-c", "raise SystemExit(7)"))
    engine.start(request())
    (died,) = collect(engine)
    assert "exit code 7" in died.text


def test_a_process_that_answers_nonsense_is_ended():
    nonsense = "print('ambiseg address: /nowhere', flush=True); import time; time.sleep(600)"
    engine = Engine((sys.executable, "-c", nonsense))
    engine.start(request())
    pid = engine.pid
    assert isinstance(collect(engine)[-1], Died)
    wait_for_end(pid)


def test_a_missing_interpreter_is_an_error_for_the_user():
    engine = Engine(("/no/such/python",))
    with pytest.raises(DeviceError, match="cannot start the sampling process with /no/such/python"):
        engine.start(request())
    assert not engine.busy
    assert engine.poll() == []


def test_stop_ends_the_process_even_in_the_middle_of_a_step(engine):
    engine.start(request("stuck"))
    collect(engine, Stepped)
    pid = engine.pid
    engine.stop()
    wait_for_end(pid, 1.0)
    assert engine.pid is None
    assert engine.poll() == []
    engine.stop()  # twice is no harm
    engine.start(request())
    assert isinstance(collect(engine)[-1], Finished)


def test_nothing_that_the_window_calls_waits_for_the_process(engine):
    """The child takes about a second to start, and longer to load; the window's calls take none of it."""
    for call in (lambda: engine.start(request("stuck")), engine.poll, engine.cancel, engine.ask_devices, engine.poll):
        started = time.perf_counter()
        call()
        assert time.perf_counter() - started < 0.25


@pytest.mark.parametrize("model", ["slow", "stuck"])
def test_the_process_ends_with_its_viewer_however_that_ends(model):
    """A viewer that is killed outright cannot clean up; the child notices by itself, between steps or within one."""
    code = f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from napari_ambiseg.engine import Engine
        from napari_ambiseg.messages import Stepped
        from fake_engine import FAKE, collect, request
        engine = Engine(FAKE)
        engine.start(request({model!r}, steps=10_000))
        collect(engine, Stepped)
        print(engine.pid, flush=True)
        time.sleep(600)
    """
    command = (sys.executable, "-c", textwrap.dedent(code))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:  # noqa: S603 - our own code
        child = int(viewer.stdout.readline())
        assert psutil.pid_exists(child)
        viewer.kill()
        viewer.wait()
    wait_for_end(child, 10.0)


def test_the_process_ends_when_the_viewer_ends_in_the_usual_way():
    code = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from napari_ambiseg.engine import Engine
        from napari_ambiseg.messages import Stepped
        from fake_engine import FAKE, collect, request
        engine = Engine(FAKE)
        engine.start(request("stuck"))
        collect(engine, Stepped)
        print(engine.pid, flush=True)
    """
    command = (sys.executable, "-c", textwrap.dedent(code))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own code
    assert done.returncode == 0
    wait_for_end(int(done.stdout), 2.0)


def test_the_key_is_not_on_the_command_line(engine):
    engine.start(request("stuck"))
    collect(engine, Stepped)
    assert tuple(psutil.Process(engine.pid).cmdline()[1:]) == FAKE[1:]


def test_the_real_process_draws_what_training_draws(tmp_path):
    """The tiny model, trained for a moment, seen through the engine and directly: the same masks."""
    import training
    from training.fit.run import train_run

    data, run = tmp_path / "phantom.hdf5", tmp_path / "run"
    write_dataset(data, {"train": [phantom_case(i, 3, 32).slice for i in range(8)]}, {})
    for _ in train_run(
        load_config("tiny", ["fit.steps=3", "fit.warmup_steps=1", "fit.decay_steps=1"]), [data], run, "cpu"
    ):
        pass
    case = phantom_case(9, 3, 32).slice
    engine = Engine()
    try:
        engine.start(SampleRequest(0, str(run), case, 3, 5, "cpu", SamplingWish("ddpm", 4)))
        loaded, *steps, finished = collect(engine, seconds=60)
        assert isinstance(finished, Finished)
        assert (loaded.device, loaded.n_steps, len(steps)) == ("cpu", 4, 5)
        segmenter = training.load_segmenter(run, "cpu", SamplingWish("ddpm", 4))
        expected = segmenter.draw(case.image, 3, 5)
        assert np.array_equal(finished.masks, expected.masks)
        *_, last = segmenter.walk(case.image, 3, 5)
        assert np.array_equal(finished.x0_hat, last.x0_hat)
        log_snr = [step.log_snr for step in steps]
        assert log_snr == sorted(log_snr)
        assert np.isfinite(log_snr).all()
        assert finished.provenance == expected.provenance
        engine.start(SampleRequest(0, "experts", case, 6, 5))
        drawn = collect(engine)[-1].masks
        assert all(any(np.array_equal(mask, expert) for expert in case.masks) for mask in drawn)
        engine.start(SampleRequest(0, str(run), case, 3, 5, "cuda:99"))
        assert "cuda:99" in collect(engine)[-1].text
    finally:
        engine.stop()
