"""Figures: what is drawn is what was measured, the formulas are the package's, and the bytes are always the same."""

import re
from dataclasses import replace

import numpy as np
import pytest

from training.report import canvas, formula_figures
from training.report import chart as chart_module
from training.report import reliability as reliability_module
from training.report.canvas import COLOURS, DASHES, MARKERS
from training.report.chart import Chart, Level, Panel, Series, draw_chart, draw_notice
from training.report.figures import FIGURES, describe, result_chart
from training.report.formula_figures import latents, weight, weightings
from training.report.material import read_material
from training.report.reliability import draw_reliability, pixel_points, presence_points

CROP = "128 × 128 central crop"


def panel(chart, row, column):
    return chart.panels[row][column]


def test_fig_6_has_a_line_for_each_sampler_and_the_floor(pretend):
    cells = [({"crop": CROP, "sampler": sampler, "steps": str(steps)}, "done", "", pretend.scores(ged, 0.5))
             for sampler, steps, ged in (("DDPM", 10, 0.4), ("DDIM", 2, 0.35), ("DDIM", 10, 0.33))]  # fmt: skip
    pretend.grid("fig6", cells)
    chart = result_chart("fig6", read_material(pretend.folder))
    found = panel(chart, 0, 0)
    assert {line.label: [point[:2] for point in line.points] for line in found.series} == {
        "DDPM": [(10, pytest.approx(0.4))],
        "DDIM": [(2, pytest.approx(0.35)), (10, pytest.approx(0.33))],
    }
    assert [(level.label, level.value) for level in found.levels] == [
        ("floor of independent experts: D/K + D/n", 0.25)
    ]  # D = 0.5, K = n = 4
    assert found.y_label == "GED (V), n = 4, lower is better"
    assert found.marked == (10, "10 steps")
    assert panel(chart, 1, 0).levels == ()  # dice has no floor
    assert panel(chart, 0, 1).series == ()


def test_fig_7_has_the_best_of_table_3_ours_and_printed(pretend):
    pretend.grid("fig7", [({"crop": CROP, "bias": "-6"}, "done", "", pretend.scores())])
    only_printed = panel(result_chart("fig7", read_material(pretend.folder)), 0, 0)
    assert [(level.label, level.value) for level in only_printed.levels[:1]] == [("best of Table 3, printed", 0.334)]
    cells = [({"crop": CROP, "prediction": p, "weighting": "SNR"}, "done", "", pretend.scores(ged, dice))
             for p, ged, dice in (("x", 0.41, 0.45), ("v", 0.39, 0.44))]  # fmt: skip
    pretend.grid("table3", cells)
    chart = result_chart("fig7", read_material(pretend.folder))
    ged, dice = (
        {level.label: level.value for level in panel(chart, row, 0).levels if "Table 3" in level.label}
        for row in (0, 1)
    )
    assert ged == {"best of Table 3, ours": pytest.approx(0.39), "best of Table 3, printed": 0.334}
    assert dice == {"best of Table 3, ours": pytest.approx(0.45), "best of Table 3, printed": 0.482}


def test_fig_8_has_raw_and_post_processed_masks(pretend):
    pretend.grid("fig8", [({"crop": CROP, "input_scale": "0.1"}, "done", "", pretend.scores(0.3, areas=(0.5,)))])
    found = panel(result_chart("fig8", read_material(pretend.folder)), 0, 0)
    assert [(line.label, line.points[0][:2]) for line in found.series] == [
        ("raw", (0.1, pytest.approx(0.3))),
        ("post-processed, r = 0.5", (0.1, pytest.approx(0.28))),
    ]
    assert found.logarithmic


def test_fig_9_reads_every_r_of_one_set_of_masks(pretend):
    areas = (0.0, 0.5, 1.0)
    pretend.grid("fig9", [({"model": "Ours"}, "done", "", pretend.scores(0.3, samples=(4, 16), areas=areas))])
    chart = result_chart("fig9", read_material(pretend.folder))
    assert [point[:2] for point in panel(chart, 0, 0).series[0].points] == [
        (0.0, pytest.approx(0.3)), (0.5, pytest.approx(0.28)), (1.0, pytest.approx(0.3)),
    ]  # fmt: skip
    assert panel(chart, 0, 1).levels[0].value == pytest.approx(0.125 + 0.5 / 16)
    assert panel(chart, 1, 1).y_label == "IoU, n = 16, higher is better"


