"""Synthetic lung-CT slices: a nodule amid vessels, chest wall or mediastinum, and noise.

The picture is composed in units of soft tissue (0 is air, 1 is soft tissue, bone is above), blurred like a
scanner's point spread, made noisy, and scaled min-max to 8 bits as real crops are.  Everything hangs on the
`numpy.random.Generator` that is passed in, so a picture is a pure function of its seed.

Lengths are pixels and angles radians.  `rows` grow downwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from training.records import FloatArray

#: Orders 1..N_ORDERS of the angular series that outlines nodules; order 1 moves an outline sideways.
N_ORDERS = 5
#: One cosine and one sine coefficient per order.
N_COEFFICIENTS = 2 * N_ORDERS

_LUNG = 0.09  # density of aerated parenchyma
_VESSEL_POINTS = 40
_STAMP = np.arange(-5, 6)  # a vessel's cross-section fits into 11 x 11 pixels


@dataclass(frozen=True, eq=False)
class Scan:
    """What the slices of one patient share.

    Parameters
    ----------
    spacing_mm : size of the square pixels
    noise : standard deviation of the white noise before `grain` smooths it, in densities
    grain : width of the noise's kernel; soft reconstruction kernels give coarse, faint grain
    blur : standard deviation of the point spread function
    """

    spacing_mm: float
    noise: float
    grain: float
    blur: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Scan:
        """A scanner and its settings."""
        return cls(
            spacing_mm=round(float(rng.uniform(0.5, 0.9)), 4),
            noise=float(np.exp(rng.uniform(np.log(0.02), np.log(0.09)))),
            grain=float(rng.uniform(0.3, 0.6)),
            blur=float(rng.uniform(0.5, 0.8)),
        )


@dataclass(frozen=True, eq=False)
class Nodule:
    """A lobulated blob with a soft margin, and for part-solid ones a dense core.

    Parameters
    ----------
    row, column : centre, fractions of pixels count
    radius : mean radius of the outline, where the density has fallen to one half
    lobes : (N_COEFFICIENTS,) angular series of the outline's log-radius, cosines before sines
    softness : logistic scale of the margin's fall-off
    density : above the lung's, 1 for soft tissue
    core : radius of the dense core as a fraction of the outline's, 0 for none
    core_density : density of that core
    """

    row: float
    column: float
    radius: float
    lobes: NDArray[np.float64]
    softness: float
    density: float
    core: float = 0.0
    core_density: float = 0.0

    @property
    def extent(self) -> float:
        """A radius beyond which the nodule hardly shows."""
        return self.radius * float(np.exp(np.abs(self.lobes).sum())) + 2 * self.softness

    def polar(self, rows: NDArray[np.int_], columns: NDArray[np.int_]) -> tuple[NDArray[np.float64], ...]:
        """Distances (h, w) of a patch's pixels from the centre, and their basis (N_COEFFICIENTS, h, w)."""
        offset = (columns - self.column)[None, :] + 1j * (rows - self.row)[:, None]
        distance = np.abs(offset)
        direction = offset / np.maximum(distance, 1e-9)
        powers = np.cumprod(np.broadcast_to(direction, (N_ORDERS, *direction.shape)), axis=0)
        return distance, np.concatenate([powers.real, powers.imag])

    def densities(self, rows: NDArray[np.int_], columns: NDArray[np.int_]) -> NDArray[np.float64]:
        """Density (h, w) that the nodule adds in a patch."""
        distance, basis = self.polar(rows, columns)
        outline = self.radius * np.exp(np.tensordot(self.lobes, basis, 1))
        added: NDArray[np.float64] = self.density * expit((outline - distance) / self.softness)
        if self.core:
            core = self.core_density * expit((self.core * outline - distance) / min(self.softness, 0.4))
            added = np.maximum(added, core)
        return added


def window(centre: float, reach: float, size: int) -> NDArray[np.int_]:
    """The pixels within ``reach`` of ``centre`` along one axis of ``size`` pixels."""
    return np.arange(max(0, int(centre - reach)), min(size, int(centre + reach) + 2))


