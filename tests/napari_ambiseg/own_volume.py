"""A volume of the user's own that is read on."""

from .played_engine import draw

SHAPE = (6, 60, 50)
SPACED = {"scale": (3.0, 0.7, 0.8), "translate": (10.0, 5.0, -6.0), "units": ("mm",) * 3}


def use(controller, *layers):
    """Select layers and read on them."""
    controller.viewer.layers.selection = set(layers)
    controller.opener.use_layers()
    controller.tick()


def drawn(controller, engine):
    """A whole drawing, shown."""
    draw(controller, engine)
    for _ in range(10):
        controller.tick()
