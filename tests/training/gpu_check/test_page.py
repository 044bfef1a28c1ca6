"""The page of results: what it says of what was measured, and of what was not."""

import pytest

from training.bench.targets import TARGETS, Finding
from training.gpu_check import command
from training.gpu_check.command import PAGE, is_worth_publishing, lost_parts, main
from training.gpu_check.page import NOTES, page
from training.gpu_check.parts import PARTS
from training.gpu_check.record import Record
from training.gpu_check.settings import Settings

FULL = Settings(device="cuda")


def record(part, findings=(), status="done", reason="", **settings):
    outcome = {
        "settings": settings,
        "groups": [],
        "gates": [],
        "notes": [],
        "findings": [vars(finding) for finding in findings],
    }
    return Record(part, status, reason, 1.0, "key", "abc", "2026-01-02", outcome if status == "done" else None)


def test_every_target_belongs_to_one_part():
    answered = [key for part in PARTS for key in part.targets]
    assert sorted(answered) == sorted(TARGETS)


def test_the_page_in_the_repository_says_that_nothing_was_measured_or_was_made_by_the_command():
    told = PAGE.read_text(encoding="utf-8")
    if "Nothing has been measured yet" in told:
        assert told == page([], FULL)
    else:
        assert "Measured on 20" in told
        assert all(target.what in told for target in TARGETS.values())


def test_what_was_measured_stands_beside_its_target_and_the_counted_limit():
    found = [
        record("machine", device="a gpu", cuda="13.0"),
        record("sampling", [Finding("sampling-16", 9.0, True, 2.5)]),
    ]
    told = page(found, FULL)
    assert "Measured on 2026-01-02, commit abc" in told
    assert "| 16 masks in 10 steps at 128 x 128 | at most 12 ms, then 5 | 9 ms | 2.5 ms | met |" in told
    assert "- 16 masks in 10 steps at 128 x 128: 3.6 times the counted limit" in told
    assert "- device: a gpu" in told


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (Finding("sampling-16", 12.0), "met"),
        (Finding("sampling-16", 12.1), "**not met**"),
        (Finding("sampling-16", float("nan")), "**not met**"),
        (Finding("sampling-16", 99.0, judged=False), "not judged"),
        (Finding("sampling-256", 20.0), "met"),
        (Finding("sampling-256", 19.9), "**not met**"),
    ],
)
def test_a_target_is_met_up_to_its_limit(finding, verdict):
    part = next(part.name for part in PARTS if finding.target in part.targets)
    found = [record("machine", cuda="13.0"), record(part, [finding])]
    assert f" {verdict} |" in next(
        line for line in page(found, FULL).splitlines() if TARGETS[finding.target].what in line
    )
    assert found[1].is_right == (verdict != "**not met**")
    assert (f"Not as it should be: {part}." in page(found, FULL)) == (verdict == "**not met**")


def test_what_could_not_be_measured_is_told_with_its_reason():
    told = page([record("machine"), record("memory", status="hung", reason="its process did not answer")], FULL)
    assert "not measured: its process did not answer" in told
    assert "| memory | hung | 1 s | its process did not answer |" in told


def test_what_was_written_by_hand_stays():
    old = page([], FULL).replace("Nothing yet.", "A graph of all steps: predicted 10 ms, found 9.")
    told = page([record("machine"), record("memory")], FULL, old)
    assert told.endswith(f"{NOTES}{old.split(NOTES)[1]}")
    assert "found 9." in told
    assert page([record("machine"), record("memory")], FULL, told) == told


def test_only_full_numbers_of_a_gpu_go_to_the_projects_own_page():
    gpu, cpu = record("machine", cuda="13.0"), record("machine", cuda=None)
    assert is_worth_publishing([gpu], FULL)
    assert not is_worth_publishing([cpu], FULL)
    assert not is_worth_publishing([gpu], Settings(is_smoke=True))
    assert not is_worth_publishing([record("machine", status="failed")], FULL)


def test_parts_that_failed_on_a_gpu_do_not_say_that_none_has_run_the_command():
    told = page([record("machine", device="a gpu", cuda="13.0"), record("memory", status="failed")], FULL)
    assert "**Nothing has been measured yet.** The command ran on a gpu; not done: memory (failed)." in told
    assert "No machine with a GPU" not in told
    without = page([record("machine", device="cpu", cuda=None), record("memory", status="failed")], FULL)
    assert "No machine with a GPU has run this command." in without
    unknown = page([record("machine", status="failed", reason="no device 'cuda'")], FULL)
    assert "The command does not know its machine: no device 'cuda'." in unknown


def test_a_page_loses_no_part_that_it_has():
    machine = record("machine", device="a gpu", cuda="13.0")
    told = page([machine, record("training"), record("memory"), record("losses", status="failed")], FULL)
    assert lost_parts([machine, record("sampling")], told) == ["training", "memory"]
    assert lost_parts([machine, record("training", status="hung"), record("memory")], told) == ["training"]
    assert lost_parts([machine, record("training"), record("memory")], told) == []
    assert lost_parts([machine], page([], FULL)) == []


@pytest.mark.parametrize(("measured", "is_published"), [(["sampling"], False), (["sampling", "memory"], True)])
def test_one_part_alone_does_not_replace_the_projects_page(tmp_path, monkeypatch, capsys, measured, is_published):
    machine = record("machine", device="a gpu", cuda="13.0")
    own = tmp_path / "docs" / "results-gpu.md"
    own.parent.mkdir()
    before = page([machine, record("memory")], FULL)
    own.write_text(before, encoding="utf-8")
    monkeypatch.setattr(command, "PAGE", own)
    monkeypatch.setattr(command, "run_check", lambda *_, **__: [machine, *(record(part) for part in measured)])
    assert main([str(tmp_path)]) == 0
    assert (own.read_text(encoding="utf-8") != before) == is_published
    assert (tmp_path / "results-gpu.md").is_file() != is_published
    assert ("it has numbers of memory, which were not measured here" in capsys.readouterr().out) != is_published
