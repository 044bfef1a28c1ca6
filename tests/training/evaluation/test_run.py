"""One process: what it writes, how it goes on, and what it refuses."""

import dataclasses
import json
import math
import os
import shutil
from itertools import islice

import numpy as np
import pytest
import torch

from training.data.opening import open_dataset
from training.errors import ConfigError, DataFormatError
from training.evaluation.case_table import read_case_table
from training.evaluation.cases import Plan, evaluate_cases
from training.evaluation.outcome import sealed
from training.evaluation.run import evaluate_run
from training.evaluation.work import one_thread_each
from training.lock import locked
from training.metrics.glossary import NAMES
from training.metrics.overlap import count_pairs
from training.report.facts import describe_split
from training.segmenters.experts import ExpertsOracle

QUICK = Plan((2, 5), (0.5,))
CASES = 31


def run(model, data, out, *, plan=QUICK, cases=CASES, stop_after=None, **options):
    """Summary, all that was yielded and all that was told; ``stop_after`` so many cases of this session."""
    told, progress = [], []

    def should_stop():
        return stop_after is not None and len(progress) >= stop_after

    steps = evaluate_run(
        str(model),
        data,
        out,
        plan=plan,
        cases=cases,
        device="cpu",
        should_stop=should_stop,
        tell=told.append,
        **options,
    )
    try:
        while True:
            progress.append(next(steps))
    except StopIteration as end:
        return end.value, progress, told