def test_a_label_that_is_no_number_has_no_place_on_the_axis(pretend):
    cells = [({"crop": CROP, "bias": label}, "done", "", pretend.scores()) for label in ("-6", "default", "nan")]
    pretend.grid("fig7", cells)
    assert len(panel(result_chart("fig7", read_material(pretend.folder)), 0, 0).series[0].points) == 1


def test_a_figure_says_that_runs_are_missing_or_shortened(pretend):
    scale = {"name": "tiny", "title": "whether everything runs", "changed": {}, "left_out": []}
    cells = [
        ({"crop": CROP, "bias": "-6"}, "done", "", pretend.scores()),
        ({"crop": CROP, "bias": "0"}, "missing", "", None),
    ]
    pretend.grid("fig7", cells, scale=scale)
    assert result_chart("fig7", read_material(pretend.folder)).note == (
        "1 of 2 runs are done. Scale tiny (whether everything runs): does not compare with the paper."
    )


@pytest.mark.parametrize("name", [text.name for text in FIGURES])
def test_a_figure_of_nothing_has_no_line_and_says_so(pretend, name):
    chart = result_chart(name, read_material(pretend.folder))
    assert chart.is_empty
    assert describe(chart, "T") == "T. Nothing was run yet."


def test_the_same_chart_gives_the_same_bytes_whatever_the_matplotlibrc_says():
    import matplotlib

    line = Series("$a_1$ <b>&", ((3.0, 0.3, 0.2, 0.4), (1.0, 0.5, None, None), (2.0, 0.4, 0.35, 0.5)))
    chart = Chart(
        ((Panel("t", "x", "y", (line,), (Level("floor", 0.1, "$a_1$ <b>&"),), (2.0, "here"), True),),), "note"
    )
    first = draw_chart(chart)
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": None, "axes.facecolor": "red", "text.usetex": False}):
        second = draw_chart(chart)
    assert first == second
    assert first["png"].startswith(b"\x89PNG")
    assert b"<dc:date>" not in first["svg"]
    assert b"<dc:creator>" not in first["svg"]
    assert b"Software" not in first["png"]
    assert draw_notice("t", ["a $ b"]) == draw_notice("t", ["a $ b"])


@pytest.mark.parametrize("name", [text.name for text in FIGURES])
def test_every_text_of_a_figure_lies_inside_it(everything, monkeypatch, name):
    note = (
        "22 of 24 runs are done. Scale laptop (the direction of an effect, over night on a CPU): does not compare with "
        "the paper. 2 patients only: the intervals are too narrow; from 20 on they are about right."
    )
    chart = replace(result_chart(name, read_material(everything)), note=note)
    assert not chart.is_empty
    assert_all_inside(monkeypatch, lambda: draw_chart(chart, ("png",)))


def test_every_text_of_a_notice_lies_inside_it(monkeypatch):
    command = f"To make it: ambiseg ablate fig8 /home/of/somebody/{'folder/' * 14}lidc.hdf5 results --scale laptop"
    failed = "failed: the loss was not finite 3 times in a row, at step 1,204 of 50,000, and a little more"
    title = "Fig. 8: input scale of the noise schedule"
    assert_all_inside(monkeypatch, lambda: draw_notice(title, [failed, "not run", command], ("png",)))


def test_every_text_of_a_reliability_lies_inside_it(monkeypatch):
    found = {"pixels": [[9, 6], [1, 2]], "presence": [{"cases": 2, "experts": 0.25}, {"cases": 1, "experts": 1.0}]}
    assert_all_inside(monkeypatch, lambda: draw_reliability(found, 1, ("png",)))


def assert_all_inside(monkeypatch, draw):
    """What is drawn, texts above all, takes no more room than the figure has."""
    boxes = []

    def look(figure, form):
        content = canvas.rendered(figure, form)
        figure.draw_without_rendering()
        renderer = figure.canvas.get_renderer()
        shown = [figure.get_tightbbox(renderer).extents * figure.dpi]
        shown += [text.get_window_extent(renderer).extents for text in figure.texts]
        boxes.append((np.array(shown), figure.bbox.size))
        return content

    for module in (chart_module, reliability_module):
        monkeypatch.setattr(module, "rendered", look)
    draw()
    ((found, size),) = boxes
    assert (found[:, :2] >= -0.5).all(), found
    assert (found[:, 2:] <= size + 0.5).all(), (found, size)


