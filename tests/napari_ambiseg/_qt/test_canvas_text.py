"""The text on the canvas begins inside of its box, whose width napari measures with other letters than it draws."""

import pytest
from qtpy.QtGui import QFont, QFontMetricsF

from napari_ambiseg._compat import boxed

WHOLE = "step 7/10 · sample 13/16 · from mostly noise · t 0.30, log SNR −3.3"
DRAWN_AT = 256  # points, from which vispy scales its letters


@pytest.mark.parametrize("length", [9, 24, 44, len(WHOLE)])
@pytest.mark.parametrize("family", ["Sans Serif", "Open Sans", "DejaVu Sans"])
def test_the_box_is_as_wide_as_the_letters_at_least(qapp, length, family):
    text, measured = WHOLE[:length], QFontMetricsF(QFont(family, 10))
    drawn = QFontMetricsF(QFont(family, DRAWN_AT)).horizontalAdvance(text) * 10 / DRAWN_AT
    box = measured.horizontalAdvance(boxed(text))
    assert drawn <= box <= drawn + 20


def test_no_text_has_no_box():
    assert boxed("") == ""
