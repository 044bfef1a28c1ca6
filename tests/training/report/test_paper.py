"""The printed values, against a second copy that was typed as the paper lays its tables out, and against sums."""

import pytest

from training.ablation.grid import load_grid
from training.report import paper

NUMBERS = ("ged_4", "ged_4_pp", "dice_4", "dice_4_pp", "ged_16", "dice_16")
TABLE_1 = """
Phi-Seg	0.347	0.331	0.485	0.494	0.252	0.481	7322210
Prob. UNet (AA)	0.334	0.319	0.488	0.498	0.235	0.491	6847129
Gen. Prob. UNet (AA mix)	0.338	0.333	0.485	0.491	0.240	0.485	6864027
Gen. Prob. UNet (FC)	0.365	0.357	0.453	0.461	0.253	0.456	6844945
Gen. Prob. UNet (FC mix)	0.344	0.337	0.486	0.493	0.249	0.486	6882467
Ours	0.330	0.304	0.488	0.507	0.233	0.486	6891905
"""
TABLE_2 = """
Phi-Seg	0.470	0.534	0.418	0.429	0.456	0.425	7322210
Prob. UNet (AA)	0.444	0.453	0.421	0.429	0.345	0.422	6847129
Gen. Prob. UNet (AA mix)	0.440	0.433	0.428	0.441	0.341	0.427	6864027
Gen. Prob. UNet (FC)	0.424	0.427	0.427	0.439	0.320	0.429	6844945
Gen. Prob. UNet (FC mix)	0.443	0.441	0.426	0.437	0.342	0.426	6882467
Ours	0.419	0.405	0.438	0.459	0.312	0.442	6891905
"""
TABLE_3 = """
128	x	0.456/0.388	0.342/0.475	0.338/0.474	0.339/0.476
128	ε	0.822/0.144	1.135/0.011	0.759/0.141	0.849/0.144
128	v	0.410/0.425	0.335/0.482	0.334/0.482	0.337/0.479
64	x	0.490/0.351	0.442/0.405	0.441/0.401	0.443/0.413
64	ε	0.768/0.163	0.855/0.154	0.866/0.153	0.797/0.150
64	v	0.470/0.391	0.452/0.396	0.440/0.413	0.427/0.427
"""
TABLE_4 = """
ged	Gen. Prob. UNet	0.310	0.323	0.349	0.333	0.314
ged	Diff Unet	0.329	0.337	0.338	0.322	0.318
dice	Gen. Prob. UNet	0.505	0.495	0.462	0.494	0.499
dice	Diff Unet	0.496	0.485	0.470	0.498	0.499
"""


def lines(table):
    return [line.split("\t") for line in table.strip().splitlines()]


@pytest.mark.parametrize(("side", "printed"), [(128, TABLE_1), (64, TABLE_2)])
def test_tables_1_and_2_are_as_printed(side, printed):
    rows = {
        model: (*(f"{getattr(row, name):.3f}" for name in NUMBERS), str(row.parameters))
        for model, row in paper.COMPARISONS[side].items()
    }
    assert rows == {model: tuple(numbers) for model, *numbers in lines(printed)}


def test_table_3_is_as_printed():
    expected = {
        (int(side), prediction, weighting): tuple(map(float, cell.split("/")))
        for side, prediction, *cells in lines(TABLE_3)
        for weighting, cell in zip(paper.WEIGHTINGS, cells, strict=True)
    }
    assert {key: (pair.ged, pair.dice) for key, pair in paper.LOSSES.items()} == expected


def test_table_4_is_as_printed():
    expected = {
        (score, architecture, model): float(cell)
        for score, architecture, *cells in lines(TABLE_4)
        for model, cell in zip(paper.ARCHITECTURE_MODELS, cells, strict=True)
    }
    found = {
        (score, *key): getattr(pair, score)
        for key, pair in paper.ARCHITECTURE_SCORES.items()
        for score in ("ged", "dice")
    }
    assert found == expected


def test_the_sums_of_the_columns_are_those_of_the_printed_page():
    def total(side, name):
        return round(sum(getattr(row, name) for row in paper.COMPARISONS[side].values()), 3)

    assert [total(128, name) for name in NUMBERS] == [2.058, 1.981, 2.885, 2.944, 1.462, 2.885]
    assert [total(64, name) for name in NUMBERS] == [2.640, 2.693, 2.558, 2.634, 2.116, 2.571]
    assert round(sum(pair.ged for pair in paper.LOSSES.values()), 3) == 13.347
    assert round(sum(pair.dice for pair in paper.LOSSES.values()), 3) == 7.938


def test_the_best_of_table_3_are_its_bold_numbers():
    assert paper.best_loss(128) == paper.Pair(0.334, 0.482)
    assert paper.best_loss(64) == paper.Pair(0.427, 0.427)


def test_what_the_text_says_of_the_figures():
    assert (paper.STEPS, paper.SIGMOID_BIAS, paper.INPUT_SCALE, paper.RELATIVE_AREA) == (10, -6, 0.1, 0.5)
    assert paper.SAMPLERS == {128: "DDIM", 64: "DDPM"}


def test_the_keys_are_the_labels_of_the_shipped_grids():
    def labels(grid, axis):
        return [choice.label for one in load_grid(grid).axes if one.name == axis for choice in one.values]

    for side, grid in ((128, "table1"), (64, "table2")):
        assert labels(grid, "model") == [*paper.MODELS, paper.OURS] == list(paper.COMPARISONS[side])
    assert labels("table3", "crop") == list(paper.CROPS.values())
    assert labels("table3", "prediction") == list(paper.PREDICTIONS)
    assert labels("table3", "weighting") == list(paper.WEIGHTINGS)
    assert labels("table4", "architecture") == list(paper.ARCHITECTURES)
    assert labels("table4", "model") == list(paper.ARCHITECTURE_MODELS)
    assert labels("fig6", "sampler") == sorted(paper.SAMPLERS.values(), reverse=True)
