"""The table of cases: what is written comes back, and what is not a table is told with its line and column."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from training.errors import DataFormatError
from training.evaluation.case_table import HEADING, CaseTable, CaseTableFile, read_case_table
from training.evaluation.cases import CaseScores, Plan
from training.metrics.glossary import NAMES

PLAN = Plan(samples=(4, 16), postprocess=(0.5,), seed=3)
N_LINES = len(PLAN.variants)


def case(index, key=None, patient="p", scores=None):
    values = np.random.default_rng(index).normal(size=(N_LINES, len(NAMES))) if scores is None else scores
    votes = tuple(np.zeros((variant.n + 1, 5), np.int64) for variant in PLAN.variants)
    return CaseScores(index, key or f"case {index}", patient, 4, index % 5, 2**62 + index, values, votes)


def written(path, cases, plan=PLAN):
    with CaseTable(path, plan) as table:
        for one in cases:
            table.add(one)
    return path


@pytest.fixture
def lines(tmp_path):
    """The lines of a good table of three cases."""
    return written(tmp_path / "good.csv", [case(0), case(1), case(2)]).read_text().splitlines(keepends=True)


def refusal(tmp_path, lines):
    path = tmp_path / "bad.csv"
    path.write_text("".join(lines), newline="")
    with pytest.raises(DataFormatError) as refused:
        read_case_table(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
    return str(refused.value)


def with_field(lines, number, column, text):
    """The table with one field of line ``number`` (from 1, the heading's) replaced."""
    fields = lines[number - 1].rstrip("\n").split(",")
    fields[(*HEADING, *NAMES).index(column)] = text
    return [*lines[: number - 1], ",".join(fields) + "\n", *lines[number:]]


def test_what_is_written_comes_back_to_the_last_bit(tmp_path):
    scores = np.random.default_rng(0).normal(size=(N_LINES, len(NAMES))) * 10.0 ** np.arange(len(NAMES))
    scores[1, 3], scores[:, 7], scores[0, 0], scores[2, 1] = math.nan, math.nan, 1 / 3, 5e-324
    cases = [case(0), case(4, 'a, "key"\nin two lines', "Åsa; ü", scores), case(9)]
    columns = read_case_table(written(tmp_path / "t.csv", cases))
    assert columns.index.tolist() == [0] * 4 + [4] * 4 + [9] * 4
    assert columns.key[4:8] == ['a, "key"\nin two lines'] * 4
    assert set(columns.patient[4:8]) == {"Åsa; ü"}
    assert columns.seed[4] == 2**62 + 4
    assert set(columns.experts) == {4}
    assert columns.found[[0, 4, 8]].tolist() == [0, 4, 4]
    assert columns.n.tolist() == [4, 4, 16, 16] * 3
    np.testing.assert_array_equal(columns.postprocess, [math.nan, 0.5, math.nan, 0.5] * 3)
    read = np.stack([columns.scores[name] for name in NAMES], axis=1)
    np.testing.assert_array_equal(read, np.concatenate([one.scores for one in cases]))


def test_an_undefined_score_is_an_empty_field_and_raw_has_no_r(tmp_path):
    scores = np.zeros((N_LINES, len(NAMES)))
    scores[0, 0] = math.nan
    first, second = written(tmp_path / "t.csv", [case(7, scores=scores)]).read_text().splitlines()[1:3]
    assert first.startswith(f'7,"case 7","p",4,2,{2**62 + 7},4,,,0.0,0.0,')
    assert second.startswith(f'7,"case 7","p",4,2,{2**62 + 7},4,0.5,0.0,0.0,')


NASTY = [
    "\r", "a\rb", "\r\n", "\n", "a,b", '"', '""a"', "'", "''", "'=1", "=cmd|calc!A1", "+1", "@x", "-2", "\t1",
    "", " a ", "007", "NaN", "ü漢字🫁", "\u2028", "\x0b\x0c\x1c\x85", "\0",
]  # fmt: skip


def test_any_key_and_patient_comes_back(tmp_path):
    cases = [case(i, "k" + text, text) for i, text in enumerate(NASTY)]
    cases += [case(len(NASTY) + i, text, "p") for i, text in enumerate(filter(None, NASTY))]
    table = list(CaseTableFile(written(tmp_path / "t.csv", cases)))
    assert [(name.key, name.patient) for name, _ in table] == [(one.key, one.patient) for one in cases]
    np.testing.assert_array_equal([scores for _, scores in table], [one.scores for one in cases])


@pytest.mark.parametrize("text", ["=cmd|calc!A1", "+1", "-2", "@x", "\t=1", "\r=1", "\n=1", "'", "'=1"])
def test_no_text_is_a_formula_in_a_spreadsheet(tmp_path, text):
    path = written(tmp_path / "t.csv", [case(0, text, text)])
    with path.open(newline="", encoding="utf-8") as file:
        _, first, *_ = csv.reader(file)
    assert first[1:3] == ["'" + text] * 2


def test_neighbouring_relative_areas_stay_apart(tmp_path):
    areas = [0.3333331, 0.3333329, 1 / 3, 1.0]
    tables = [written(tmp_path / f"{r}.csv", [case(0)], Plan((4, 16), (r,))) for r in areas]
    assert [CaseTableFile(path).variants[1] for path in tables] == [(4, r) for r in areas]
    other = written(tmp_path / "other.csv", [case(1)], Plan((4, 16), areas[1:2])).read_text().splitlines(keepends=True)
    told = refusal(tmp_path, [tables[0].read_text(), *other[1:]])
    assert "n = 16 with r = 0.3333329, expected n = 4 raw, n = 4 with r = 0.3333331" in told


def test_the_same_cases_give_the_same_bytes(tmp_path):
    first, again = (written(tmp_path / name, [case(0), case(1)]).read_bytes() for name in ("a", "b"))
    assert first == again
    assert b"\r" not in first


def test_a_table_that_is_not_finished_leaves_the_old_one(tmp_path):
    path = written(tmp_path / "t.csv", [case(0)])
    old = path.read_bytes()

    def lost_midway():
        yield case(1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        written(path, lost_midway())
    assert path.read_bytes() == old
    assert [found.name for found in tmp_path.iterdir()] == ["t.csv"]


def test_cases_are_read_one_by_one(tmp_path):
    table = CaseTableFile(written(tmp_path / "t.csv", [case(0), case(1)]))
    assert table.names == NAMES
    assert table.variants == ((4, None), (4, 0.5), (16, None), (16, 0.5))
    (first, scores), _ = table
    assert (first.index, first.key, first.patient, first.experts, first.found) == (0, "case 0", "p", 4, 0)
    np.testing.assert_array_equal(scores, case(0).scores)


def test_a_table_of_fewer_scores_is_read(tmp_path, lines):
    path = tmp_path / "few.csv"
    path.write_text("".join(",".join(line.split(",")[:9]) + "\n" for line in lines))
    assert list(read_case_table(path).scores) == [NAMES[0]]


@pytest.mark.parametrize("column", HEADING)
def test_a_missing_column_is_named(tmp_path, lines, column):
    at = HEADING.index(column)
    cut = [",".join(f for i, f in enumerate(line.split(",")) if i != at) for line in lines]
    assert f"line 1: there is no column {column!r}" in refusal(tmp_path, cut)


@pytest.mark.parametrize(
    ("heading", "message"),
    [
        (lambda h: h.replace("index,key", "key,index"), "columns must be index, key, patient"),
        (lambda h: h.replace(NAMES[1], NAMES[0]), "each once"),
        (lambda h: h.replace(NAMES[1], "sharpness"), "unknown score 'sharpness'"),
        (lambda _: ",".join(HEADING) + "\n", "and then scores"),
        (lambda _: "", "no column 'index'"),
    ],
)
def test_another_heading_is_refused(tmp_path, lines, heading, message):
    assert message in refusal(tmp_path, [heading(lines[0]), *lines[1:]])


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("dice", "good", "line 6, column 'dice': 'good' is no number"),
        ("dice", "nan", "'nan' is no number (an undefined one is left empty)"),
        ("dice", "inf", "'inf' is no number"),
        ("index", "1.0", "line 6, column 'index': '1.0' is no whole number"),
        ("index", "-1", "'-1' is no whole number from 0"),
        ("index", "", "'' is no whole number"),
        ("seed", str(2**63), "column 'seed'"),
        ("n", "0", "column 'n': '0' is no whole number from 1"),
        ("experts", "0", "column 'experts'"),
        ("found", "5", "column 'found': 5 of 4 experts"),
        ("postprocess", "1.5", "column 'postprocess': 1.5 is not in [0, 1]"),
        ("index", "7", "case 7 has n = 4 raw, expected n = 4 raw, n = 4 with r = 0.5, n = 16 raw"),
    ],
)
def test_a_field_that_cannot_be_is_told_with_its_line_and_column(tmp_path, lines, column, text, message):
    assert message in refusal(tmp_path, with_field(lines, 6, column, text))


