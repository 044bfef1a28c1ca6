"""Letters and colours: one of each expert, back and forth."""

import numpy as np
import pytest

from napari_ambiseg.layers.colours import expert_number, id_colour, pair_colours, votes_colormap
from training.export.colours import expert_colour, expert_letter


def test_letters_go_on_after_z():
    assert [expert_letter(number) for number in (1, 2, 26, 27, 52, 53, 703)] == ["A", "B", "Z", "AA", "AZ", "BA", "AAA"]


@pytest.mark.parametrize("number", [1, 8, 26, 27, 700, 703])
def test_a_letter_leads_back_to_its_expert(number):
    assert expert_number(expert_letter(number)) == number


def test_the_first_eight_experts_differ_by_colour():
    assert len({expert_colour(number) for number in range(1, 9)}) == 8
    assert expert_colour(9) == expert_colour(1)


@pytest.mark.parametrize("pair", [("A", "B"), ("A", "I"), ("1", "2"), ("C", "16"), ("16", "C")])
def test_two_masks_of_a_pair_never_have_one_colour(pair):
    first, second = pair_colours(*pair)
    assert first == id_colour(pair[0])
    assert first != second


@pytest.mark.parametrize("n_experts", [1, 2, 4, 9])
def test_every_vote_count_has_a_colour_of_its_own_and_none_is_transparent(n_experts):
    colours = votes_colormap(n_experts).map(np.arange(n_experts + 1) / n_experts)
    assert colours[0, 3] == 0
    assert np.all(colours[1:, 3] == 1)
    assert len(np.unique(colours.round(3), axis=0)) == n_experts + 1
