"""npe2 sample data that plays: a reverse diffusion in the window, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_ambiseg.layers.roles import LayerData


def demo_trajectory() -> list[LayerData]:
    """Open a demo case in the current viewer, and play how its masks were drawn; see `recorded_walk`.

    Returns
    -------
    the slice, since napari wants a layer, which the open case takes over; without a viewer, as in a script that calls
    npe2, the predicted masks on it too, axes (sample, step, y, x)
    """
    from napari import current_viewer

    from napari_ambiseg.layers.case import opened_layers
    from napari_ambiseg.layers.place import Place
    from napari_ambiseg.layers.roles import Origin
    from napari_ambiseg.layers.trajectory import trajectory_layer
    from napari_ambiseg.recorded_walk import CASE, RecordedWalk
    from napari_ambiseg.sample_data import DEMO, SPLIT, PhantomCases

    viewer, cases = current_viewer(), PhantomCases()
    image, _ = opened_layers(cases[CASE], Origin(DEMO, SPLIT, CASE))
    if viewer is None:
        _, x0_hat = RecordedWalk.read().states()
        data, options, kind = trajectory_layer(x0_hat.swapaxes(0, 1).astype("float16"), "x0_hat", Place.of(cases[CASE]))
        return [image, (data, {name: value for name, value in options.items() if name != "metadata"}, kind)]
    from napari_ambiseg._qt.viewer_panel import open_all_docks
    from napari_ambiseg.controller import controller_of

    open_all_docks(viewer)
    controller_of(viewer).opener.open_recorded()
    return [image]
