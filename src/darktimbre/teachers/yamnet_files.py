"""YAMNet's weights as they are found (`.h5`, `.tflite`, our own `.safetensors`) → tensors of `YamnetBody`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre.audio.download import sha256
from darktimbre.notes.errors import UserError
from darktimbre.teachers.frozen import Weights, read_converted

LAYERS = 14
EPSILON = 1e-4  # of the batch norms in the official release


def read(path: Path) -> tuple[Weights, str]:
    """Tensors under the names of `YamnetBody`, and the SHA-256 of the file they first came from.

    Raises:
        UserError: the file is damaged or of another kind.
    """
    start = _head(path)
    try:
        if start.startswith(b"\x89HDF"):
            return _read_keras(path), sha256(path)
        if start[4:8] == b"TFL3":
            return _read_tflite(path), sha256(path)
        if path.suffix == ".safetensors":
            return read_converted(path)
    except UserError:
        raise
    except Exception as error:  # a damaged file can fail anywhere in h5py, flatbuffers or safetensors
        raise UserError(f"{path} can't be read as YAMNet's weights ({type(error).__name__}: {error}).") from error
    raise UserError(f"{path} is neither yamnet.h5, yamnet.tflite nor a .safetensors converted from them.")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


# --- Keras ----------------------------------------------------------------------------------------------------------


def _read_keras(path: Path) -> Weights:
    """Every layer is a group `name/name` with `kernel:0` and so on; batch norm (no gamma in the release) is folded."""
    import h5py

    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        found: dict[str, NDArray[np.float64]] = {}

        def keep(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                found[name.removesuffix(":0")] = np.asarray(item, dtype=np.float64)

        root.visititems(keep)

    def get(layer: str, what: str, default: float | None = None) -> NDArray[np.float64]:
        # Old Keras writes layer/layer/kernel:0, newer layer/kernel:0, and may put the model's name in between.
        hits = [value for name, value in found.items() if name.endswith(f"{layer}/{what}") and name.startswith(layer)]
        if not hits and default is not None:
            return np.asarray(default)
        if len(hits) != 1:
            raise UserError(f"{path} is not the official yamnet.h5: {len(hits)} tensors {layer}/{what} instead of one.")
        return hits[0]

    def folded(conv: str, kernel: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Kernel with its output axis scaled, and bias, so that convolution + bias equals convolution → batch norm."""
        scale = get(f"{conv}/bn", "gamma", 1.0) / np.sqrt(get(f"{conv}/bn", "moving_variance") + EPSILON)
        bias = get(f"{conv}/bn", "beta") - get(f"{conv}/bn", "moving_mean") * scale
        weight = get(conv, kernel)  # (height, width, in, out); depthwise (height, width, channel, 1)
        if kernel == "depthwise_kernel":
            return (weight * scale[:, None]).transpose(2, 3, 0, 1), bias
        return (weight * scale).transpose(3, 2, 0, 1), bias

    arrays: dict[str, NDArray[np.float64]] = {}
    for name, conv, kernel in _convolutions():
        arrays[f"{name}.weight"], arrays[f"{name}.bias"] = folded(conv, kernel)
    dense = "logits" if any(name.startswith("logits") for name in found) else "dense"
    arrays["classifier.weight"] = get(dense, "kernel").T
    arrays["classifier.bias"] = get(dense, "bias")
    return _tensors(arrays)


def _convolutions() -> Iterator[tuple[str, str, str]]:
    """(name in `YamnetBody`, layer in Keras, its kernel) in the order of the network."""
    yield "layer1", "layer1/conv", "kernel"
    for number in range(2, LAYERS + 1):
        yield f"layer{number}.depthwise", f"layer{number}/depthwise_conv", "depthwise_kernel"
        yield f"layer{number}.pointwise", f"layer{number}/pointwise_conv", "kernel"


# --- TensorFlow Lite ------------------------------------------------------------------------------------------------


def _read_tflite(path: Path) -> Weights:
    """Walks the graph: the 27 convolutions in order, then the last fully connected layer; int8 weights are dequantised.

    The in-graph front end is passed over; its mel matrix is quantised too.
    """
    import tflite

    model = tflite.Model.GetRootAs(path.read_bytes(), 0)
    graph = model.Subgraphs(0)

    def array(index: int) -> NDArray[np.float64]:
        tensor = graph.Tensors(index)
        shape = tuple(tensor.ShapeAsNumpy())
        raw = model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes()
        if tensor.Type() == tflite.TensorType.FLOAT32:
            return np.frombuffer(raw, "<f4").astype(np.float64).reshape(shape)
        if tensor.Type() != tflite.TensorType.INT8:
            raise UserError(f"{path} holds weights of a type this reader does not support (number {tensor.Type()}).")
        quantised = np.frombuffer(raw, "<i1").astype(np.float64).reshape(shape)
        rule = tensor.Quantization()
        scale, zero = rule.ScaleAsNumpy().astype(np.float64), rule.ZeroPointAsNumpy().astype(np.float64)
        if len(scale) > 1:  # one scale for each slice along an axis
            along = [1] * len(shape)
            along[rule.QuantizedDimension()] = -1
            scale, zero = scale.reshape(along), zero.reshape(along)
        return np.asarray((quantised - zero) * scale)

    convolutions, dense = [], []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # files written before 2.4 only have the old field
        if kind in (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D):
            convolutions.append(operator.InputsAsNumpy())
        elif kind == tflite.BuiltinOperator.FULLY_CONNECTED:
            dense.append(operator.InputsAsNumpy())
    names = [name for name, _, _ in _convolutions()]
    if len(convolutions) != len(names) or not dense:
        raise UserError(f"{path} is not YAMNet: it has {len(convolutions)} convolutions instead of {len(names)}.")
    arrays: dict[str, NDArray[np.float64]] = {}
    for name, (_, kernel, bias) in zip(names, convolutions, strict=True):
        # Convolutions lie as (out, height, width, in), depthwise ones as (1, height, width, channel).
        order = (3, 0, 1, 2) if name.endswith("depthwise") else (0, 3, 1, 2)
        arrays[f"{name}.weight"] = array(kernel).transpose(order)
        arrays[f"{name}.bias"] = array(bias)
    arrays["classifier.weight"], arrays["classifier.bias"] = array(dense[-1][1]), array(dense[-1][2])
    return _tensors(arrays)


def _tensors(arrays: dict[str, NDArray[np.float64]]) -> Weights:
    return {key: torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32)) for key, value in arrays.items()}
