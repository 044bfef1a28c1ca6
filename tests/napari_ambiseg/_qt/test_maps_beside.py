"""The switches of the maps, in both docks that have them, while pictures are side by side."""

import pytest

from napari_ambiseg._qt.disagreement_panel import DisagreementPanel
from napari_ambiseg._qt.experts_panel import ExpertsPanel
from napari_ambiseg.layers.maps import DIFFERENCE

WORD = "Side by side there is no map"


@pytest.fixture
def make(windowless, qtbot, monkeypatch):
    """Makes a dock on demo case 7, without a window around it."""

    def make(kind):
        panel = kind(windowless)
        qtbot.addWidget(panel)
        panel.controller.opener.open_demo()
        panel.controller.opener.open_case(6)
        panel.controller.tick()
        monkeypatch.setattr(panel, "is_in_sight", lambda: True)
        panel.look()
        return panel

    return make


def test_the_switches_rest_and_say_why_until_there_is_one_picture_again(make):
    panel = make(DisagreementPanel)
    switches = (panel.variance, panel.expert_variance, panel.votes)
    before = [(switch.isEnabled(), switch.toolTip()) for switch in switches]
    assert [enabled for enabled, _ in before] == [False, True, True]
    panel.controller.comparer.show_experts()
    panel.look()
    assert not any(switch.isEnabled() for switch in switches)
    assert all(switch.toolTip() == f"{about}. {WORD}" for switch, (_, about) in zip(switches, before, strict=True))
    panel.controller.comparer.leave()
    panel.look()
    assert [(switch.isEnabled(), switch.toolTip()) for switch in switches] == before


def test_the_list_of_maps_and_the_pairs_say_so_too(make):
    panel = make(ExpertsPanel)
    panel.controller.overlays.show_pair(("C", "D"))
    panel.controller.tick()
    panel.look()
    before = panel.map.scale.text(), panel.pair.text()
    assert "(on the image)" in before[1]
    panel.controller.comparer.show_experts()
    panel.look()
    assert not panel.map.box.isEnabled()
    assert panel.map.box.currentData() == DIFFERENCE
    assert panel.map.scale.text() == WORD
    assert "(on the image)" not in panel.pair.text()
    panel.controller.comparer.leave()
    panel.look()
    assert panel.map.box.isEnabled()
    assert (panel.map.scale.text(), panel.pair.text()) == before
