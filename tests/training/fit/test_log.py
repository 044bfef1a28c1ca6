"""The log survives whatever ends the process, and goes on where its checkpoint does."""

import json
import math
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.errors import ConfigError
from training.fit.log import LOG, TENSORBOARD, RunLog


def lines(folder):
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def logged(folder, steps=range(5, 30, 5), **more):
    log = RunLog(folder, **more)
    for step in steps:
        log.write({"step": step, "loss": 1 / step})
    return log


def test_each_entry_is_a_line_at_once(tmp_path):
    log = RunLog(tmp_path)
    for step in (5, 10):
        log.write({"step": step, "loss": 0.1 + step, "grad_norm": 1e-7})
        assert lines(tmp_path)[-1] == {"step": step, "loss": 0.1 + step, "grad_norm": 1e-7}
    assert len(lines(tmp_path)) == 2


def test_a_second_log_of_the_folder_goes_on(tmp_path):
    logged(tmp_path, [5])
    logged(tmp_path, [10])
    assert [entry["step"] for entry in lines(tmp_path)] == [5, 10]


@pytest.mark.parametrize(("step", "kept"), [(0, []), (14, [5, 10]), (15, [5, 10, 15]), (99, [5, 10, 15, 20, 25])])
def test_what_was_logged_after_a_step_is_forgotten(tmp_path, step, kept):
    logged(tmp_path).forget_after(step)
    assert lines(tmp_path) == [{"step": step, "loss": 1 / step} for step in kept]


def test_forgetting_needs_no_log(tmp_path):
    RunLog(tmp_path).forget_after(10)
    assert not (tmp_path / LOG).exists()


@pytest.mark.parametrize("torn", [b'{"step": 30, "lo', b"\0\0\0\0\n", b"\xff\xfe\n", b"30\n", b"{}\n", b"[1]\n", b"\n"])
def test_a_line_torn_by_a_crash_is_dropped(tmp_path, torn):
    log = logged(tmp_path)
    whole = (tmp_path / LOG).read_bytes()
    (tmp_path / LOG).write_bytes(whole + torn)
    log.forget_after(30)
    assert (tmp_path / LOG).read_bytes() == whole


def test_a_torn_line_does_not_take_the_next_one_with_it_once_it_is_forgotten(tmp_path):
    logged(tmp_path, [5, 10])
    with (tmp_path / LOG).open("a") as file:
        file.write('{"step": 15, "lo')
    log = RunLog(tmp_path)
    log.forget_after(10)
    log.write({"step": 15, "loss": 0.5})
    assert [entry["step"] for entry in lines(tmp_path)] == [5, 10, 15]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_leaves_the_line_json(tmp_path, value):
    log = RunLog(tmp_path)
    log.write({"step": 5, "loss": 2.0})
    log.write({"step": 10, "loss": value})
    assert lines(tmp_path)[-1] == {"step": 10, "loss": None}
    assert "null" in (tmp_path / LOG).read_text()


# ---- TensorBoard


def scalars(folder, name):
    events = EventAccumulator(str(folder / TENSORBOARD))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_tensorboard_gets_the_same_numbers(tmp_path):
    log = logged(tmp_path, [1, 2, 4], tensorboard=True)
    assert scalars(tmp_path, "loss") == [(1, 1.0), (2, 0.5), (4, 0.25)]  # before it is closed
    log.close()
    log.close()


def test_tensorboard_forgets_what_the_log_forgets(tmp_path):
    logged(tmp_path, [1, 2, 4, 8], tensorboard=True).close()
    log = RunLog(tmp_path, tensorboard=True)
    log.forget_after(2)
    log.write({"step": 4, "loss": 7.0})
    log.close()
    assert scalars(tmp_path, "loss") == [(1, 1.0), (2, 0.5), (4, 7.0)]


def test_without_it_there_is_no_tensorboard_folder(tmp_path):
    logged(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LOG]


def test_a_missing_tensorboard_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"not installed; run: pip install 'napari-ambiseg\[tb\]'"):
        RunLog(tmp_path, tensorboard=True)
    RunLog(tmp_path).write({"step": 1})
