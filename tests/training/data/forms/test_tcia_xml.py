"""Readers' outlines from XML, of any quality."""

import math

import pytest

from training.data.forms._tcia_xml import MAX_BYTES, read_readings
from training.data.forms.interface import Tally, UnusableError

from .tcia_study import Roi, Session, ring, xml_text

UID = "1.2.3.4"
SQUARE = ring(10, 20, 2, 4)


@pytest.fixture
def read(tmp_path):
    """Read a text or bytes as an XML file; gives the readings and what was left out."""

    def read(content):
        path = tmp_path / "069.xml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        tally = Tally()
        return read_readings(path, tally), dict(tally.dropped)

    return read


def one(roi="", session="", nodule=""):
    """A file with one session, one nodule and one good outline, and what is to be added to each."""
    good = Roi(SQUARE, -3.5, "1.2.3.4.9").xml()
    text = xml_text(UID, [Session()])
    body = f"<unblindedReadNodule><noduleID>1</noduleID>{nodule}{good}{roi}</unblindedReadNodule>{session}"
    return text.replace("</readingSession>", f"{body}</readingSession>")


def test_points_are_row_then_column_and_counted_from_zero(read):
    readings, dropped = read(one())
    assert not dropped
    assert readings.series_uid == UID
    (annotation,) = readings.annotations
    (placed,) = annotation.outlines
    assert placed.outline.points.tolist() == [[y, x] for x, y in SQUARE]
    assert (placed.sop_uid, placed.z_mm, placed.outline.inclusion) == ("1.2.3.4.9", -3.5, True)


def test_experts_are_numbered_by_session_and_one_who_saw_nothing_still_counts(read):
    rois = [Roi(SQUARE, 1.0)]
    readings, _ = read(xml_text(UID, [Session([rois]), Session(), Session([rois, rois]), Session([rois])]))
    assert [annotation.expert for annotation in readings.annotations] == [0, 2, 2, 3]


def test_a_fifth_session_is_left_out_and_counted(read):
    readings, dropped = read(xml_text(UID, [Session([[Roi(SQUARE, 1.0)]])] * 6))
    assert [annotation.expert for annotation in readings.annotations] == [0, 1, 2, 3]
    assert dropped == {"reading session after the first 4": 2}


def test_points_below_3_mm_and_what_is_no_nodule_are_left_out_and_counted(read):
    session = Session([[Roi([(5, 6)], 1.0)], [Roi(SQUARE, 1.0)], [Roi([(7, 8)], 2.0)]], n_others=3)
    readings, dropped = read(xml_text(UID, [session]))
    assert len(readings.annotations) == 1
    assert dropped == {
        "nodule below 3 mm, of which an expert marked only a point": 2,
        "structure that an expert marked as no nodule": 3,
    }


def test_a_nodule_that_ends_in_a_single_point_keeps_it(read):
    readings, dropped = read(xml_text(UID, [Session([[Roi(SQUARE, 1.0), Roi([(20, 10)], 2.0)]])]))
    assert [len(placed.outline.points) for placed in readings.annotations[0].outlines] == [len(SQUARE), 1]
    assert not dropped


@pytest.mark.parametrize("namespace", ["http://www.nih.gov", "http://www.nih.gov/idri", "urn:other"])
def test_the_namespace_does_not_matter(read, namespace):
    readings, _ = read(xml_text(UID, [Session([[Roi(SQUARE, 1.0)]])], namespace=namespace))
    assert len(readings.annotations) == 1


def test_exclusions_are_told_from_inclusions_in_any_case(read):
    readings, _ = read(one(roi=Roi(ring(10, 20, 1, 1), -3.5, inclusion="false").xml()))
    assert [placed.outline.inclusion for placed in readings.annotations[0].outlines] == [True, False]


EDGE = "<edgeMap><xCoord>{}</xCoord><yCoord>5</yCoord></edgeMap>"


def roi_text(x="5", inclusion="TRUE", place="<imageZposition>1</imageZposition>"):
    return f"<roi>{place}<inclusion>{inclusion}</inclusion>{EDGE.format(x)}{EDGE.format(6)}</roi>"


