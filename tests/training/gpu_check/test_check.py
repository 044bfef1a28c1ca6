"""The check goes on, whatever a part does: fails, hangs, dies, has no time or misses a package."""

import json
import os
import sys

import pytest

from training.child import ChildEndedError
from training.errors import ConfigError, DeviceError
from training.gpu_check import check, parts
from training.gpu_check.check import in_child, run_check
from training.gpu_check.parts import PARTS, chosen, missing_packages
from training.gpu_check.record import kept, key_of
from training.gpu_check.settings import Settings

SMOKE = Settings(device="cpu", is_smoke=True)
NAMES = [part.name for part in PARTS]


class Machine:
    """Answers as the parts' processes do, and notes which parts it was asked for."""

    def __init__(self, **machine):
        self.machine = {"device": "a gpu", "torch": "2.13.0"} | machine
        self.asked, self.errors = [], {}

    def __call__(self, part, settings, seconds):
        self.asked.append(part.name)
        assert seconds > 0
        if part.name in self.errors:
            error = self.errors[part.name]
            if isinstance(error, Exception):
                raise error
            return {"error": error}
        found = self.machine if part.name == "machine" else {}
        findings = [{"target": key, "value": 0.0, "judged": False, "counted_limit": None} for key in part.targets]
        return {"outcome": {"settings": found, "groups": [], "gates": [], "notes": [], "findings": findings}}


@pytest.fixture(autouse=True)
def _all_packages(monkeypatch):
    monkeypatch.setattr(parts, "is_importable", lambda _: True)


def states(records):
    return {record.part: record.status for record in records}


def test_all_parts_are_measured_and_kept(tmp_path):
    machine = Machine()
    records = run_check(SMOKE, tmp_path, runner=machine)
    assert machine.asked == NAMES == [record.part for record in records]
    assert set(states(records).values()) == {"done"}
    assert sorted(path.stem for path in tmp_path.glob("*.json")) == sorted(NAMES)


def test_a_part_that_is_done_is_not_repeated_but_the_machine_is_looked_at_again(tmp_path):
    first, second = Machine(), Machine()
    before = run_check(SMOKE, tmp_path, runner=first, names=["memory", "losses"])
    assert first.asked == ["machine", "memory", "losses"]
    assert states(before)["sampling"] == "not asked"
    after = run_check(SMOKE, tmp_path, runner=second)
    assert set(second.asked) == set(NAMES) - {"memory", "losses"}
    assert set(states(after).values()) == {"done"}
    third = Machine()
    run_check(SMOKE, tmp_path, runner=third, again=True, names=["memory"])
    assert third.asked == ["machine", "memory"]


@pytest.mark.parametrize("what", ["machine", "settings", "source", "damage"])
def test_what_was_measured_otherwise_is_measured_again(tmp_path, monkeypatch, what):
    run_check(SMOKE, tmp_path, runner=Machine(), names=["memory"])
    machine, settings = Machine(), SMOKE
    if what == "machine":
        machine = Machine(device="another gpu")
    elif what == "settings":
        settings = Settings(device="cpu")
    elif what == "source":
        monkeypatch.setattr("training.gpu_check.record._source", lambda: "changed")
    else:
        (tmp_path / "memory.json").write_text("{", encoding="utf-8")
    run_check(settings, tmp_path, runner=machine, names=["memory"])
    assert machine.asked == ["machine", "memory"]


def test_a_part_that_fails_or_hangs_is_told_and_the_others_go_on(tmp_path):
    machine, told = Machine(), []
    machine.errors = {
        "sampling": "ValueError: a bug",
        "training": ChildEndedError("did not answer within 54.0 s", silent=True),
        "memory": ChildEndedError("ended by signal 9 (often: out of memory)"),
        "losses": DeviceError("cannot start it"),
    }
    found = {record.part: record for record in run_check(SMOKE, tmp_path, runner=machine, tell=told.append)}
    assert machine.asked == NAMES
    assert (found["sampling"].status, found["sampling"].reason) == ("failed", "ValueError: a bug")
    assert (found["training"].status, found["training"].reason[:30]) == ("hung", "its process did not answer wit")
    assert (found["memory"].status, found["losses"].status) == ("failed", "failed")
    assert any(line.startswith("sampling: failed in 0 s: ValueError: a bug") for line in told)
    assert not any(found[name].is_right for name in machine.errors)
    again = Machine()
    run_check(SMOKE, tmp_path, runner=again)
    assert again.asked == ["machine", *[name for name in NAMES if name in machine.errors]]


