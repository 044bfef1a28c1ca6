"""One case on one page: an HTML file that needs nothing else, for a person to read, print or send."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from training.atomic import write_bytes, writing
from training.export.case_scores import CaseScores
from training.export.colours import expert_colour, expert_letter
from training.export.drawn_case import DrawnCase
from training.export.own_reading import ME, SAMPLES
from training.metrics import pairwise_distance
from training.metrics.glossary import SCORES
from training.records import BoolArray
from training.report.case_figure import case_figure
from training.report.markup import escape, facts_list, figure, paragraph, picture

_STYLE = Path(__file__).with_name("page.css")
_WIDE = "figure img { width: min(100%, 62rem); }"
# A case of four experts is one sheet of A4; what is behind a click stays on the screen.
_SHEET = """
@page { size: A4; margin: 9mm 11mm; }
@media print {
  body { padding: 0; font-size: 8pt; line-height: 1.25; }
  header > .soft, header > .research, header > .lead {
    display: inline-block; margin: 0 1em 0.2em 0; padding: 0; border: 0; font-size: 8pt;
  }
  h1 { font-size: 13pt; margin: 0; }
  main { display: grid; grid-template-columns: 1fr 1fr; column-gap: 8mm; }
  section { min-width: 0; }
  figure, .warning { grid-column: 1 / -1; }
  figure { margin: 1mm 0; }
  figure img { display: block; max-height: 108mm; width: auto; margin: auto; border: 0; padding: 0; }
  h2 { font-size: 9.5pt; margin: 1.5mm 0 0.5mm; padding-top: 1mm; border-top-width: 1px; }
  p, .wide, .facts { margin: 0.5mm 0; }
  table, .facts, .soft, figcaption, .warning { font-size: 7pt; line-height: 1.2; }
  th, td { padding: 0.2mm 1mm; }
  td b, td .interval { display: inline; margin-right: 1mm; font-size: 1em; }
  details, .numbers td:last-child, .numbers thead th:last-child { display: none; }
}"""
# Up front; the others stand behind a click.
_FIRST = ("ged_v", "ged_u", "dice", "iou", "hm_iou", "diversity_model", "diversity_experts", "presence_error")
_FIGURE = (
    "a: the image, with the square that is enlarged in the others. b: the experts' outlines, each with its letter, "
    "colour and dashes. c, d: how much the experts' masks and the drawn ones vary at each pixel, from 0 where all "
    "agree to 0.25 where half of them mark it. e: drawn masks. f: the areas of both."
)
_ME = f" {ME}: the reader's own outline, dash and dot."
_LETTERS = "A letter names a place in this case's list of experts: A of another case need not be the same person."


@dataclass(frozen=True)
class Extras:
    """What the page shows besides the case itself.

    Parameters
    ----------
    command : draws the same masks again
    pictures : (caption, PNG), such as what a window showed
    warnings : what must not be overlooked, such as a model that never saw such images
    """

    command: str = ""
    pictures: Sequence[tuple[str, bytes]] = ()
    warnings: Sequence[str] = ()


def write_case_page(path: Path, drawn: DrawnCase, extras: Extras = Extras()) -> None:
    """Write the page of one case.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    content = case_page(drawn, extras)
    with writing(path):
        write_bytes(path, content.encode())


