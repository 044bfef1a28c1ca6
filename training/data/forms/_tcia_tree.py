"""Which CT series and which readings lie in a folder of TCIA's files, whatever its folders are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.data.forms._ct_series import SeriesHeader, read_series_header
from training.data.forms._folders import Listing, look_into, peek
from training.data.forms._tcia_xml import Readings, read_readings
from training.data.forms.interface import Tally, Unit, UnusableError
from training.data.lidc import patient_of_study
from training.errors import DataFormatError

MAX_NAMES = 2_000_000  # all of LIDC-IDRI has a quarter of a million
PEEKED_TREE_NAMES = 20_000  # of all folders together, when the question is only what they look like
MAX_DEPTH = 16
MAX_KEY = 64 + 7  # DICOM allows a PatientID 64 characters


@dataclass(frozen=True, eq=False)
class AnnotatedSeries:
    """A CT series on which experts outlined nodules.

    Parameters
    ----------
    unit : its patient and study
    key : begins the keys of its slices: the patient, and six digits that tell a patient's series apart
    paths : its DICOM files, by name
    readings : what was drawn
    """

    unit: Unit
    key: str
    paths: tuple[Path, ...]
    readings: Readings


@dataclass
class _Contents:
    """What was met in the folders: series with their files, and readings with their file, by SeriesInstanceUID."""

    root: Path
    tally: Tally
    series: dict[str, tuple[SeriesHeader, tuple[Path, ...]]] = field(default_factory=dict)
    readings: dict[str, tuple[Readings, Path]] = field(default_factory=dict)

    def inside(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def add_readings(self, path: Path) -> None:
        try:
            readings = read_readings(path, self.tally)
        except UnusableError as error:
            self.tally.drop(str(error), self.inside(path))
            return
        if readings.series_uid in self.readings:
            self.tally.drop("second XML file of a series", self.inside(path))
        else:
            self.readings[readings.series_uid] = readings, path

    def add_slices(self, paths: Sequence[Path]) -> None:
        for header, files in self._by_series(paths):
            if header.series_uid in self.series:
                self.tally.drop("series that lies in another folder too", self.inside(files[0].parent))
            else:
                self.series[header.series_uid] = header, tuple(files)

    def _by_series(self, paths: Sequence[Path]) -> list[tuple[SeriesHeader, Sequence[Path]]]:
        """The files of a folder by series.

        Opening all of LIDC's files takes long, and a folder has one series nearly always, so the first and the last
        of them speak for the rest.  Where these differ, every file is asked.
        """
        try:
            first, last = (read_series_header(path) for path in (paths[0], paths[-1]))
        except UnusableError:
            pass  # the loop below says which file and why
        else:
            if first.series_uid == last.series_uid:
                return [(first, paths)]
        groups: dict[str, tuple[SeriesHeader, list[Path]]] = {}
        for path in paths:
            try:
                header = read_series_header(path)
            except UnusableError as error:
                self.tally.drop(str(error), self.inside(path))
            else:
                groups.setdefault(header.series_uid, (header, []))[1].append(path)
        return list(groups.values())


def find_annotated_series(root: Path, tally: Tally) -> list[AnnotatedSeries]:
    """Look through a folder: all XML files are read, and one or two headers of each series.

    Parameters
    ----------
    root : the folder
    tally : gets what cannot be used, and what the readings leave out

    Returns
    -------
    In natural order of their folders.

    Raises
    ------
    DataFormatError
        If the folder or one in it cannot be listed, or holds far more than LIDC-IDRI.
    """
    contents = _Contents(root, tally)
    n_names = 0
    for listing in _listings(root, tally):
        n_names += len(listing.files) + len(listing.folders)
        if n_names > MAX_NAMES:
            raise DataFormatError(f"{root}: more than {MAX_NAMES:,} files; point to the folder of LIDC-IDRI alone")
        for path in listing.files.values():
            if path.suffix.lower() == ".xml":
                contents.add_readings(path)
        slices = [path for path in listing.files.values() if path.suffix.lower() == ".dcm"]
        if slices:
            contents.add_slices(slices)
    for series_uid, (_, path) in contents.readings.items():
        if series_uid not in contents.series:
            tally.drop("XML file without its series", contents.inside(path))
    return list(_matched(contents))


def holds_dicom_and_xml(root: Path) -> bool:
    """Whether there are both kinds of files among the first `PEEKED_TREE_NAMES` names met; never raises."""
    wanted, left, ahead = {".dcm", ".xml"}, PEEKED_TREE_NAMES, [(root, 0)]
    while wanted and ahead and left > 0:
        folder, depth = ahead.pop()
        folders, files = peek(folder, left)
        wanted -= {path.suffix.lower() for path in files}
        left -= len(folders) + len(files)
        if depth < MAX_DEPTH:
            ahead += [(path, depth + 1) for path in reversed(folders) if not path.is_symlink()]
    return not wanted


def _matched(contents: _Contents) -> Iterator[AnnotatedSeries]:
    for series_uid, (header, paths) in contents.series.items():
        where = contents.inside(paths[0].parent)
        study = header.study_uid.rpartition(".")[2] or None
        patient = header.patient or patient_of_study(study or "")
        if header.modality != "CT":
            contents.tally.drop("series that is no CT", where)
        elif series_uid not in contents.readings:
            contents.tally.drop("CT series without an XML file", where)
        elif not (readings := contents.readings[series_uid][0]).annotations:
            contents.tally.drop("CT series on which no expert outlined a nodule", where)
        elif patient is None:
            contents.tally.drop("CT series without a PatientID", where)
        elif not (key := f"{patient}_{series_uid.rpartition('.')[2][-6:]}").isprintable() or len(key) > MAX_KEY:
            contents.tally.drop("CT series whose PatientID or UID is not short, plain text", where)
        else:
            yield AnnotatedSeries(Unit(patient, study), key, paths, readings)


def _listings(root: Path, tally: Tally) -> Iterator[Listing]:
    """Every folder from the root down, without following links to folders."""
    ahead = [(root, 0)]
    while ahead:
        folder, depth = ahead.pop()
        listing = look_into(folder, root, tally)
        yield listing
        if depth < MAX_DEPTH:
            ahead += [(path, depth + 1) for path in reversed([*listing.folders.values()]) if not path.is_symlink()]
