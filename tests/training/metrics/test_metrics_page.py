"""docs/metrics.md says of every score what the program does."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from training.metrics import tally
from training.metrics.glossary import NAMES, SCORES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
PLAIN, EXACT = PAGE.split("## Exactly")


def rows(text):
    """Cells of each row of the text's table, by the score that the row begins with."""
    found = {}
    for line in text.splitlines():
        if match := re.match(r"\| `(\w+)`", line):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found[match[1]] = cells
    return found


PLAIN_ROWS, EXACT_ROWS = rows(PLAIN), rows(EXACT)


def test_both_tables_have_every_score_in_the_order_of_the_files():
    assert tuple(PLAIN_ROWS) == tuple(EXACT_ROWS) == NAMES
    assert {len(cells) for cells in PLAIN_ROWS.values()} == {5}
    assert {len(cells) for cells in EXACT_ROWS.values()} == {8}


@pytest.mark.parametrize("name", NAMES)
def test_a_row_says_what_the_glossary_says(name):
    score, (heading, meaning, _, better, changes) = SCORES[name], PLAIN_ROWS[name]
    assert heading == f"`{name}` {score.label}".replace("s'", "s′").replace("y'", "y′")
    assert len(meaning) > 30
    assert better == {"experts": "as the experts'", "none": "neither"}.get(score.better, score.better)
    assert changes.split(",")[0] == ("yes" if score.changes_with_n else "no")


def lesion(n):
    masks = np.zeros((n, 4, 5), bool)
    masks[:, 1:3, 1:3] = True
    return masks


EMPTY = np.zeros((3, 4, 5), bool)
WORDS = {"undefined": math.nan, "a": 4.0, "a/P": 4 / 20}


@pytest.mark.parametrize(
    ("column", "samples", "experts"),
    [(2, EMPTY, EMPTY), (3, EMPTY, lesion(3)), (4, lesion(3), EMPTY)],
    ids=["both empty", "no samples", "no experts"],
)
def test_the_conventions_are_what_comes_out(column, samples, experts):
    said = [WORDS[cells[column]] if cells[column] in WORDS else float(cells[column]) for cells in EXACT_ROWS.values()]
    np.testing.assert_allclose(tally(samples, experts).scores(), said, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("column", "n", "k"), [(5, 3, 1), (6, 1, 3)], ids=["one expert", "one sample"])
def test_what_a_single_mask_does_not_have_is_said_to_be_undefined(column, n, k):
    rng = np.random.default_rng(0)
    scores = tally(rng.random((n, 6, 7)) < 0.4, rng.random((k, 6, 7)) < 0.4).scores()
    said = {name for name, cells in EXACT_ROWS.items() if cells[column] == "undefined"}
    assert {name for name, score in zip(NAMES, scores, strict=True) if math.isnan(score)} == said


def test_the_tests_that_it_names_exist():
    named = set(re.findall(r"`(test_\w+\.py)`", EXACT))
    assert named
    assert all((Path(__file__).parent / name).exists() for name in named)