def case_page(drawn: DrawnCase, extras: Extras = Extras()) -> str:
    """The page of one case as HTML."""
    case = drawn.seen
    sections = [
        ("Who saw it", _who(drawn), ""),
        ("Distance of two experts", _pairs(drawn.seen.masks), ""),
        ("Own reading", _own(drawn), ""),
        ("Note", _note(drawn), ""),
        ("Numbers", _numbers(drawn), "numbers"),
        ("How the masks were drawn", _how(drawn, extras.command), ""),
    ]
    body = "".join(
        f'<section class="{kind}"><h2>{title}</h2>{inner}</section>' for title, inner, kind in sections if inner
    )
    warnings = "".join(
        f'<p class="warning" role="note"><strong>{escape(text)}</strong></p>' for text in extras.warnings
    )
    pictures = "".join(
        f"<figure>{picture(png, caption, 'png')}<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, png in extras.pictures
    )
    shown = figure(
        case_figure(drawn, "svg", 144), _in_words(drawn), "svg", _FIGURE + ("" if drawn.reading is None else _ME)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Case {escape(case.key)}</title>"
        f"<style>{_STYLE.read_text(encoding='utf-8')}{_WIDE}{_SHEET}</style></head>\n<body><header>"
        f'<p class="soft">napari-ambiseg · one case</p><h1>{escape(case.key)}</h1>'
        '<p class="research"><strong>Research use only. Not for diagnosis.</strong></p>'
        f'<p class="lead">{escape(_seen_by(drawn))} {escape(_drawn_by(drawn))}</p></header>\n'
        f"<main>{warnings}{shown}{pictures}{body}</main></body></html>\n"
    )


def _seen_by(drawn: DrawnCase) -> str:
    case = drawn.seen
    if not case.n_experts:
        return "Nobody annotated this slice."
    return f"Seen by {case.n_found} of {case.n_experts} experts."


def _drawn_by(drawn: DrawnCase) -> str:
    n, model = len(drawn.samples), drawn.samples.provenance.get("model")
    return f"{n} {'mask was' if n == 1 else 'masks were'} drawn by {'an unnamed model' if model is None else model}."


def _in_words(drawn: DrawnCase) -> str:
    empty = _n_empty(drawn.samples.masks)
    return (
        f"{_seen_by(drawn)} {empty} of {len(drawn.samples)} drawn masks are empty. The numbers are in the tables below."
    )


def _who(drawn: DrawnCase) -> str:
    """Who drew something, and how large."""
    case, n = drawn.seen, len(drawn.samples)
    rows = [(_lettered(number), *_size(mask, case.spacing_mm)) for number, mask in enumerate(case.masks, start=1)]
    parts = [_table(("Expert", "Drew", "Area"), rows)] if rows else []
    empty = _n_empty(drawn.samples.masks)
    words = f"Of the {n} drawn masks {empty} {'is' if empty == 1 else 'are'} empty"
    if drawn.cleaned is not None:
        words += f", {_n_empty(drawn.cleaned)} after post-processing"
    parts.append(paragraph(f"{words}. An empty mask is an opinion too: nothing here."))
    return "".join(parts)


def _pairs(experts: BoolArray) -> str:
    """How far the experts (K, H, W) are from each other; nothing for one of them."""
    if len(experts) < 2:
        return ""
    distances = pairwise_distance(experts)
    pairs = [
        (f"{_lettered(a + 1)} and {_lettered(b + 1)}", f"{distances[a, b]:.3f}")
        for a, b in combinations(range(len(experts)), 2)
    ]
    words = f"0 is the same outline, 1 is nothing in common; two empty masks agree. {_LETTERS}"
    return _table(("Pair", "1 − IoU"), pairs) + paragraph(words, "soft")


def _own(drawn: DrawnCase) -> str:
    """What the reader of the case drew, and how far that is from the others; nothing where nobody read it."""
    reading, case = drawn.reading, drawn.case
    if reading is None:
        return ""
    words = paragraph(f"{ME}: {reading.area(case.spacing_mm)}; {reading.when}.")
    if not reading.distances:
        return words
    rows = [
        (
            "Drawn masks, mean" if one.name == SAMPLES else f"Expert {escape(one.name)}",
            f"{one.distance:.3f}",
            f"{one.dice:.3f}",
            _area(round(one.area, 1), case.spacing_mm) if one.area else "nothing",
        )
        for one in reading.distances
    ]
    return words + _table((f"{ME} and ...", "1 − IoU", "Dice", "Area of the other"), rows)


