"""The files of an evaluation: nothing of the user's is replaced, and what was edited is made again."""

import json
import math
import shutil

import pytest

from training.errors import ConfigError
from training.evaluation.case_table import read_case_table
from training.evaluation.run import evaluate_run

from .whole_runs import CASES, QUICK, copied, names_in, result, run


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