def test_without_the_machine_nothing_is_measured(tmp_path):
    machine = Machine()
    machine.errors = {"machine": "no device 'cuda' on this machine"}
    records = run_check(SMOKE, tmp_path, runner=machine)
    assert machine.asked == ["machine"]
    assert set(states(records).values()) == {"failed"}


def test_minutes_that_are_used_up_leave_the_rest_for_the_next_time(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(check, "monotonic", lambda: now[0])
    machine = Machine()
    given = {}

    def slow(part, settings, seconds):
        given[part.name] = seconds
        now[0] += 50
        return machine(part, settings, seconds)

    records = run_check(SMOKE, tmp_path, runner=slow, minutes=2.0, part_minutes=1.0)
    assert given == {"machine": 60, "same-masks": 60, "sampling": 20}  # what is left of 120 s
    assert [record.status for record in records] == ["done"] * 3 + ["no time"] * (len(PARTS) - 3)
    assert "it goes on here" in records[-1].reason
    again = Machine()
    run_check(SMOKE, tmp_path, runner=again)
    assert again.asked == ["machine", *NAMES[3:]]


def test_a_missing_package_is_one_line_and_costs_only_its_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "is_importable", lambda package: package not in ("pytest", "h5py"))
    machine = Machine()
    found = {record.part: record for record in run_check(SMOKE, tmp_path, runner=machine)}
    assert set(NAMES) - set(machine.asked) == {"evaluation", "device-tests"}
    assert found["evaluation"].status == "missing"
    assert found["evaluation"].reason == "h5py not installed (pip install h5py)"
    assert missing_packages() == [
        "h5py is not installed; without it there is no evaluation",
        "pytest is not installed; without it there is no test of the device",
    ]


def test_what_is_impossible_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="unknown part 'speed'; choose from: machine, same-masks"):
        chosen(["speed"])
    with pytest.raises(ConfigError, match="needs some time, got 0 minutes"):
        run_check(SMOKE, tmp_path, minutes=0)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write"):
        run_check(SMOKE, tmp_path / "file" / "out")


def test_a_key_names_source_settings_and_machine_alone():
    one = key_of(SMOKE.to_json(), {"device": "a", "memory GiB": 1})
    assert one == key_of(SMOKE.to_json(), {"device": "a", "memory GiB": 2})
    assert one != key_of(SMOKE.to_json(), {"device": "b"})
    assert Settings.from_json(SMOKE.to_json()) == SMOKE


def child(monkeypatch, body):
    before = "import json, os, time\nfrom training.parent import answer_parent\nwith answer_parent() as parent:\n    "
    script = before + body
    monkeypatch.setattr(check, "_COMMAND", (sys.executable, "-P", "-c", script))


def test_the_answer_of_a_process_comes_back_and_its_source_is_this_one(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    child(monkeypatch, "parent.recv_bytes(); parent.send_bytes(json.dumps(os.environ['PYTHONPATH']).encode())")
    paths = in_child(PARTS[1], SMOKE, 30).split(os.pathsep)
    assert paths == [str(check._ROOT), "elsewhere"]


@pytest.mark.parametrize(
    ("body", "says", "silent"),
    [
        ("time.sleep(60)", "did not answer within", True),
        ("os._exit(3)", "exit code 3", False),
        ("os.kill(os.getpid(), 11)", "signal 11", False),
    ],
)
def test_a_process_that_hangs_or_dies_is_ended_and_told(monkeypatch, body, says, silent):
    child(monkeypatch, body)
    with pytest.raises(ChildEndedError, match=says) as told:
        in_child(PARTS[1], SMOKE, 1.5 if silent else 30)
    assert told.value.silent is silent


def test_a_record_of_another_version_is_not_read(tmp_path):
    (tmp_path / "memory.json").write_text(json.dumps({"part": "memory", "unheard of": 1}), encoding="utf-8")
    assert kept(tmp_path, "memory", "") is None
