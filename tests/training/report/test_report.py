"""The report as a whole: every file, a page that needs nothing else, hostile content, an empty folder, the command."""

import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from training.errors import ConfigError
from training.model_card import find_weights, read_card
from training.report.material import read_material
from training.report.report import write_report

FIGURES = ("fig2", "fig3", "fig6", "fig7", "fig8", "fig9")
TABLES = ("table1", "table2", "table3", "table4")
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Elements(HTMLParser):
    """Elements with their attributes, the text, and whether every element was closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text, self.crossed = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data):
        self.text += data


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def words(page):
    return page.text.replace("\N{NO-BREAK SPACE}", " ")


def read_page(folder):
    return Elements((folder / "index.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def full(everything):
    """A report on everything that can be there, pictures of cases left out."""
    return write_report(everything, pictures=False)


def test_every_file_is_made(full):
    assert full.page.is_file()
    made = set(files(full.folder))
    assert {f"figures/{name}.{form}" for name in FIGURES for form in ("svg", "png")} <= made
    tables = (*TABLES, *FIGURES[2:], "evaluations")
    assert {f"tables/{name}.{form}" for name in tables for form in ("md", "csv")} <= made
    assert len(made) == 1 + 2 * len(FIGURES) + 2 * len(tables)


def test_the_page_is_whole_and_loads_nothing(full):
    page = read_page(full.folder)
    assert (page.open, page.crossed) == ([], [])
    assert "script" not in {tag for tag, _ in page.elements}
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "object", "embed", "base", "form")]
    sources = [attributes["src"] for _, attributes in page.elements if "src" in attributes]
    assert len(sources) == len(FIGURES) + 4  # and the reliability of each evaluation
    assert all(source.startswith(("data:image/svg+xml;base64,", "data:image/png;base64,")) for source in sources)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    style = (full.folder / "index.html").read_text(encoding="utf-8").partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_links_lead_within_the_page_or_to_the_paper(full):
    page = read_page(full.folder)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    targets = [attributes["href"] for _, attributes in page.elements if "href" in attributes]
    assert len(ids) == len(set(ids))
    assert {target for target in targets if not target.startswith("#")} == {"https://arxiv.org/abs/2504.05977"}
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)


def test_every_picture_has_words_for_those_who_do_not_see_it(full):
    alternatives = [attributes["alt"] for tag, attributes in read_page(full.folder).elements if tag == "img"]
    assert all(len(alternative) > 40 for alternative in alternatives)
    assert any("DDIM" in text and "at 10" in text for text in alternatives)


def test_the_page_says_what_it_is_and_what_is_missing_before_anything_else(full):
    text = words(read_page(full.folder))
    assert "Research use only. Not for diagnosis." in text
    assert "changed: fit" not in text[: text.index("Each cell: ours")]
    inventory = text[text.index("What is here, and what is missing", 600) : text.index("Each cell: ours")]
    assert "22 of 24 runs done; 2 × failed: the loss was not finite" in inventory
    assert "5 × needs the baselines" in inventory
    assert text.rindex("Scale laptop: the scores do not compare") < text.rindex("Table 4: two U-Nets")


def test_what_is_printed_is_what_the_inventory_says(full):
    states = {item.name: item.state for item in full.items}
    assert states == {
        **dict.fromkeys(("table1", "table2", "table3", "table4", "fig9"), "partly"),
        **dict.fromkeys(("fig2", "fig3", "fig6", "fig7", "fig8", "evaluations"), "here"),
    }


def test_a_second_report_replaces_the_first_by_the_same_bytes_and_is_no_result_itself(full, everything):
    before = files(full.folder)
    (full.folder / "index.html").write_text("old")
    assert write_report(everything, pictures=False).items == full.items
    assert files(full.folder) == before


def test_nothing_from_a_file_becomes_markup(pretend):
    scores = pretend.scores(segmenter=HOSTILE, data=f"/x/{HOSTILE}.hdf5", git_commit=HOSTILE, split=HOSTILE)
    pretend.evaluation("a", scores)
    cells = [({"rate": HOSTILE}, "failed", HOSTILE, None), ({"rate": "b"}, "done", "", scores)]
    pretend.grid(
        f"{HOSTILE}/../../x", cells, folder="mine", title=HOSTILE, notice=HOSTILE, cautions=[HOSTILE], split="val"
    )
    crop = {"crop": "128 × 128 central crop", "sampler": HOSTILE, "steps": "10"}
    pretend.grid("fig6", [(crop, "done", "", scores), ({**crop, "steps": HOSTILE}, "failed", HOSTILE, None)])
    pretend.grid("fig7", [({"crop": HOSTILE, "bias": HOSTILE}, "failed", HOSTILE, None)])
    (pretend.folder / "<b>&.json").write_text('{"format": 2, "segmenter": 1}')
    made = write_report(pretend.folder, pictures=False)
    page = read_page(made.folder)
    assert (page.open, page.crossed) == ([], [])
    assert not {tag for tag, _ in page.elements} & {"script", "b&"}
    assert all(attributes["src"].startswith("data:image/svg") for tag, attributes in page.elements if tag == "img")
    assert "<script>alert" in page.text  # as text that is read
    written = files(made.folder)
    assert all(re.fullmatch(r"(tables|figures)/[\w-]+\.(md|csv|svg|png)|index\.html", name) for name in written)
    assert not [name for name, content in written.items() if name.endswith((".md", ".svg")) and b"<script" in content]
    assert {path.name for path in pretend.folder.parent.iterdir()} == {"results"}  # nothing beside


def test_an_empty_folder_is_all_missing(pretend):
    made = write_report(pretend.folder)
    assert {item.name: item.state for item in made.items} == {
        **dict.fromkeys((*TABLES, *FIGURES[2:], "evaluations", "cases"), "missing"),
        **dict.fromkeys(("fig2", "fig3"), "here"),
    }
    details = {item.name: item.detail for item in made.items}
    assert details["fig8"] == f"not run; ambiseg ablate fig8 DATA {pretend.folder}"
    assert details["table2"].endswith(f"ambiseg ablate table2 DATA {pretend.folder} (the baselines will stay missing)")
    assert {f"figures/{name}.{form}" for name in FIGURES for form in ("svg", "png")} <= set(files(made.folder))
    rows = list(csv.reader((made.folder / "tables/table3.csv").read_text(encoding="utf-8").splitlines()))[1:]
    assert len(rows) == 72
    assert all(row[-1] == "not run" and row[4] == "" for row in rows)


def test_the_suggested_command_has_the_data_the_scale_and_the_settings_of_what_is_there(pretend):
    scale = {"name": "laptop with fit.batch_size = 4", "title": "t", "changed": {}, "left_out": []}
    data = {"training": [{"path": "/d/my train.hdf5"}, {"path": "/d/b.hdf5"}], "scored": {"path": "/d/b.hdf5"}}
    labels = {"crop": "128 × 128 central crop", "bias": "-6"}
    pretend.grid(
        "fig7", [(labels, "done", "", pretend.scores())], scale=scale, data=data, settings={"fit.batch_size": 4}
    )
    details = {item.name: item.detail for item in write_report(pretend.folder, pictures=False).items}
    assert details["fig8"] == (
        f"not run; ambiseg ablate fig8 '/d/my train.hdf5' /d/b.hdf5 {pretend.folder} "
        "--scale laptop --set fit.batch_size=4"
    )


def test_few_patients_are_told_wherever_their_scores_are(pretend):
    labels = {"crop": "128 × 128 central crop", "prediction": "v", "weighting": "SNR+1"}
    crop = {"crop": "128 × 128 central crop", "bias": "-6"}
    for patients in (19, 20):
        pretend.folder = pretend.folder.with_name(f"results-{patients}")
        pretend.folder.mkdir()
        scores = pretend.scores(patients=patients)
        pretend.evaluation("mine", scores)
        pretend.grid("table3", [(labels, "done", "", scores)])
        pretend.grid("fig7", [(crop, "done", "", scores)])
        text = words(read_page(write_report(pretend.folder, pictures=False).folder))
        # The table, the figure, its numbers, the evaluation.
        assert text.count("19 patients only: the intervals are too narrow") == (4 if patients == 19 else 0)


def test_a_shipped_model_that_never_saw_a_patient_is_told_beside_its_scores(pretend):
    card = read_card(find_weights("demo").with_suffix(".json"))
    here, other = ({"model": "demo", "model_sha256": sha256} for sha256 in (card.sha256, "0" * 64))
    note = "demo: Small model for trying the program: trained on synthetic slices only, has never seen a patient; "
    pretend.evaluation("other", pretend.scores(segmenter="demo", sampling=other))
    assert note not in words(read_page(write_report(pretend.folder, pictures=False).folder))
    pretend.evaluation("mine", pretend.scores(segmenter="demo", sampling=here))
    page = words(read_page(write_report(pretend.folder).folder))
    assert page.count(f"{note}trained on phantom.hdf5 (sha256 ef82c764a582).") == 2  # the pictures, the evaluation
    assert page.index(note) < page.index("The cases of the lowest")


def test_human_has_neither_floor_nor_an_empty_block_of_shares(pretend):
    scores = pretend.scores(segmenter="human", sampling={"model": "human"}, samples=(1,))
    pretend.evaluation("human", scores | {"reliability": {"1": {"raw": None}}})
    made = write_report(pretend.folder, pictures=False)
    text = words(read_page(made.folder))
    assert "what shares mean" not in text
    assert "human: by findings" in text
    line = (made.folder / "tables/evaluations.md").read_text(encoding="utf-8").split("| human | 1 | raw | ")[1]
    assert " / " not in line.split(" | ")[0]


def test_one_patient_and_one_mask_are_reported_without_an_interval(pretend):
    scores = pretend.scores(samples=(1,), cases=1, patients=1)
    for variants in scores["scores"].values():
        for score in variants["raw"].values():
            score.update(low=None, high=None)
        variants["raw"]["ged_u"].update(mean=None, undefined=1)
    pretend.evaluation("single", scores)
    crop = {"crop": "64 × 64 random crop", "bias": "-6"}
    pretend.grid("fig7", [(crop, "done", "", pretend.scores(patients=1))])
    text = words(read_page(write_report(pretend.folder, pictures=False).folder))
    assert "undefined1 undefined" in text
    assert "1 case of 1 patient" in text


def test_a_damaged_record_and_a_torn_file_are_told(pretend):
    (pretend.folder / "table3").mkdir()
    (pretend.folder / "table3/ablation.json").write_text("{")
    (pretend.folder / "torn.json").write_text("{")
    made = write_report(pretend.folder, pictures=False)
    details = {item.name: item.detail for item in made.items}
    assert "cannot be read" in details["table3"]
    assert details["unreadable"].startswith("torn.json: cannot be read as JSON")
    assert "cannot be read" in words(read_page(made.folder))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sampling", 5),
        ("by_found", {"z": 5}),
        ("by_found", {"1": 5}),
        ("seed", None),
        ("data_sha256", None),
        ("floor", [0.1]),
        ("floor", {"4": {"ged_v": "x"}}),
        ("reliability", {"4": {"raw": 3}}),
        ("crop", 64),
        ("cases", "many"),
    ],
)
def test_an_evaluation_with_something_else_in_its_place_is_told_and_the_others_are_shown(pretend, name, value):
    pretend.evaluation("a")
    path = pretend.folder / "a.json"
    content = json.loads(path.read_text())
    (pretend.folder / "b.json").write_text(json.dumps(content | {name: value}))
    material = read_material(pretend.folder)
    assert [evaluation.name for evaluation in material.evaluations] == ["a"]
    assert [line.startswith("b.json: not an evaluation of this version") for line in material.unreadable] == [True]


def test_what_is_no_plain_file_is_not_waited_for(pretend):
    os.mkfifo(pretend.folder / "pipe.json")
    (pretend.folder / "loop.json").symlink_to("loop.json")
    assert read_material(pretend.folder).unreadable == (
        "loop.json: is no plain file",
        "pipe.json: is no plain file",
    )


def test_a_place_that_cannot_be_written_is_one_line(pretend, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write the report to .*file/x: .*; choose another place"):
        write_report(pretend.folder, tmp_path / "file/x", pictures=False)


def ambiseg(*arguments):
    return subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-m", "training", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def test_the_command_prints_one_line_for_each_thing_and_where_the_page_is(pretend, tmp_path):
    pretend.evaluation("a")
    done = ambiseg("report", pretend.folder, "--into", tmp_path / "page", "--no-pictures")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 12
    assert lines[0].startswith("missing  Table 1")
    assert lines[-2] == "here     Evaluations: 1 of them"
    assert lines[-1] == str(tmp_path / "page/index.html")
    assert json.loads((pretend.folder / "a.json").read_text())["segmenter"] == "pretended"


def test_the_command_refuses_what_is_no_folder_in_one_line(tmp_path):
    done = ambiseg("report", tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "there is no such folder; give the folder that `ambiseg ablate` writes to" in done.stderr


def test_the_command_explains_itself_without_importing_torch_or_matplotlib():
    code = (
        "import sys; from training.cli import app\n"
        "try: app(['report', '--help'])\n"
        "except SystemExit as end: code = end.code\n"
        "assert code == 0 and not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)  # noqa: S603
    assert done.returncode == 0, done.stderr
