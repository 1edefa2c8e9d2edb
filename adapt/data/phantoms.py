"""Synthetic volumes of two shapes under two intensity scales; they are no measurements."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PHANTOM_CLASSES = ("flat", "round")
PHANTOMS = {"phantom": 0, "phantom_scanner": 1}
"""Names of the generated domains, and the seed of each."""

_SIDE = 16
_PATIENTS = 100
_SCANS = 2


@lru_cache(maxsize=2)
def phantoms(name: str) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.str_]]:
    """Volumes `(N, 1, 16, 16, 16)`, classes `(N,)` and patients `(N,)`: 100 patients with two scans each.

    A patient has a body, a darker ellipsoid in it, and a bright lesion of one size, which is a ball or a disc along
    one of three axes. Both scans of a patient show the same lesion at two places with other noise. The second scanner
    has its own contrast: the square of the intensities, on another range, with a shade from one side to the other.
    Both are the same on every machine.

    Args:
        name: `phantom` or `phantom_scanner`.
    """
    rng = np.random.default_rng(PHANTOMS[name])
    grid = np.stack(np.meshgrid(*[np.arange(_SIDE) - (_SIDE - 1) / 2] * 3, indexing="ij"))
    classes = np.arange(_PATIENTS) % 2
    scans = [_scan(rng, grid, int(k), name == "phantom_scanner") for k in classes for _ in range(_SCANS)]
    patients = np.array([f"{name} {k}" for k in range(_PATIENTS)]).repeat(_SCANS)
    return np.stack(scans)[:, None].astype(np.float32), classes.repeat(_SCANS), patients


def _scan(rng: np.random.Generator, grid: NDArray[np.float64], kind: int, other: bool) -> NDArray[np.float64]:
    volume = np.zeros(grid.shape[1:])
    volume[(grid**2).sum(0) < 49] = 0.5
    inner = rng.uniform(2.0, 3.5, 3)
    volume[_inside(grid, rng.uniform(-2, 2, 3), inner)] = 0.35
    # A disc with the radii r, r and r/3 is as large as a ball of 3^(−1/3) r.
    radii = np.full(3, 2.6) if kind else np.full(3, 2.6 * 3 ** (1 / 3))
    if not kind:
        radii[rng.integers(3)] /= 3
    centre = rng.uniform(-2.5, 2.5, 3)
    volume[_inside(grid, centre, radii)] = 0.9
    if other:
        shade = 1 + 0.1 * grid[int(rng.integers(3))] / _SIDE
        volume = (0.3 + 0.5 * volume**2) * shade
    return np.asarray(volume + (0.015 if other else 0.03) * rng.normal(size=volume.shape))


def _inside(grid: NDArray[np.float64], centre: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(((np.moveaxis(grid, 0, -1) - centre) ** 2 / radii**2).sum(-1) < 1)
