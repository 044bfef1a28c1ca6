"""The page: one HTML file that needs nothing else, for a person to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.metrics.glossary import SCORES
from training.report.figures import FigureText
from training.report.gallery import Gallery
from training.report.inventory import Item
from training.report.markup import escape, facts_list, figure, paragraph, picture, prose, table_html, warning
from training.report.paper import CITATION, LINK
from training.report.table import Table

_STYLE = Path(__file__).with_name("page.css")
# Explained up front; the others stand behind a click.
_FIRST_WORDS = ("ged_v", "ged_u", "dice", "iou", "hm_iou", "diversity_model", "presence_error")
_INTRODUCTION = """
Several experts looked at the same picture and drew what they take for the lesion. They often differ: in its border, and
in whether there is one at all. A model that is worth something draws masks that differ in the same way. So not one mask
is compared with one truth here, but a set of n drawn masks with the masks of the K experts.

Tables and figures follow the paper's numbering. Each cell has our mean over cases, its 95 % interval from drawing the
patients (not the slices) anew, and the value that the paper prints. The two compare only if the scale is full and data,
split, number of masks n and estimator are the same: look at what stands above and under each table.
"""


@dataclass(frozen=True)
class Illustration:
    """A figure of the page: what it is, its SVG, words for those who do not see it, and its numbers."""

    text: FigureText
    svg: bytes
    alt: str
    numbers: Table | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Detail:
    """What stands behind one evaluation: its reliability as SVG with a description, and scores by findings."""

    name: str
    svg: bytes | None
    alt: str
    by_found: Table | None


@dataclass(frozen=True)
class Content:
    """Everything on the page, in its order."""

    folder: str
    items: tuple[Item, ...]
    tables: tuple[Table, ...]
    figures: tuple[Illustration, ...]
    gallery: Gallery | None
    evaluations: Table
    details: tuple[Detail, ...] = ()
    others: tuple[Table, ...] = ()
    provenance: tuple[tuple[str, str], ...] = field(default=())


def page(content: Content) -> str:
    """The whole page."""
    sections = [
        ("here", "What is here, and what is missing", _inventory(content.items)),
        ("tables", "Tables", _tables(content.tables)),
        ("figures", "Figures", "".join(map(_illustration, content.figures))),
        ("cases", "Cases", "" if content.gallery is None else _gallery(content.gallery)),
        ("evaluations", "Evaluations", _evaluations(content.evaluations, content.details)),
        ("others", "Other ablations", "".join(_numbers(table) for table in content.others)),
        ("words", "What the numbers mean", _words()),
        ("provenance", "Provenance", facts_list(content.provenance)),
    ]
    shown = [section for section in sections if section[2]]
    links = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title, _ in shown)
    body = "".join(f'<section id="{name}"><h2>{escape(title)}</h2>{inner}</section>' for name, title, inner in shown)
    introduction = "".join(paragraph(text, "lead") for text in _INTRODUCTION.split("\n\n"))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Results: {escape(content.folder)}</title>"
        f"<style>{_STYLE.read_text(encoding='utf-8')}</style></head>\n<body><header>"
        f'<p class="soft">ambiseg report · {escape(content.folder)}</p>'
        "<h1>Ambiguous segmentation: measured results</h1>"
        '<p class="research"><strong>Research use only. Not for diagnosis.</strong></p>'
        f'<p class="soft">Beside the printed values of <a href="{LINK}">{escape(CITATION)}</a>.</p></header>'
        f"<nav><ul>{links}</ul></nav>\n<main>{introduction}{body}</main></body></html>\n"
    )


def _inventory(items: Iterable[Item]) -> str:
    words = {"here": "✓ here", "partly": "◐ in part", "missing": "○ missing"}
    rows = "".join(
        f'<tr><th scope="row">{escape(item.title)}</th><td class="state">{words[item.state]}</td>'
        f"<td>{prose(item.detail)}</td></tr>"
        for item in items
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("What", "State", "More"))
    return f'<div class="wide inventory"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _tables(tables: Sequence[Table]) -> str:
    return "".join(f"<h3>{escape(table.title)}</h3>{_table(table)}" for table in tables)


def _table(table: Table) -> str:
    return "".join(map(warning, table.warnings)) + paragraph(table.caption, "soft") + table_html(table)


def _illustration(shown: Illustration) -> str:
    parts = [f"<h3>{escape(shown.text.title)}</h3>", *map(warning, shown.warnings)]
    parts.append(figure(shown.svg, shown.alt, "svg", shown.text.caption))
    if shown.numbers is not None:
        parts.append(facts_list(shown.numbers.facts))
        parts.append(_numbers(shown.numbers, "The numbers of this figure"))
    return "".join(parts)


def _numbers(table: Table, summary: str = "") -> str:
    """A long table behind a click."""
    return f"<details><summary>{escape(summary or table.title)}</summary>{_table(table)}</details>"


def _gallery(gallery: Gallery) -> str:
    parts = [*map(warning, gallery.warnings)]
    parts += [paragraph(gallery.rule)] if gallery.rule else []
    if gallery.problem:
        parts.append(warning(gallery.problem))
    parts += [
        f'<div class="case"><h4>{escape(shown.title)}</h4>{picture(shown.png, shown.alt, "png")}</div>'
        for shown in gallery.pictures
    ]
    if gallery.pictures:
        parts.append(
            paragraph(
                "From left to right: the image, with the square that is enlarged beside it; the experts' outlines, "
                "each with its colour and letter; drawn masks; and how much they vary at each pixel, from 0 where all "
                "agree to 0.25 where half of them mark it.",
                "soft",
            )
        )
        if gallery.attribution:
            changes = "Changes: enlarged, outlines and drawn masks added."
            parts.append(paragraph(f"Images: {gallery.attribution}. {changes}", "soft"))
    return "".join(parts)


def _evaluations(table: Table, details: Iterable[Detail]) -> str:
    if not table.rows:
        return paragraph("None yet. `ambiseg evaluate MODEL DATA --out OUT_DIR/NAME.json` makes one.")
    parts = [_table(table)]
    for number, detail in enumerate(details):
        inner = "" if detail.svg is None else figure(detail.svg, detail.alt, "svg", _RELIABILITY)
        if detail.by_found is not None:
            inner += f"<h4>{escape(detail.by_found.title)}</h4>{_table(detail.by_found)}"
        if inner:
            is_open = " open" if number == 0 else ""
            what = "by findings" if detail.svg is None else "what shares mean"
            parts.append(f"<details{is_open}><summary>{escape(detail.name)}: {what}</summary>{inner}</details>")
    return "".join(parts)


_RELIABILITY = (
    "Left: of the cases in which so many of the drawn masks have a lesion, what share of the experts sees one. Right: "
    "of the pixels that so many of the masks mark, what share of the experts marks them. On the dashed line a share of "
    "the masks can be read as a share of the experts; under it the model is too sure that there is something."
)


def _words() -> str:
    def listed(names: Iterable[str]) -> str:
        pairs = []
        for name in names:
            score = SCORES[name]
            way = {"lower": " Lower is better.", "higher": " Higher is better.", "experts": " Best as the experts'."}
            rises = " Changes with n by itself." if score.changes_with_n else ""
            pairs.append(
                f"<dt>{escape(score.label)}</dt><dd>{escape(score.meaning + way.get(score.better, '') + rises)}</dd>"
            )
        return f'<dl class="words">{"".join(pairs)}</dl>'

    rest = [name for name in SCORES if name not in _FIRST_WORDS]
    return f"{listed(_FIRST_WORDS)}<details><summary>All other scores</summary>{listed(rest)}</details>"
