"""An evaluation that was interrupted, damaged or done already goes on to the same bytes."""

import json
import shutil

import pytest

from training.errors import ConfigError
from training.evaluation.cases import Plan
from training.evaluation.outcome import sealed
from training.evaluation.run import evaluate_run

from .whole_runs import CASES, QUICK, names_in, result, run


def test_the_same_again_does_nothing(phantoms, model, whole, monkeypatch):
    def never(*arguments):
        raise AssertionError("nothing is to be drawn")

    monkeypatch.setattr("training.evaluation.run.score_block", never)
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in whole.parent.iterdir()}
    summary, progress, told = run(model, phantoms, whole)
    assert summary == json.loads(whole.read_bytes())
    assert told == [f"{whole} has this evaluation already"]
    assert [p.is_finished for p in progress] == [True]
    assert progress[0].cost["masks"] == 5 * CASES
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in whole.parent.iterdir()} == before


@pytest.mark.parametrize("stops", [[1], [12], [CASES], [1, 1, 1, 9, 1]])
def test_an_interrupted_evaluation_goes_on_to_the_same_bytes(phantoms, model, whole, tmp_path, stops):
    out = tmp_path / "scores.json"
    for stop_after in stops:
        summary, progress, _ = run(model, phantoms, out, stop_after=stop_after)
        assert summary is None
        assert not any(p.is_finished for p in progress)
        assert names_in(tmp_path) == ["scores.parts"]
    summary, progress, told = run(model, phantoms, out)
    assert summary == json.loads(out.read_bytes())
    assert result(out) == result(whole)
    assert names_in(tmp_path) == ["scores.cost.json", "scores.csv", "scores.json"]
    done = int(told[0].split()[0])
    assert sum(stops) <= done <= CASES
    assert told == [f"{done} of {CASES} cases are scored already"]
    assert len(progress) == CASES - done + 1


def test_progress_counts_what_was_done_before(phantoms, model, tmp_path):
    out = tmp_path / "scores.json"
    _, first, _ = run(model, phantoms, out, cases=20, stop_after=5)
    assert [p.done for p in first[:5]] == [1, 2, 3, 4, 5]
    assert {p.total for p in first} == {20}
    _, rest, _ = run(model, phantoms, out, cases=20)
    assert [p.done for p in rest] == [*range(first[-1].done + 1, 21), 20]


@pytest.mark.parametrize("harm", ["torn", "flipped", "deleted", "emptied", "all deleted"])
def test_a_journal_that_suffered_is_made_good_to_the_same_bytes(phantoms, model, whole, tmp_path, harm):
    out, parts = tmp_path / "scores.json", tmp_path / "scores.parts"
    for _ in range(3):
        run(model, phantoms, out, stop_after=6)
    first = min(parts.glob("*.journal"))
    content = first.read_bytes()
    if harm == "torn":
        first.write_bytes(content[:-50])
    elif harm == "flipped":
        first.write_bytes(content[:2000] + bytes([content[2000] ^ 4]) + content[2001:])
    elif harm == "emptied":
        first.write_bytes(b"")
    elif harm == "deleted":
        first.unlink()
    else:
        shutil.rmtree(parts)
    _, _, told = run(model, phantoms, out)
    assert result(out) == result(whole)
    assert names_in(tmp_path) == ["scores.cost.json", "scores.csv", "scores.json"]
    if harm in ("torn", "flipped"):
        assert told[0] == f"{parts}: lines are damaged (1 of {first.name}); their cases are scored again"


def test_a_journal_that_disappears_while_it_is_written_is_made_good(phantoms, model, whole, tmp_path):
    out = tmp_path / "scores.json"
    steps = evaluate_run(str(model), phantoms, out, plan=QUICK, device="cpu", cases=CASES)
    for _ in range(10):
        next(steps)
    for path in (tmp_path / "scores.parts").glob("*.journal"):
        path.unlink()
    for _ in steps:
        pass
    assert result(out) == result(whole)


def test_an_evaluation_whose_journals_never_stay_gives_up(phantoms, model, tmp_path):
    def evaluated_against_a_cleaner():
        for _ in evaluate_run(str(model), phantoms, tmp_path / "scores.json", plan=QUICK, device="cpu", cases=3):
            for path in (tmp_path / "scores.parts").glob("*.journal"):
                path.unlink()

    with pytest.raises(ConfigError, match="does not stay; let no one else change it"):
        evaluated_against_a_cleaner()


def test_another_evaluation_is_replaced_only_when_the_new_one_is_complete(phantoms, model, whole, tmp_path):
    out = tmp_path / "scores.json"
    for path in whole.parent.iterdir():
        shutil.copy(path, tmp_path / path.name)
    run(model, phantoms, out, plan=Plan((3,)), stop_after=10)
    assert result(out) == result(whole)
    with pytest.raises(ConfigError, match=r"another evaluation that is not finished, with samples = \[3\], now \[4\]"):
        run(model, phantoms, out, plan=Plan((4,)))
    assert result(out) == result(whole)
    run(model, phantoms, out, plan=Plan((3,)))
    assert json.loads(out.read_bytes())["samples"] == [3]
    assert names_in(tmp_path) == ["scores.cost.json", "scores.csv", "scores.json"]


@pytest.mark.parametrize("harm", ["changed", "deleted", "summary cut", "summary is nonsense"])
def test_a_result_that_is_not_what_was_written_is_made_again(phantoms, model, whole, tmp_path, harm):
    out, table = tmp_path / "scores.json", tmp_path / "scores.csv"
    for path in whole.parent.iterdir():
        shutil.copy(path, tmp_path / path.name)
    if harm == "changed":
        table.write_bytes(table.read_bytes().replace(b"1", b"2", 1))
    elif harm == "deleted":
        table.unlink()
    else:
        out.write_bytes(out.read_bytes()[:-100] if harm == "summary cut" else b"[]")
    run(model, phantoms, out)
    assert result(out) == result(whole)


def test_the_result_of_another_version_stays_and_says_so(phantoms, model, whole, tmp_path):
    out = tmp_path / "scores.json"
    for path in whole.parent.iterdir():
        shutil.copy(path, tmp_path / path.name)
    old = json.loads(out.read_bytes())
    old["made_with"]["torch"] = "0.1"
    old = sealed(old)
    out.write_text(json.dumps(old))
    summary, _, told = run(model, phantoms, out)
    assert summary == old
    assert told[1].startswith('another version made it, made_with.torch = "0.1", now')


def test_what_another_version_began_is_not_mixed_with_this_one(phantoms, model, tmp_path, monkeypatch):
    out = tmp_path / "scores.json"
    with monkeypatch.context() as then:
        then.setattr("training.evaluation.run.git_commit", lambda: "abc")
        run(model, phantoms, out, stop_after=3)
    with pytest.raises(ConfigError, match=r'not finished, with git_commit = "abc", now'):
        run(model, phantoms, out)


def test_a_moved_file_and_a_model_by_another_path_are_the_same_evaluation(phantoms, model, whole, tmp_path):
    data, weights, out = tmp_path / "moved.hdf5", tmp_path / "renamed.safetensors", tmp_path / "scores.json"
    shutil.copy(phantoms, data)
    shutil.copy(model, weights)
    shutil.copy(model.with_suffix(".json"), weights.with_suffix(".json"))
    run(weights, data, out, stop_after=5)
    _, _, told = run(model, phantoms, out)
    assert "cases are scored already" in told[0]
    assert result(out) == result(whole)
