"""Layers out of sight: each is seen again when nothing hides it, unless it was turned off meanwhile."""

import numpy as np
import pytest
from napari.layers import Image

from napari_ambiseg.layers.aside import Aside


@pytest.fixture
def layers():
    return [Image(np.zeros((2, 2)), name=name) for name in "abc"]


@pytest.fixture
def aside(layers):
    return Aside(lambda: layers)


def seen(layers):
    return "".join(layer.name for layer in layers if layer.visible)


def covers(names):
    return lambda layer: layer.name in names


def test_what_was_on_is_seen_again_and_what_was_off_is_not(aside, layers):
    layers[0].visible = False
    aside.begin("one", covers("ab"))
    assert seen(layers) == "c"
    assert [aside.is_on(layer) for layer in layers] == [False, True, True]
    aside.end("one")
    assert seen(layers) == "bc"


@pytest.mark.parametrize(("first", "between"), [("one", "a"), ("two", "c")])
def test_a_layer_with_two_reasons_is_seen_when_both_have_ended(aside, layers, first, between):
    aside.begin("one", covers("ab"))
    aside.begin("two", covers("bc"))
    assert seen(layers) == ""
    aside.end(first)
    assert seen(layers) == between
    aside.end("two" if first == "one" else "one")
    assert seen(layers) == "abc"


def test_what_is_turned_off_meanwhile_stays_off_and_what_is_turned_on_comes(aside, layers):
    layers[0].visible = False
    aside.begin("one", covers("ab"))
    aside.set_visible(layers[0], True)
    aside.set_visible(layers[1], False)
    aside.set_visible(layers[2], False)
    assert seen(layers) == ""
    aside.end("one")
    assert seen(layers) == "a"


def test_what_comes_meanwhile_waits_too(aside, layers):
    aside.begin("one", covers("abd"))
    layers.append(Image(np.zeros((2, 2)), name="d"))
    aside.update()
    assert seen(layers) == "c"
    aside.end("one")
    assert seen(layers) == "abcd"


def test_a_layer_that_was_put_aside_once_may_be_turned_on(aside, layers):
    aside.put("one", layers[0])
    layers[0].visible = True
    aside.update()
    assert seen(layers) == "abc"
    aside.put("one", layers[1])
    aside.end("one")
    assert seen(layers) == "abc"


def test_no_layer_is_drawn_while_it_is_aside(aside, layers):
    aside.begin("one", covers("a"))
    happened = []
    layers[0].events.visible.connect(happened.append)
    aside.set_visible(layers[0], False)
    aside.set_visible(layers[0], True)
    aside.update()
    assert happened == []
