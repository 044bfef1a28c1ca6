"""How slices lie in an HDF5 file: names, versions and checksums, for the reader and the writer alike.

PHiSeg's layout (Baumgartner et al. 2019), which the field's other tools read, with additions marked +::

    /                       + attributes: ambiseg_format, ambiseg_sha256, and whatever the maker noted
    /train, /val, /test     groups, one or more
        images              (N, H, W) uint8 0..255, or float in [0, 1] or [-0.5, 0.5]
        labels              (N, H, W, K) or (N, K, H, W), 0 and 1, or 0 and 255; the project writes the
                            first order, uint8, 0 and 1
        uids                (N,) int64, one number per patient
      + keys                (N,) text, one name per slice
      + patient_ids         (N,) text
      + hounsfield          (N, H, W) int16, what the images are a window of; only where it is known
      + pixel_spacing_mm    (N, 2) row and column size, or (N,) for square pixels; NaN where unknown
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from training.data.dataset import Attribute
from training.data.splits import SPLITS

__all__ = ["CHECKSUMS", "COLUMNS", "FORMAT", "FORMAT_VERSION", "READ_VERSIONS", "SPLITS", "attributes_digest"]

FORMAT = "ambiseg_format"
FORMAT_VERSION = 2
COLUMNS = ("images", "labels", "uids", "keys", "patient_ids", "pixel_spacing_mm", "hounsfield")
READ_VERSIONS = (1, 2)  # in version 1 the checksums of labels were of their bytes

# One JSON attribute of the file rather than one attribute per array: a bit that flips in an array's *name*
# then shows as a missing array, instead of as a file that happens to have no keys.
CHECKSUMS = "ambiseg_sha256"


def attributes_digest(attributes: Mapping[str, Attribute]) -> str:
    """SHA-256 of the file's own attributes, in a spelling that does not depend on their order."""
    return hashlib.sha256(json.dumps(dict(attributes), sort_keys=True).encode()).hexdigest()
