"""The buttons that open something."""

from __future__ import annotations

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_ambiseg.controller import Controller

_PATTERNS = "Annotated slices (*.h5 *.hdf5 *.pickle *.pkl *.nii *.nii.gz)"


class OpenButtons(QWidget):
    """The three ways to begin."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.demo = QPushButton("Open &demo cases")
        self.demo.setToolTip("Synthetic slices that come with the program; needs no file and no network")
        self.demo.clicked.connect(lambda _: controller.open_demo())
        self.file = QPushButton("&Open file ...")
        self.file.setToolTip("Annotated slices in a file: HDF5, or a LIDC pickle or NIfTI, which are converted first")
        self.file.clicked.connect(lambda _: self._choose_file())
        self.folder = QPushButton("Open folder ...")
        self.folder.setToolTip("Annotated slices in a folder, such as LIDC-IDRI from TCIA; it is converted first")
        self.folder.clicked.connect(lambda _: self._choose_folder())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for button in (self.demo, self.file, self.folder):
            row.addWidget(button)

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open annotated slices", "", f"{_PATTERNS};;All files (*)")
        if path:
            self._controller.open_path(path)

    def _choose_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a folder of annotated slices")
        if path:
            self._controller.open_path(path)
