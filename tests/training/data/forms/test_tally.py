"""Counting what is left out, and what is kept but worth knowing."""

from training.data.forms.interface import Tally


def filled(*drops, notes=()):
    tally = Tally()
    for reason, what in drops:
        tally.drop(reason, what)
    for reason, what in notes:
        tally.note(reason, what)
    return tally


def test_two_tallies_together_count_what_one_would_have():
    first = [("damaged", "a"), ("damaged", "b"), ("too large", "c")]
    second = [("damaged", "d"), ("missing", "e")]
    together = filled(*first, notes=[("cut", "f")])
    together.add(filled(*second, notes=[("cut", "g"), ("moved", "h")]))
    assert together == filled(*first, *second, notes=[("cut", "f"), ("cut", "g"), ("moved", "h")])


def test_what_is_added_stays_as_it_was():
    before, tally = filled(("damaged", "a")), Tally()
    tally.add(before)
    tally.drop("damaged", "b")
    tally.drop("missing", "c")
    assert before == filled(("damaged", "a"))
