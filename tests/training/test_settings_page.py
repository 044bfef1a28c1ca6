"""docs/settings.md says what training/config.py says: every key, default, allowed value, preset and example."""

import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from training.build import count_parameters
from training.config import Config
from training.presets import PRESETS, load_config

PAGE = (Path(__file__).parents[2] / "docs/settings.md").read_text(encoding="utf-8")
EVERY, REST = PAGE.split("## The presets beside one another")
TABLE, REST = REST.split("## A file of your own")


def settings(section=None, prefix=""):
    """The JSON schema of every setting, by its dotted key."""
    schema = Config.model_json_schema()
    found = {}
    for name, said in (section or schema)["properties"].items():
        if reference := said.get("$ref"):
            found |= settings(schema["$defs"][reference.rpartition("/")[2]], f"{prefix}{name}.")
        else:
            found[prefix + name] = said
    return found


def flat(settings, prefix=""):
    """Nested settings by dotted key."""
    found = {}
    for name, value in settings.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def rows(text):
    """The cells of every table row that begins with a setting, by that setting."""
    found = {}
    for line in text.splitlines():
        if match := re.match(r"\| `([a-z_.]+)` \|", line):
            assert match[1] not in found, f"{match[1]} stands twice"
            found[match[1]] = [cell.strip() for cell in line.strip("|").split("|")][1:]
    return found


def value(cell):
    """What a cell such as `400_000` means in TOML."""
    return tomllib.loads(f"value = {cell.strip('`')}")["value"]


def allowed(said):
    """What a setting's schema allows, in the words of the page."""
    if said["type"] == "array":
        return "one number or more, each " + allowed(said["items"])
    if said["type"] == "boolean":
        return "`true`, `false`"
    if said["type"] == "string":
        return ", ".join(f'`"{name}"`' for name in said["enum"])
    bounds = {
        "exclusiveMinimum": "above",
        "minimum": "at least",
        "exclusiveMaximum": "below",
        "maximum": "at most",
        "multipleOf": "a multiple of",
    }
    parts = [f"{word} {limit(said[name])}" for name, word in bounds.items() if name in said]
    return ", ".join(["whole"] * (said["type"] == "integer") + parts)


def limit(number):
    return "2**63" if number == 2**63 else f"{number:g}"


def test_the_page_has_every_setting_and_no_other():
    assert list(rows(EVERY)) == list(settings())


@pytest.mark.parametrize("key", settings())
def test_the_page_has_the_default_and_the_allowed_values_of(key):
    default, values, _ = rows(EVERY)[key]
    expected = flat(Config().model_dump(mode="json"))[key]
    assert (value(default), type(value(default))) == (expected, type(expected))
    assert values == ('`"custom"` or a preset' if key == "preset" else allowed(settings()[key]))


def test_the_bounds_are_put_into_words():
    assert allowed(settings()["network.base_channels"]) == "whole, above 0, a multiple of 2"
    assert allowed(settings()["diffusion.image_dropout"]) == "at least 0, below 1"
    assert allowed(settings()["diffusion.prediction"]) == '`"x"`, `"eps"`, `"v"`'


def test_the_presets_stand_beside_one_another_where_they_differ():
    header = next(line for line in TABLE.splitlines() if line.startswith("| setting"))
    names = re.findall(r"`([\w-]+)`", header)
    assert names == list(PRESETS)
    presets = {name: flat(config.model_dump(mode="json")) for name, config in PRESETS.items()}
    defaults = flat(Config().model_dump(mode="json"))
    expected = {
        key: [presets[name][key] for name in names]
        for key in defaults
        if key != "preset" and any(presets[name][key] != defaults[key] for name in names)
    }
    assert {key: [value(cell) for cell in cells] for key, cells in rows(TABLE).items()} == expected
    counts = next(line for line in TABLE.splitlines() if line.startswith("| parameters"))
    assert re.findall(r"[\d,]+", counts) == [f"{count_parameters(config):,}" for config in PRESETS.values()]


def test_the_files_and_commands_of_the_page_are_possible(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(re.search(r"```toml\n(.*?)```", REST, re.DOTALL)[1], encoding="utf-8")
    mine = load_config("mine.toml")
    assert (mine.preset, mine.fit.augment.degrees, mine.fit.augment.shift) == ("recommended", 10, 0.0625)
    trained = [line for line in PAGE.splitlines() if line.startswith("ambiseg train")]
    assert len(trained) >= 6
    for line in trained:
        words = shlex.split(line)
        options = dict(pairwise(words))
        overrides = [after for word, after in pairwise(words) if word == "--set"]
        config = load_config(options["--preset"], overrides)
        assert not config.cautions, f"{line} is warned about"
        assert not overrides or config != load_config(options["--preset"])
