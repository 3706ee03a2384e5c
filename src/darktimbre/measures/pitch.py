"""How far estimated fundamentals are from the target pitches."""

import numpy as np
from numpy.typing import ArrayLike


def interval_cents(f0: ArrayLike, reference_hz: ArrayLike) -> np.ndarray:
    """1200·log2(f0 / reference), in cents; NaN where f0 is NaN or not positive (no pitch was found)."""
    estimated, wanted = np.asarray(f0, dtype=np.float64), np.asarray(reference_hz, dtype=np.float64)
    if not (wanted > 0).all():
        raise ValueError("every reference frequency must be above 0 Hz")
    found = np.where(estimated > 0, estimated, np.nan)
    return np.asarray(1200 * np.log2(found / wanted))