def render_slice(nodule: Nodule, scan: Scan, size: int, rng: np.random.Generator) -> FloatArray:
    """Picture (size, size) float32 of a nodule in its surroundings: multiples of 1/255 from 0 to 1."""
    rows, columns = (window(centre, nodule.extent + 8, size) for centre in (nodule.row, nodule.column))
    solid = _vessels(nodule, size, rng)
    patch = np.ix_(rows, columns)
    solid[patch] = 1 - (1 - solid[patch]) * (1 - nodule.densities(rows, columns))
    cloud = gaussian_filter(rng.standard_normal((size // 4, size // 4), np.float32), 1.2, mode="wrap")
    tissue = _LUNG + 0.10 * np.kron(cloud, np.ones((4, 4), np.float32)) + (1 - _LUNG) * solid
    if rng.random() < 0.65:
        tissue = _with_body(tissue, nodule, rng)
    picture = gaussian_filter(tissue, scan.blur)
    grain = rng.standard_normal((size, size), np.float32)
    picture += scan.noise * gaussian_filter(grain, scan.grain)
    np.maximum(picture, 0, out=picture)
    low, high = picture.min(), picture.max()
    levels: FloatArray = np.rint(255 * (picture - low) / (high - low))
    return levels / np.float32(255)


def _vessels(nodule: Nodule, size: int, rng: np.random.Generator) -> FloatArray:
    """Density (size, size) of branching tubes and of tubes seen end-on; none crosses the nodule."""
    n_stems = max(2, round(7 * size / 128))
    n_twigs = 3 * n_stems
    start = rng.uniform(0, size, (n_stems, 2))
    stems = start[:, None] + _wander(rng.uniform(0, 2 * np.pi, n_stems), rng)
    thickness = 0.6 + 0.5 * rng.exponential(1, n_stems).clip(0, 4)
    parent = rng.integers(n_stems, size=n_twigs)
    fork = stems[parent, rng.integers(_VESSEL_POINTS, size=n_twigs)]
    twigs = fork[:, None] + _wander(rng.uniform(0, 2 * np.pi, n_twigs), rng)[:, : _VESSEL_POINTS // 2]
    dots = rng.uniform(0, size, (2 * n_stems, 2))
    taper = np.linspace(1, 0.45, _VESSEL_POINTS)
    points = np.concatenate([stems.reshape(-1, 2), twigs.reshape(-1, 2), dots])
    radius = np.concatenate(
        [
            np.outer(thickness, taper).ravel(),
            np.outer(0.6 * thickness[parent], taper[: _VESSEL_POINTS // 2]).ravel(),
            rng.uniform(0.7, 1.7, len(dots)),
        ]
    )
    clearance = np.hypot(*(points - (nodule.row, nodule.column)).T) - radius - nodule.extent
    keep = (clearance > 3) & (points > 0).all(1) & (points < size - 1).all(1)
    points, radius = points[keep], radius[keep]
    pixels = np.rint(points).astype(np.intp)
    rows = pixels[:, :1] + _STAMP
    columns = pixels[:, 1:] + _STAMP
    distance = np.sqrt(((rows - points[:, :1]) ** 2)[:, :, None] + ((columns - points[:, 1:]) ** 2)[:, None, :]).astype(
        np.float32
    )
    shade = np.clip(radius[:, None, None] + 0.5 - distance, 0, np.minimum(1, 0.35 + 0.4 * radius)[:, None, None])
    margin = len(_STAMP) // 2
    canvas = np.zeros((size + 2 * margin, size + 2 * margin), np.float32)
    np.maximum.at(canvas, (rows[:, :, None] + margin, columns[:, None, :] + margin), shade.astype(np.float32))
    return canvas[margin:-margin, margin:-margin]


def _wander(heading: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Offsets (n, _VESSEL_POINTS, 2) along gently turning paths of about 40 pixels."""
    turns = np.cumsum(rng.normal(0, 0.08, (len(heading), _VESSEL_POINTS)), axis=1)
    angle = heading[:, None] + turns
    return np.cumsum(np.stack([np.sin(angle), np.cos(angle)], axis=-1), axis=1)


def _with_body(lung: FloatArray, nodule: Nodule, rng: np.random.Generator) -> FloatArray:
    """The slice with chest wall (hollow, ribbed) or mediastinum (bulging) on a random side of the nodule."""
    size = len(lung)
    rows, columns = np.ogrid[:size, :size]
    angle, bend = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.8) * size
    gap = nodule.extent + rng.uniform(0.03, 0.35) * size
    is_wall = bool(rng.random() < 0.7)
    # The body begins `gap` away from the nodule; the circle that bounds it lies on either side of the border.
    reach = gap - bend if is_wall else gap + bend
    centre_row, centre_column = nodule.row + reach * np.sin(angle), nodule.column + reach * np.cos(angle)
    distance = np.hypot(rows - centre_row, columns - centre_column).astype(np.float32)
    depth = distance - np.float32(bend) if is_wall else np.float32(bend) - distance
    flesh = np.full_like(lung, rng.uniform(0.85, 1.15))
    if is_wall:
        flesh -= 0.25 * expit((depth - np.float32(rng.uniform(8, 20))) / 2)  # fat below the muscle
        for offset in rng.uniform(-0.35, 0.35, rng.integers(1, 4)):
            flesh += _rib(rows, columns, (centre_row, centre_column), bend + rng.uniform(5, 9), angle + offset, rng)
    inside: FloatArray = expit(depth / np.float32(0.6))
    return lung + inside * (flesh - lung)


def _rib(
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
    centre: tuple[float, float],
    distance: float,
    angle: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Density (size, size) that an oval rib adds: bright cortex around marrow, lying along the wall."""
    along = rows - centre[0] - distance * np.sin(angle), columns - centre[1] - distance * np.cos(angle)
    across = (np.sin(angle) * along[0] + np.cos(angle) * along[1]) / rng.uniform(2.5, 4)
    length = (np.cos(angle) * along[0] - np.sin(angle) * along[1]) / rng.uniform(6, 13)
    ellipse = np.hypot(across, length).astype(np.float32)
    cortex = np.exp(-(((ellipse - 1) / np.float32(0.3)) ** 2))
    added: FloatArray = rng.uniform(0.25, 0.7) * cortex + np.float32(0.15) * (ellipse < 1)
    return added
