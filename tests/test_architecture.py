"""The arrows between the packages, and names that the documentation promises."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import training

ROOT = Path(__file__).parents[1]


def test_the_arrows_point_one_way():
    """The contracts of pyproject.toml."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, timeout=120)  # noqa: S603
    assert done.returncode == 0, done.stdout


def test_everything_public_is_importable_and_sorted():
    assert training.__all__ == sorted(training.__all__)
    for name in training.__all__:
        assert getattr(training, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = training.nonsense


def formalism():
    return (ROOT / "docs/formalism.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(training\.[\w.]+)", formalism()))))
def test_every_function_that_the_formalism_names_exists(name):
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/]*test_\w+\.py)`", formalism()))))
def test_every_test_that_the_formalism_names_exists(name):
    assert (ROOT / "tests/training" / name).is_file()


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda p: p.name)
def test_every_link_within_the_documentation_leads_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http", "mailto")):
            continue
        there = page.parent / target if target else page
        assert there.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(there), f"{page.name} links to {target}#{anchor}"


def anchors(page):
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
