"""The pages on the viewer: one for each dock, every key, no link to nowhere."""

import re
from pathlib import Path

import pytest
from PIL import Image

from napari_ambiseg import dock_names
from napari_ambiseg._qt.keys import KEYS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "viewer"
DOCKS = sorted(value for name, value in vars(dock_names).items() if name.isupper() and name != "PLUGIN")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("dock", DOCKS)
def test_every_dock_has_a_page_with_its_picture(dock):
    name = dock.lower().replace(" ", "-")
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {dock}\n")
    assert f"../images/{name}.png" in page
    assert f"]({name}.md)" in (DOCS / "README.md").read_text(encoding="utf-8")


def test_the_table_of_keys_has_all_of_them_and_no_other():
    text = (DOCS / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.partition("## Keys")[2].splitlines() if line.startswith("| `")]
    listed = {key for row in rows for key in re.findall("`(.)`", row.split(" | ")[0])}
    assert listed == {key.key for key in KEYS.values()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("http") and not (page.parent / link).exists()] == []


def test_the_film_is_short_and_small():
    path = ROOT / "docs" / "images" / "first-minute.gif"
    assert path.stat().st_size < 3_000_000
    milliseconds = 0
    with Image.open(path) as film:
        for at in range(film.n_frames):
            film.seek(at)
            milliseconds += film.info["duration"]
    assert 8_000 <= milliseconds <= 12_500