def result(out):
    """The bytes that must not depend on how they came about."""
    return out.read_bytes(), out.with_suffix(".csv").read_bytes()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def whole(phantoms, model, tmp_path_factory):
    """An evaluation that nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "scores.json"
    run(model, phantoms, out)
    return out


def test_a_summary_a_table_and_what_it_cost_are_written(phantoms, model, whole):
    assert names_in(whole.parent) == ["scores.cost.json", "scores.csv", "scores.json"]
    summary = json.loads(whole.read_bytes())
    with open_dataset(phantoms) as dataset:
        assert summary["data_sha256"] == dataset.sha256()
    asked = {"format": 2, "segmenter": str(model), "data": str(phantoms), "split": "val", "crop": None, "seed": 0}
    asked |= {"samples": [2, 5], "postprocess": [0.5], "cases": CASES, "patients": 16, "experts": [4]}
    assert {name: summary[name] for name in asked} == asked
    assert summary["sampling"]["device"] == "cpu"
    assert summary["sampling"]["steps"] == 2
    assert summary["made_with"]["torch"] == torch.__version__
    assert list(summary["scores"]) == ["2", "5"]
    for variants in summary["scores"].values():
        assert list(variants) == ["raw", "postprocessed"]
        assert all(list(scores) == list(NAMES) for scores in variants.values())
    table = read_case_table(whole.with_suffix(".csv"))
    assert len(table.index) == CASES * 4
    cost = json.loads(whole.with_suffix(".cost.json").read_bytes())
    assert (cost["masks"], cost["network_calls"], cost["processes"]) == (5 * CASES, 2, 1)
    assert cost["seconds"] == pytest.approx(cost["seconds_drawing"] + cost["seconds_scoring"])
    assert cost["seconds_per_image"] == pytest.approx(cost["seconds_drawing"] / CASES)
    assert cost["peak_memory_mib"] > 50


def test_the_table_has_the_scores_of_each_case_and_the_summary_their_means(phantoms, whole):
    from training.build import load_segmenter

    summary, table = json.loads(whole.read_bytes()), read_case_table(whole.with_suffix(".csv"))
    with open_dataset(phantoms) as dataset, one_thread_each():
        segmenter = load_segmenter(summary["segmenter"], "cpu")
        rows = list(evaluate_cases(segmenter, islice(enumerate(dataset.splits["val"]), CASES), QUICK))
    values = np.array([row.scores for row in rows])
    for column, name in enumerate(NAMES):
        np.testing.assert_array_equal(table.scores[name].reshape(CASES, 4), values[:, :, column])
    means = summary["scores"]["5"]["postprocessed"]
    for column, name in enumerate(NAMES):
        defined = values[:, 3, column][~np.isnan(values[:, 3, column])]
        assert means[name]["undefined"] == CASES - len(defined)
        assert means[name]["mean"] == pytest.approx(defined.mean())


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


def test_the_number_of_threads_changes_nothing_and_is_left_as_it_was(phantoms, model, whole, tmp_path):
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            out = tmp_path / str(threads) / "scores.json"
            out.parent.mkdir()
            run(model, phantoms, out)
            assert result(out) == result(whole)
            assert torch.get_num_threads() == threads
            assert json.loads(out.with_suffix(".cost.json").read_bytes())["threads"] == threads
    finally:
        torch.set_num_threads(before)


def test_without_out_nothing_is_left(phantoms, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    summary, progress, _ = run("experts", phantoms, None, cases=5)
    assert summary["cases"] == 5
    assert summary["case_table"] is None
    assert progress[-1].cost["masks"] == 25
    assert names_in(tmp_path) == []


def test_the_first_cases_and_random_crops_are_part_of_the_request(phantoms, tmp_path):
    out = tmp_path / "scores.json"
    summary, _, _ = run("experts", phantoms, out, cases=7, random_crop=16, crop_seed=3)
    assert (summary["cases"], summary["crop"]) == (7, {"size": 16, "seed": 3})
    keys = set(read_case_table(tmp_path / "scores.csv").key)
    assert len(keys) == 7
    assert all(key.endswith("]") for key in keys)
    _, _, told = run("experts", phantoms, out, cases=7, random_crop=16, crop_seed=3)
    assert "already" in told[0]
    summary, _, told = run("experts", phantoms, out, cases=8, random_crop=16, crop_seed=3)
    assert (summary["cases"], told) == (8, [])


def test_humans_are_a_row_of_their_own(phantoms, tmp_path):
    summary, progress, _ = run("human", phantoms, tmp_path / "scores.json", plan=Plan((4, 16), (0.3, 0.5), 9))
    assert (summary["segmenter"], summary["samples"], summary["postprocess"], summary["seed"]) == ("human", [1], [], 0)
    assert summary["sampling"] == {"model": "human"}
    means = summary["scores"]["1"]["raw"]
    with open_dataset(phantoms) as dataset:
        pairs = [count_pairs(case.masks, case.masks).dice for case in islice(dataset.splits["val"], CASES)]
    distinct = [(dice.sum() - np.trace(dice)) / 12 for dice in pairs]
    assert means["dice"]["mean"] == pytest.approx(np.mean(distinct))
    assert means["ged_u"] == {"mean": None, "low": None, "high": None, "undefined": CASES}
    assert summary["reliability"] == {"1": {"raw": None}}
    diversity = means["diversity_experts"]["mean"]
    # Beside three others, not four.
    assert summary["floor"]["1"] == pytest.approx({"ged_v": diversity * 4 / 3, "ged_u": diversity / 3})
    assert progress[-1].cost["masks"] == 0


def test_several_relative_areas_are_scored_at_once(phantoms, tmp_path):
    summary, _, _ = run("experts", phantoms, tmp_path / "scores.json", plan=Plan((4,), (0.3, 0.5)), cases=9)
    assert list(summary["scores"]["4"]) == ["raw", "postprocessed 0.3", "postprocessed 0.5"]


def test_a_json_reader_without_nan_can_read_all_of_it(phantoms, tmp_path):
    """One sample: GED (U) is undefined everywhere."""
    run("empty", phantoms, tmp_path / "scores.json", plan=Plan((1,)), cases=5)

    def never(constant):
        raise AssertionError(constant)

    for path in tmp_path.glob("*.json"):
        json.loads(path.read_text(), parse_constant=never)


def test_a_second_one_at_the_same_place_is_refused_with_who_is_there(phantoms, tmp_path):
    with (
        locked(tmp_path / "scores.parts", "evaluating"),
        pytest.raises(ConfigError, match=rf"process {os.getpid()} on .* is evaluating in .*scores\.parts"),
    ):
        run("experts", phantoms, tmp_path / "scores.json")
    run("experts", phantoms, tmp_path / "scores.json", cases=3)
    assert names_in(tmp_path) == ["scores.cost.json", "scores.csv", "scores.json"]


@pytest.mark.parametrize(
    ("out", "options", "error", "says"),
    [
        ("scores.csv", {}, ConfigError, "must end in .json"),
        ("scores.cost.json", {}, ConfigError, "must not end in .cost.json"),
        ("a" * 240 + ".json", {}, ConfigError, "cannot write .*; give another --out"),
        ("scores.json", {"cases": 0}, ConfigError, "at least 1 case"),
        ("scores.json", {"split": "vall"}, ConfigError, "no split 'vall'"),
        ("scores.json", {"random_crop": 64}, DataFormatError, "choose a crop of at most 32"),
        ("scores.json", {"sampler": "dim"}, ConfigError, "unknown sampler"),
    ],
)
def test_impossible_wishes_are_refused_and_leave_nothing(phantoms, tmp_path, out, options, error, says):
    with pytest.raises(error, match=says):
        run("experts", phantoms, tmp_path / out, **options)
    assert names_in(tmp_path) == []


def test_a_file_in_place_of_the_journals_is_refused(phantoms, tmp_path):
    (tmp_path / "scores.parts").write_text("a file")
    with pytest.raises(ConfigError, match=r"cannot write in .*scores\.parts"):
        run("experts", phantoms, tmp_path / "scores.json")


def test_a_folder_in_place_of_the_table_keeps_what_is_scored(phantoms, tmp_path):
    out, table = tmp_path / "scores.json", tmp_path / "scores.csv"
    steps = evaluate_run("experts", phantoms, out, plan=QUICK, device="cpu", cases=CASES)
    next(steps)
    table.mkdir()
    with pytest.raises(ConfigError, match="cannot write"):
        list(steps)
    with pytest.raises(ConfigError, match=r"scores\.csv: it is a folder"):
        run("experts", phantoms, out)
    table.rmdir()
    _, progress, told = run("experts", phantoms, out)
    assert told == [f"{CASES} of {CASES} cases are scored already"]
    assert len(progress) == 1


@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_of_the_user_is_left_as_it_is(phantoms, tmp_path, linked):
    parts = tmp_path / "scores.parts"
    own = tmp_path / "own" if linked else parts
    (own / "deep").mkdir(parents=True)
    (own / "deep" / "notes.txt").write_text("mine")
    (own / "0000-1-0123abcd.journal.txt").write_text("mine too")
    if linked:
        parts.symlink_to(own)
    with pytest.raises(ConfigError, match=r"cannot write in .*scores\.parts: (it is a link|0000-1-.* is not of an ev)"):
        run("experts", phantoms, tmp_path / "scores.json", cases=3)
    assert names_in(own) == ["0000-1-0123abcd.journal.txt", "deep"]
    assert (own / "deep" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "scores.json").exists()


def test_a_link_to_an_empty_folder_is_no_folder_for_journals(phantoms, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "scores.parts").symlink_to(tmp_path / "own")
    with pytest.raises(ConfigError, match="it is a link"):
        run("experts", phantoms, tmp_path / "scores.json", cases=3)
    assert (tmp_path / "scores.parts").is_symlink()


def test_what_comes_to_the_journals_meanwhile_stays(phantoms, tmp_path):
    parts = tmp_path / "scores.parts"
    steps = evaluate_run("experts", phantoms, tmp_path / "scores.json", plan=QUICK, device="cpu", cases=5)
    next(steps)
    (parts / "mine").mkdir()
    (parts / "mine" / "notes.txt").write_text("mine")
    (parts / "notes.txt").write_text("mine")
    (parts / ".hidden").write_text("mine")
    list(steps)
    assert {"mine", "notes.txt", ".hidden"} <= set(names_in(parts))
    assert not list(parts.glob("*.journal"))
    assert (parts / "mine" / "notes.txt").read_text() == "mine"


def test_hidden_files_of_the_system_are_in_nobodys_way(phantoms, tmp_path):
    parts = tmp_path / "scores.parts"
    parts.mkdir()
    (parts / ".DS_Store").write_text("")
    (parts / "halt").write_text("")
    (parts / "..lock-holder.json.12-ab12.part").write_text("{")
    run("experts", phantoms, tmp_path / "scores.json", cases=3)
    assert set(names_in(parts)) <= {".DS_Store", ".lock"}


def copied(model, folder):
    for path in (model, model.with_suffix(".json")):
        shutil.copy(path, folder / path.name)
    return folder / model.name


@pytest.mark.parametrize("read", ["card", "data", "weights", "link to the data"])
def test_what_is_read_is_not_replaced(phantoms, model, tmp_path, read):
    own, data, out = copied(model, tmp_path), phantoms, tmp_path / "scores.json"
    if read == "card":
        out = own.with_suffix(".json")
    elif read == "data":
        data = tmp_path / "scores.csv"
        shutil.copy(phantoms, data)
    elif read == "weights":
        own = own.rename(tmp_path / "run.safetensors")
        (tmp_path / "random.json").rename(tmp_path / "run.json")
        (tmp_path / "scores.cost.json").hardlink_to(own)
    else:
        (tmp_path / "scores.csv").symlink_to(phantoms)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match="it is also what is read"):
        run(own, data, out, cases=3)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("scores.csv", "name,age\nme,1\n"),
        ("scores.csv", ""),
        ("scores.cost.json", '{"rent": 100}'),
        ("scores.cost.json", "no JSON"),
        ("scores.json", '{"name": "a card", "scores": {}}'),
        ("scores.json", "[1, 2]"),
        ("scores.json", "no JSON"),
    ],
)
def test_a_file_that_no_evaluation_wrote_is_not_replaced(phantoms, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=f"{name}: what is there is not of an evaluation"):
        run("experts", phantoms, tmp_path / "scores.json", cases=3)
    assert names_in(tmp_path) == [name]
    assert (tmp_path / name).read_text() == content


def test_an_empty_file_may_keep_the_place(phantoms, tmp_path):
    (tmp_path / "scores.json").touch()
    summary, _, _ = run("experts", phantoms, tmp_path / "scores.json", cases=3)
    assert json.loads((tmp_path / "scores.json").read_bytes()) == summary


def test_what_an_evaluation_left_without_its_summary_is_replaced(phantoms, whole, tmp_path):
    for end in (".csv", ".cost.json"):
        shutil.copy(whole.with_suffix(end), (tmp_path / "scores.json").with_suffix(end))
    run("experts", phantoms, tmp_path / "scores.json", cases=3)
    assert len(read_case_table(tmp_path / "scores.csv").index) == 12


def edited(change):
    def damage(content):
        found = json.loads(content)
        change(found)
        return json.dumps(found, indent=2)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        edited(lambda s: s["scores"]["5"]["raw"]["ged_v"].update(mean=0.0)),
        edited(lambda s: s["scores"]["5"]["raw"]["ged_v"].update(mean=math.nan)),
        edited(lambda s: s["scores"]["5"]["raw"]["ged_v"].update(mean=math.inf)),
        edited(lambda s: s.pop("scores")),
        edited(lambda s: s.pop("floor")),
        edited(lambda s: s.pop("sha256")),
        edited(lambda s: s.update(sha256=5, scores=[1])),
        edited(lambda s: s.update(segmenter="better")),
        edited(lambda s: s.update(case_table="scores.csv")),
        edited(lambda s: s.update(case_table={"file": "../scores.csv", "sha256": s["case_table"]["sha256"]})),
        lambda _: "[" * 100_000,
    ],
)
def test_a_summary_that_was_edited_is_made_again_and_that_is_told(phantoms, model, whole, tmp_path, damage):
    out = tmp_path / "scores.json"
    for path in whole.parent.iterdir():
        shutil.copy(path, tmp_path / path.name)
    out.write_text(damage(out.read_text()))
    _, _, told = run(model, phantoms, out)
    assert told == [f"{out} is not what was written; its cases are scored again"]
    assert result(out) == result(whole)


def test_a_result_under_another_name_does_not_pass_for_this_one(phantoms, tmp_path):
    run("experts", phantoms, tmp_path / "a.json", cases=3)
    for end in (".json", ".csv"):
        (tmp_path / "a.json").with_suffix(end).rename((tmp_path / "b.json").with_suffix(end))
    _, _, told = run("experts", phantoms, tmp_path / "b.json", cases=3)
    assert told == [f"{tmp_path / 'b.csv'} is not the table that was written; its cases are scored again"]
    assert json.loads((tmp_path / "b.json").read_bytes())["case_table"]["file"] == "b.csv"


def test_an_indented_summary_says_the_same(phantoms, model, whole, tmp_path):
    for path in whole.parent.iterdir():
        shutil.copy(path, tmp_path / path.name)
    out = tmp_path / "scores.json"
    out.write_text(json.dumps(json.loads(out.read_bytes()), indent=7, sort_keys=True))
    _, _, told = run(model, phantoms, out)
    assert told == [f"{out} has this evaluation already"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "{}",
        lambda _: "text",
        lambda _: "[1]",
        edited(lambda c: c.update(seconds="long")),
        edited(lambda c: c.update(seconds=math.nan)),
        edited(lambda c: c.update(masks=True)),
        edited(lambda c: c.update(device_name=None)),
        edited(lambda c: c.update(peak_memory_mib="much")),
        edited(lambda c: c.pop("peak_memory_mib")),
    ],
)
def test_a_cost_that_is_none_is_left_out(phantoms, model, whole, tmp_path, damage):
    for path in whole.parent.iterdir():
        shutil.copy(path, tmp_path / path.name)
    cost = tmp_path / "scores.cost.json"
    cost.write_text(damage(cost.read_text()))
    summary, progress, _ = run(model, phantoms, tmp_path / "scores.json")
    assert summary == json.loads(whole.read_bytes())
    assert progress[-1].cost is None


def test_the_card_of_a_model_is_heard_each_time(phantoms, model, tmp_path):
    own = copied(model, tmp_path)
    card = json.loads(own.with_suffix(".json").read_text())
    own.with_suffix(".json").write_text(json.dumps(card | {"summary": "Trained on\n synthetic slices only."}))
    says = f"{own}: Trained on synthetic slices only."
    assert run(own, phantoms, tmp_path / "scores.json", cases=2)[2] == [says]
    assert run(own, phantoms, tmp_path / "scores.json", cases=2)[2][0] == says


def test_what_fails_in_a_case_names_it_and_keeps_the_others(phantoms, tmp_path, monkeypatch):
    out, draw = tmp_path / "scores.json", ExpertsOracle.draw
    with open_dataset(phantoms) as dataset:
        key, eleventh = dataset.splits["val"].keys[10], dataset.splits["val"][10].masks

    def fails(self, image, n, seed):
        drawn = draw(self, image, n, seed)
        is_eleventh = np.array_equal(self.masks, eleventh)
        return dataclasses.replace(drawn, masks=drawn.masks[:, :8]) if is_eleventh else drawn

    with monkeypatch.context() as now:
        now.setattr(ExpertsOracle, "draw", fails)
        with pytest.raises(DataFormatError, match=f"case '{key}': 5 masks of"):
            run("experts", phantoms, out)
    _, _, told = run("experts", phantoms, out)
    assert int(told[0].split()[0]) >= 10


def test_always_empty_on_real_slices_scores_the_anchor(shared_data, tmp_path):
    """GED 0.845 and dice 0.380 on all of LIDC; on the val split what the pairs of its experts alone tell."""
    data = shared_data / "lidc_val.hdf5"
    summary, _, _ = run("empty", data, tmp_path / "scores.json", plan=Plan((1,), ()), cases=None)
    means = summary["scores"]["1"]["raw"]
    with open_dataset(data) as dataset:
        anchor = describe_split(dataset.splits["val"])["always_empty"]
    assert means["ged_v"]["mean"] == pytest.approx(anchor["ged_v"], abs=6e-5)
    assert means["dice"]["mean"] == pytest.approx(anchor["dice"], abs=6e-5)
    assert means["ged_v"]["mean"] == pytest.approx(0.845, abs=0.03)
    assert means["dice"]["mean"] == pytest.approx(0.380, abs=0.03)
    assert math.isfinite(means["ged_v"]["low"])
