"""MusiCNN's weights as they are published, a TensorFlow checkpoint inside a wheel on PyPI → tensors of `Musicnn`.

The network itself is `extractors/musicnn.py`, where training cannot import it: it measures. Its sizes are here, because
a file is checked against them when it is added.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre.notes.errors import UserError
from darktimbre.teachers.frozen import Weights
from darktimbre.teachers.tensor_bundle import read_bundle

CHECKPOINT = "musicnn/MTT_musicnn"  # in the wheel: trained on MagnaTagATune, whose tags name instruments
INDEX, DATA = ".index", ".data-00000-of-00001"
EPSILON = 1e-3  # of TensorFlow's batch norms

BANDS = 96
TIMBRAL_KERNELS = ((7, 38), (7, 67))  # frames × bands
TEMPORAL_KERNELS = ((128, 1), (64, 1), (32, 1))
TIMBRAL_MAPS, TEMPORAL_MAPS, MIDDLE_MAPS, MIDDLE = 204, 51, 64, 3
FRONT = len(TIMBRAL_KERNELS) * TIMBRAL_MAPS + len(TEMPORAL_KERNELS) * TEMPORAL_MAPS  # 561 features of a frame
POOLED = 2 * (FRONT + MIDDLE * MIDDLE_MAPS)  # 1506: maximum and mean of each feature over time
UNITS, TAGS = 200, 50


def layers() -> Iterator[tuple[str, tuple[int, ...]]]:
    """(name in `Musicnn`, shape of the kernel in TensorFlow's order), in the order that the checkpoint numbers them."""
    for number, kernel in enumerate(TIMBRAL_KERNELS):
        yield f"timbral.{number}", (*kernel, 1, TIMBRAL_MAPS)
    for number, kernel in enumerate(TEMPORAL_KERNELS):
        yield f"temporal.{number}", (*kernel, 1, TEMPORAL_MAPS)
    for number in range(MIDDLE):
        yield f"middle.{number}", (7, FRONT if number == 0 else MIDDLE_MAPS, 1, MIDDLE_MAPS)


def read_wheel(path: Path) -> Weights:
    """Tensors under the names of `Musicnn` from `musicnn-0.1.0-py3-none-any.whl`; batch norms become scale and shift.

    Raises:
        UserError: the file is damaged or something else.
    """
    try:
        with zipfile.ZipFile(path) as wheel:  # which checks the sums of what it unpacks
            found = read_bundle(*(wheel.read(f"{CHECKPOINT}/{name}") for name in (INDEX, DATA)))
        arrays = _named(found)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} can't be read as the wheel of musicnn 0.1.0 with {CHECKPOINT} in it ({error}); get it from PyPI "
            "(`pip download musicnn --no-deps`)."
        ) from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UserError(f"{path} is damaged: {name} holds values that are no numbers; get it again.")
    return {name: torch.tensor(np.ascontiguousarray(array), dtype=torch.float32) for name, array in arrays.items()}


def _named(found: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """TensorFlow's variables → ours; a KeyError or ValueError says what is missing or of another shape."""

    def get(name: str, *shape: int) -> NDArray[np.float64]:
        if found[name].shape != shape:
            raise ValueError(f"{name} has shape {found[name].shape} instead of {shape}")
        return found[name].astype(np.float64)

    def norm(number: int, width: int) -> Iterator[tuple[str, NDArray[np.float64]]]:
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        scale = get(f"{name}/gamma", width) / np.sqrt(get(f"{name}/moving_variance", width) + EPSILON)
        yield "weight", scale
        yield "bias", get(f"{name}/beta", width) - get(f"{name}/moving_mean", width) * scale

    arrays: dict[str, NDArray[np.float64]] = {}
    norms = [("input", 1)]
    for number, (name, shape) in enumerate(layers()):
        layer = f"conv2d_{number}" if number else "conv2d"
        arrays[f"{name}.convolution.weight"] = get(f"{layer}/kernel", *shape).transpose(3, 2, 0, 1)
        arrays[f"{name}.convolution.bias"] = get(f"{layer}/bias", shape[3])
        norms.append((f"{name}.norm", shape[3]))
    norms += [("pooled", POOLED), ("units", UNITS)]
    for number, (name, width) in enumerate(norms):
        arrays |= {f"{name}.{part}": values for part, values in norm(number, width)}
    for name, layer, sizes in (("dense", "dense", (POOLED, UNITS)), ("tags", "dense_1", (UNITS, TAGS))):
        arrays[f"{name}.weight"] = get(f"{layer}/kernel", *sizes).T
        arrays[f"{name}.bias"] = get(f"{layer}/bias", sizes[1])
    return arrays
