"""What a report should have: whether it is there, and what is to be done about it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal

from training.ablation.results import GridResult
from training.report.figures import FIGURES
from training.report.gallery import Gallery
from training.report.heading import command
from training.report.material import Material
from training.report.table import Table, loud_and_small
from training.report.tables import why_missing

State = Literal["here", "partly", "missing"]


@dataclass(frozen=True)
class Item:
    """One thing that a report should have.

    Parameters
    ----------
    name, title : of the table, figure or section
    detail : how far it is, why not further, and the command that makes it
    """

    name: str
    title: str
    state: State
    detail: str = ""


def take_inventory(material: Material, tables: tuple[Table, ...], gallery: Gallery | None) -> tuple[Item, ...]:
    """Everything that a report on this should have, in the order of the page."""
    titles = {table.name: table.title for table in tables} | {text.name: text.title for text in FIGURES}
    formulas = [
        Item(name, title, "here", "from the program's own formulas; needs no training")
        for name, title in (("fig2", "Fig. 2: the noise schedule"), ("fig3", "Fig. 3: loss weightings"))
    ]
    grids = [_item(name, title, material.grids.get(name), material) for name, title in titles.items()]
    n_found = len(material.evaluations)
    how = f"ambiseg evaluate MODEL DATA --out {shlex.quote(str(material.folder / 'NAME.json'))}"
    evaluations = (
        Item("evaluations", "Evaluations", "here", f"{n_found} of them")
        if n_found
        else Item("evaluations", "Evaluations", "missing", how)
    )
    cases = [] if gallery is None else [_gallery_item(gallery)]
    others = [_item(grid.name, grid.title, grid, material) for grid in material.others]
    damaged = [Item("unreadable", "A file that could not be read", "missing", line) for line in material.unreadable]
    return (*grids[: len(tables)], *formulas, *grids[len(tables) :], *others, evaluations, *cases, *damaged)


def _item(name: str, title: str, grid: GridResult | None, material: Material) -> Item:
    if grid is None:
        return Item(name, title, "missing", f"not run; {command(name, material)}")
    n_done = sum(cell.state == "done" for cell in grid.cells)
    reasons = [": ".join(filter(None, why_missing(cell))) for cell in grid.cells if cell.state != "done"]
    detail = [f"{n_done} of {len(grid.cells)} runs done"]
    detail += [f"{reasons.count(reason)} × {clipped(reason)}" for reason in list(dict.fromkeys(reasons))[:3]]
    if notice := grid.facts.get("notice"):
        detail.append(clipped(loud_and_small(str(notice))[0]))
    state: State = "missing" if not n_done else "here" if n_done == len(grid.cells) else "partly"
    return Item(name, title, state, "; ".join(detail))


def _gallery_item(gallery: Gallery) -> Item:
    if gallery.pictures:
        return Item("cases", "Pictures of cases", "here", f"{len(gallery.pictures)} of them")
    return Item("cases", "Pictures of cases", "missing", gallery.problem)


def clipped(text: str, longest: int = 150) -> str:
    """Text of at most so many letters."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