def _numbers(drawn: DrawnCase) -> str:
    experts = drawn.seen.masks
    if not len(experts):
        return paragraph("There is nobody to compare the masks with.")
    sets = [CaseScores.of(drawn.samples.masks, experts)]
    heads = ["Score", f"As drawn, n = {sets[0].n}"]
    if drawn.cleaned is not None:
        sets.append(CaseScores.of(drawn.cleaned, experts))
        heads.append(f"Post-processed, n = {sets[1].n}")

    def table(names: Iterable[str]) -> str:
        rows = [
            (escape(SCORES[name].label), *(_value(scores, name) for scores in sets), escape(SCORES[name].meaning))
            for name in names
        ]
        return _table((*heads, "What it says"), rows)

    rest = table(name for name in SCORES if name not in _FIRST)
    explained = (
        "One case says little about a model: compare means over many patients. In brackets: where 95 % of the values "
        "lie when the drawn masks are drawn anew from themselves (bootstrap over the masks; the experts stay). GED (V) "
        "counts each mask beside itself, as papers print it, and compares only at the same n; GED (U) does not."
    )
    return f"{table(_FIRST)}{paragraph(explained, 'soft')}<details><summary>All other scores</summary>{rest}</details>"


def _note(drawn: DrawnCase) -> str:
    flag = f"<p><strong>Flag: {escape(drawn.flag)}</strong></p>" if drawn.flag else ""
    return flag + "".join(f"<p>{escape(line)}</p>" for line in drawn.note.splitlines() if line.strip())


def _how(drawn: DrawnCase, command: str) -> str:
    case = drawn.case
    spacing = "unknown" if case.spacing_mm is None else "{:g} × {:g} mm".format(*case.spacing_mm)
    facts = [
        ("case", case.key),
        ("patient", case.patient),
        ("slice", f"{case.image.shape[0]} × {case.image.shape[1]} pixels"),
        ("size of a pixel", spacing),
    ]
    if drawn.field is not None:
        facts.append(("field (top, left, size)", str(drawn.field)))
    facts.append(("seed", str(drawn.samples.seed)))
    facts += [
        (name.replace("_", " "), str(value)) for name, value in drawn.samples.provenance.items() if value is not None
    ]
    cleaning = "none" if drawn.cleaned is None else " ".join(drawn.cleaning.options()) or "none"
    facts.append(("post-processing", cleaning))
    reproduce = ""
    if command:
        reproduce = (
            f'{paragraph("The same masks and numbers again:")}<pre class="wide"><code>{escape(command)}</code></pre>'
        )
    return facts_list(facts) + reproduce


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of HTML; the first cell of each is its head."""
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    lines = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>'


def _lettered(number: int) -> str:
    """The letter, with the colour that its outline has."""
    dot = f'<span aria-hidden="true" style="color:{expert_colour(number)}">■</span>'
    return f"{dot} {expert_letter(number)}"


def _size(mask: BoolArray, spacing_mm: tuple[float, float] | None) -> Iterator[str]:
    area = int(mask.sum())
    yield "a lesion" if area else "nothing"
    yield _area(area, spacing_mm)


def _area(pixels: float, spacing_mm: tuple[float, float] | None) -> str:
    return f"{pixels:g} pixels" + (f", {pixels * math.prod(spacing_mm):.1f} mm²" if spacing_mm and pixels else "")


def _value(scores: CaseScores, name: str) -> str:
    value, (low, high) = scores.values[name], scores.range_of(name)
    if math.isnan(value):
        return "undefined"
    band = "" if math.isnan(low) else f'<span class="interval">[{low:.3f}, {high:.3f}]</span>'
    return f"<b>{value:.3f}</b>{band}".replace("-", "−").replace("−0.000", "0.000")


def _n_empty(masks: BoolArray) -> int:
    return int(np.count_nonzero(~masks.any(axis=(1, 2))))
