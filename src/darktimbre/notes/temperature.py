"""Teacher logits → soft labels at a temperature; tags are stored as logits so that T is chosen when training starts."""

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Logits = TypeVar("Logits", "Tensor", NDArray[np.float32])

CERTAIN = 20.0
"""Logits beyond ± this, probabilities within 2·10⁻⁹ of 0 or 1, say no more."""


# ---------------------------------------------------------------------------------------------------------------------
# q_i = σ(z_i / T)                                                                     DarkGAN eq. 1, in its binary form
# ---------------------------------------------------------------------------------------------------------------------
def soft_labels(logits: Logits, temperature: float = 1.0) -> Logits:
    """Probabilities in [0, 1] of logits (…, label), torch or numpy; T > 1 lifts the faint attributes.

    Raises:
        ValueError: T is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"A temperature must be positive, not {temperature}.")
    if not isinstance(logits, np.ndarray):
        return (logits / temperature).sigmoid()
    scaled = np.asarray(logits, dtype=np.float32) / np.float32(temperature)
    decay = np.exp(-np.abs(scaled))  # never overflows, and keeps the digits of tiny probabilities
    return np.asarray(np.where(scaled >= 0, 1.0, decay) / (1.0 + decay), dtype=np.float32)


def bounded_logits(logits: Logits) -> Logits:
    """Logits within ± `CERTAIN`, for whatever squares them.

    YAMNet's logits of a nearly pure low tone reach −285: unbounded, one such note in fifty makes up half of a standard
    deviation, and decides a correlation.
    """
    if isinstance(logits, np.ndarray):
        return np.clip(logits, -CERTAIN, CERTAIN)
    return logits.clamp(-CERTAIN, CERTAIN)
