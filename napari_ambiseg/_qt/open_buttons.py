"""The buttons that open something."""

from __future__ import annotations

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_ambiseg.controller import Controller

_PATTERNS = "Annotated slices (*.h5 *.hdf5 *.pickle *.pkl *.nii *.nii.gz *.dcm *.ambiseg.json)"


class OpenButtons(QWidget):
    """The four ways to begin."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.demo = QPushButton("&Demo cases")
        self.demo.setToolTip("Open synthetic slices that come with the program; needs no file and no network")
        self.demo.clicked.connect(lambda _: controller.opener.open_demo())
        self.file = QPushButton("&File ...")
        self.file.setToolTip(
            "Open annotated slices in a file: HDF5, or a LIDC pickle or NIfTI, which are converted first; "
            "or an image that nobody annotated, or a session"
        )
        self.file.clicked.connect(lambda _: self._choose_file())
        self.folder = QPushButton("Fo&lder ...")
        self.folder.setToolTip("Open annotated slices in a folder, such as LIDC-IDRI from TCIA; it is converted first")
        self.folder.clicked.connect(lambda _: self._choose_folder())
        self.layers = QPushButton("&Use layers")
        self.layers.setToolTip(
            "Read on what is in napari already: select an image in the layer list, and the labels or shapes that each "
            "expert drew on it, if there are any"
        )
        self.layers.clicked.connect(lambda _: controller.opener.use_layers())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for button in (self.demo, self.file, self.folder, self.layers):
            row.addWidget(button)

    def _choose_file(self) -> None:
        if path := choose_file(self):
            self._controller.opener.open_path(path)

    def _choose_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a folder of annotated slices")
        if path:
            self._controller.opener.open_path(path)


def choose_file(parent: QWidget) -> str:
    """Path of a file of annotated slices that the user chooses; "" for none."""
    path, _ = QFileDialog.getOpenFileName(parent, "Open annotated slices", "", f"{_PATTERNS};;All files (*)")
    return str(path)
