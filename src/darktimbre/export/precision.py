"""The networks' weights in an ONNX graph, kept in fewer bits: a smaller file that computes as fast and in float32.

Weights are kept as float16, or as int8 with one scale for each output channel, and two nodes turn them back. Runtimes
do so once, at load ("constant folding"). Arithmetic in eight bits is another matter: docs/small-machine.md has figures.
"""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from darktimbre.export.sound import PICTURE, WAVE
from darktimbre.notes.errors import UserError

Precision = Literal["float32", "float16", "int8"]
PRECISIONS = get_args(Precision)

OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1, "MatMul": -1, "Gemm": -1}
"""Operator → the axis of its weight along which its outputs lie; each gets a scale of its own."""

INVERSION, INVERTER = "inversion.", "inversion.network."
"""How the exporter names what the inversion holds, and what its network holds (`export/sound.py`)."""

FEWEST = 256  # values: what is smaller is left as it is


def require(precision: str) -> None:
    """Refuses, by a `UserError`, a precision that there is not."""
    if precision not in PRECISIONS:
        raise UserError(f"There is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}.")


def reduced(model: Any, precision: Precision) -> Any:
    """The model with its network's weights kept so; changed in place."""
    if precision == "float32":
        return model
    from onnx import numpy_helper

    graph = model.graph
    nodes = []
    for weight in _weights(model):
        values, axis = numpy_helper.to_array(weight), _output_axis(model, weight.name)
        kept, made = _half(weight.name, values) if precision == "float16" else _eight_bits(weight.name, values, axis)
        graph.initializer.remove(weight)
        graph.initializer.extend(kept)
        nodes += made
    before = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *before])
    return model


def eight_bits(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights of any shape as whole numbers from -127 to 127 and scales, `values ≈ whole · scale`: symmetric, a scale
    for each output channel, which lie along `axis`."""
    others = tuple(one for one in range(values.ndim) if one != axis % values.ndim)
    scale = np.abs(values).max(axis=others, keepdims=True) / np.float32(127)
    scale = np.where(scale > 0, scale, np.float32(1)).astype(np.float32)
    return np.round(values / scale).astype(np.int8), scale


def _half(name: str, values: NDArray[np.float32]) -> tuple[list[Any], list[Any]]:
    from onnx import TensorProto, helper, numpy_helper

    kept = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
    return [kept], [helper.make_node("Cast", [kept.name], [name], to=TensorProto.FLOAT)]


def _eight_bits(name: str, values: NDArray[np.float32], axis: int) -> tuple[list[Any], list[Any]]:
    from onnx import TensorProto, helper, numpy_helper

    whole, scale = eight_bits(values, axis)
    kept = [numpy_helper.from_array(whole, f"{name}_whole"), numpy_helper.from_array(scale, f"{name}_scale")]
    # Cast and Mul instead of DequantizeLinear, which onnxruntime would compute anew for every note.
    nodes = [
        helper.make_node("Cast", [kept[0].name], [f"{name}_cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}_cast", kept[1].name], [name]),
    ]
    return kept, nodes


def _weights(model: Any) -> list[Any]:
    """The weights that the picture follows from, and those of a learned inversion, but for those too small to be worth
    it. The transforms of an inversion are no weights: their constants stay as they are."""
    from onnx import TensorProto

    makers = {output: node for node in model.graph.node for output in node.output}
    learned = any(one.name.startswith(INVERTER) for one in model.graph.initializer)
    waiting, met = [PICTURE, *([WAVE] if learned else [])], set()
    while waiting:
        name = waiting.pop()
        if name not in met:
            met.add(name)
            waiting += makers[name].input if name in makers else []
    found = [one for one in model.graph.initializer if one.name in met and one.data_type == TensorProto.FLOAT]
    large = [one for one in found if len(one.dims) > 1 and np.prod(one.dims) >= FEWEST]
    return [one for one in large if not one.name.startswith(INVERSION) or _is_weight(one.name)]


def _is_weight(name: str) -> bool:
    """Whether a constant of the inversion is one that its network was trained on."""
    return name.startswith(INVERTER) and name.endswith(".weight")


def _output_axis(model: Any, name: str) -> int:
    """Of the first node that the weight feeds; 0 where that is no product."""
    for node in model.graph.node:
        if name in node.input:
            if node.op_type == "Gemm" and any(one.name == "transB" and one.i for one in node.attribute):
                return 0
            return OUTPUT_AXIS.get(node.op_type, 0)
    return 0