@pytest.mark.parametrize(
    ("roi", "reason"),
    [
        (roi_text(x="-1"), "outline with a coordinate that is no pixel"),
        (roi_text(x="1e3"), "outline with a coordinate that is no pixel"),
        (roi_text(x="1.5"), "outline with a coordinate that is no pixel"),
        (roi_text(x="1_0"), "outline with a coordinate that is no pixel"),
        (roi_text(x="٣"), "outline with a coordinate that is no pixel"),
        (roi_text(x="9" * 5000), "outline with a coordinate that is no pixel"),
        (roi_text(x=""), "outline with a coordinate that is no pixel"),
        (roi_text(inclusion="PERHAPS"), "outline that is neither an inclusion nor an exclusion"),
        (roi_text(inclusion=""), "outline that is neither an inclusion nor an exclusion"),
        (roi_text(place=""), "outline that names no slice"),
        (roi_text(place="<imageZposition>nan</imageZposition>"), "outline that names no slice"),
        (roi_text(place="<imageZposition>1e999</imageZposition>"), "outline that names no slice"),
        ("<roi><imageZposition>1</imageZposition><inclusion>TRUE</inclusion></roi>", "outline without a point"),
    ],
)
def test_an_outline_that_makes_no_sense_is_dropped_with_its_reason_and_the_rest_stays(read, roi, reason):
    readings, dropped = read(one(roi=roi))
    assert len(readings.annotations[0].outlines) == 1
    assert dropped == {reason: 1}


def test_a_z_that_is_no_number_is_nan_where_the_slice_is_named_otherwise(read):
    place = "<imageZposition>top</imageZposition><imageSOP_UID> 1.2.9 </imageSOP_UID>"
    readings, _ = read(one(roi=roi_text(place=place)))
    placed = readings.annotations[0].outlines[1]
    assert placed.sop_uid == "1.2.9"
    assert math.isnan(placed.z_mm)


def test_a_nodule_without_any_outline_is_dropped(read):
    empty = "<unblindedReadNodule><noduleID>2</noduleID></unblindedReadNodule>"
    readings, dropped = read(one(session=empty))
    assert len(readings.annotations) == 1
    assert dropped == {"nodule without a usable outline": 1}


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    + "]><LidcReadMessage>&a11;</LidcReadMessage>"
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB, "DOCTYPE"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><LidcReadMessage>&x;</LidcReadMessage>', "DOCTYPE"),
        ('<!DOCTYPE a SYSTEM "http://localhost/a.dtd"><LidcReadMessage/>', "DOCTYPE"),
        ('<!DOCTYPE a [<!ENTITY % x "y">]><LidcReadMessage/>', "DOCTYPE"),
        ("<a>" * 100 + "</a>" * 100, "levels"),
        ("<a>" * 100_000, "levels"),
        ("", "damaged or incomplete"),
        ("no XML at all", "damaged or incomplete"),
        (xml_text(UID, [Session([[Roi(SQUARE, 1.0)]])])[:-30], "damaged or incomplete"),
        ("<LidcReadMessage>&undefined;</LidcReadMessage>", "damaged or incomplete"),
        (b'<?xml version="1.0" encoding="nonsense"?><LidcReadMessage/>', "damaged or incomplete"),
        (b'<?xml version="1.0" encoding="utf-7"?><LidcReadMessage/>', "damaged or incomplete"),
        (b"<LidcReadMessage>\x00</LidcReadMessage>", "damaged or incomplete"),
        (b"<LidcReadMessage>\xff\xfe</LidcReadMessage>", "damaged or incomplete"),
        ("<LidcReadMessage/>", "without a SeriesInstanceUid"),
        (xml_text(UID, [], root="IdriReadMessage"), "is no LidcReadMessage"),
        (xml_text(UID, [Session([[Roi([(1, 1), (1, 2)], 1.0)]] * 1001)]), "more than 1000 nodules"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_reason(read, content, reason):
    with pytest.raises(UnusableError, match=reason):
        read(content)


def test_a_file_of_many_megabytes_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "big.xml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(UnusableError, match="more than 32 MiB"):
        read_readings(path, Tally())


def test_too_many_elements_are_refused(read, monkeypatch):
    monkeypatch.setattr("training.data.forms._tcia_xml.MAX_ELEMENTS", 50)
    with pytest.raises(UnusableError, match="more than 50 elements"):
        read(one())


def test_every_truncation_is_refused(read):
    whole = one().encode()
    for length in range(0, len(whole), 37):
        with pytest.raises(UnusableError):
            read(whole[:length])