@pytest.mark.parametrize("column", ["key", "patient", "experts", "found", "seed"])
def test_lines_of_one_case_must_agree(tmp_path, lines, column):
    told = refusal(tmp_path, with_field(lines, 7, column, "3"))
    assert f"line 7, column {column!r}: " in told
    assert "though the first line of case 1 says" in told


def test_cases_out_of_order_or_there_twice_are_refused(tmp_path, lines):
    heading, one, two, three = lines[0], lines[1:5], lines[5:9], lines[9:13]
    assert "line 10, column 'index': 0 comes after 2" in refusal(tmp_path, [heading, *two, *three, *one])
    assert "column 'index': 0 comes after 1; each case must stand once" in refusal(
        tmp_path, [heading, *one, *two, *one]
    )
    assert "case 0 has n = 4 raw, n = 4 raw, expected each once" in refusal(tmp_path, [heading, one[0], one[0]])


def test_a_line_that_is_lost_or_doubled_is_refused(tmp_path, lines):
    assert "was a line lost or doubled" in refusal(tmp_path, lines[:6] + lines[7:])
    assert "was a line lost or doubled" in refusal(tmp_path, lines[:7] + lines[6:])
    assert "was a line lost or doubled" in refusal(tmp_path, [*lines[:5], lines[6], lines[5], *lines[7:]])


def test_a_cut_file_is_refused_wherever_it_was_cut(tmp_path, lines):
    whole = "".join(lines)
    # Lines of the first case alone are a table too, and so are whole cases.
    borders = {sum(map(len, lines[:number])) for number in (2, 3, 4, 5, 9)}
    for length in range(0, len(whole), 41):
        if length not in borders:
            refusal(tmp_path, [whole[:length]])
    assert "the file was cut" in refusal(tmp_path, [whole[:-1]])
    assert "has no case" in refusal(tmp_path, lines[:1])


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\xff\n", b"index,key\xff\n", b'index,"key\n', b"\x00\n"])
def test_what_is_no_table_is_refused(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match=r"t\.csv"):
        read_case_table(path)


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataFormatError, match="cannot read the table of cases"):
        read_case_table(tmp_path / "none.csv")