def test_nothing_is_left_of_pyplot():
    import subprocess
    import sys

    code = "import sys, training.report.report, training.report.formula_figures as f; f.draw_weightings(); "
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code + "assert 'matplotlib.pyplot' not in sys.modules"], timeout=120, check=False
    )
    assert done.returncode == 0


def test_lines_differ_in_colour_dashes_and_marker():
    assert len(set(COLOURS)) == len(set(DASHES)) == len(set(MARKERS)) == 7


def test_all_lines_of_a_chart_lie_in_its_svg_as_outlines_not_as_letters():
    chart = Chart(((Panel("t", "x", "y", (Series("a", ((0.0, 1.0, None, None), (1.0, 2.0, None, None))),)),),))
    svg = draw_chart(chart)["svg"].decode()
    assert "<text" not in svg
    assert "font-family" not in svg


def test_fig_2_starts_as_the_mask_and_ends_as_the_noise_whatever_b():
    pictures = latents((1.0, 0.1), (0.0, 0.5, 1.0))
    assert pictures.shape == (2, 3, 64, 64)
    assert set(np.round(np.unique(pictures[:, 0]), 2)) == {-1.0, 1.0} or np.abs(np.abs(pictures[:, 0]) - 1).max() < 1e-3
    np.testing.assert_allclose(pictures[0, 2], pictures[1, 2], atol=2e-4)  # the same noise
    # x_t = cos(pi t / 2) x0 + sin(pi t / 2) eps for b = 1
    expected = (pictures[0, 0] + pictures[0, 2]) * np.sqrt(0.5)
    np.testing.assert_allclose(pictures[0, 1], expected, atol=1e-3)
    # log SNR falls by 2 ln 10 for b = 0.1: alpha^2 = 1 / 101 at t = 1/2
    expected = pictures[0, 0] * np.sqrt(1 / 101) + pictures[0, 2] * np.sqrt(100 / 101)
    np.testing.assert_allclose(pictures[1, 1], expected, atol=1e-3)


def test_fig_3_has_the_weightings_of_the_paper_in_closed_form():
    t = np.array([0.02, 0.1, 0.5, 0.9])
    snr = 0.01 / np.tan(np.pi * t / 2) ** 2
    slope = 2 * np.pi / np.sin(np.pi * t)
    expected = {
        "SNR": snr,
        "truncated SNR, max(SNR, 1)": np.maximum(snr, 1),
        "SNR + 1": snr + 1,
        "uniform": np.ones(4),
        **{f"sigmoid, b̃ = {b}".replace("-", "−"): slope / (1 + np.exp(b) / snr) for b in (2, 0, -2, -6)},
    }
    assert list(weightings()) == list(expected)
    for name, weighting in weightings().items():
        np.testing.assert_allclose(weight(weighting, t.tolist()), expected[name], rtol=1e-5, err_msg=name)


def test_the_formula_figures_are_the_same_each_time():
    assert formula_figures.draw_weightings() == formula_figures.draw_weightings()
    assert formula_figures.draw_schedule(("svg",)) == formula_figures.draw_schedule(("svg",))
    assert re.search(r"uniform: 0\.0", formula_figures.describe_weightings())


def test_reliability_points_are_shares_with_their_counts():
    pixels = [[90, 6, 4], [1, 1, 2], [0, 0, 0], [0, 0, 5]]  # 3 masks, 2 experts
    presence = [{"cases": 2, "experts": 0.25}, {"cases": 0, "experts": None}, {"cases": 1, "experts": 1.0},
                {"cases": 0, "experts": None}]  # fmt: skip
    found = {"pixels": pixels, "presence": presence}
    assert pixel_points(found) == [(0, pytest.approx(7 / 100), 100), (1 / 3, pytest.approx(5 / 8), 4), (1, 1, 5)]
    assert presence_points(found) == [(0, 0.25, 2), (2 / 3, 1.0, 1)]
    assert draw_reliability(found, 3) == draw_reliability(found, 3)


def test_a_reliability_of_no_cases_is_drawn_empty():
    nothing = {"pixels": [[0, 0], [0, 0]], "presence": [{"cases": 0, "experts": None}] * 2}
    assert draw_reliability(nothing, 1, ("svg",))["svg"].startswith(b"<?xml")
