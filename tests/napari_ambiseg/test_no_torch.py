"""The viewer's process never imports torch, whatever is opened in it."""

import subprocess
import sys
import textwrap


def test_the_viewers_process_never_imports_torch():
    """Every module but the sampling process is imported and the demo is walked through; in an own process, since
    other tests of this session do import torch."""
    code = """
        import importlib, pkgutil, sys
        import napari_ambiseg
        names = [module.name for module in pkgutil.walk_packages(napari_ambiseg.__path__, "napari_ambiseg.")]
        assert "napari_ambiseg.controller" in names
        for name in names:
            importlib.import_module(name)
        from napari.components import ViewerModel
        from napari_ambiseg.controller import controller_of
        viewer = ViewerModel()
        controller = controller_of(viewer)
        controller.opener.open_demo()
        controller.tick()
        controller.opener.next_case()
        assert controller.state.disagreement.experts is not None
        controller.close()
        assert "torch" not in sys.modules
        print("walked", len(names))
    """
    command = (sys.executable, "-c", textwrap.dedent(code))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("walked")
