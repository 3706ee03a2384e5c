"""An instrument as one ONNX file that stands alone: network, inverse transform where it is a graph, and the card.

Anything that runs ONNX can play it: the inputs are latent and condition, the outputs the picture and, if asked for, the
wave; names, pitches, baseline, rate and codec are among the file's own properties. `darktimbre.synthesizer.runtime`
plays it here.
"""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import darktimbre
from darktimbre.audio.atomic import atomic_file
from darktimbre.export.precision import Precision, reduced
from darktimbre.export.sound import CONDITION, LATENT, PICTURE, WAVE, Sound, example, why_not
from darktimbre.models.cost import cost
from darktimbre.models.progressive import Generator
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.runtime import DIGEST, REMEDY
from darktimbre.synthesizer.synthesizer import Synthesizer

OPSET = 18
GRAPH = 2  # counts up when the same network becomes another graph, so that what was kept is exported anew
SNR = "snr"  # of pictures, among what `compare` finds
PROBES = 5  # notes with which an export is compared with the synthesizer


@dataclass(frozen=True)
class OnnxReport:
    """What was written, and how far it is from the synthesizer.

    Attributes:
        path: the file.
        bytes: its size.
        outputs: `picture`, and `wave` where it is in the file.
        why_no_wave: why the inverse is not in it although it was asked for; None otherwise.
        picture_error: greatest absolute difference of pictures (their range is about -1 to 1) over some notes; None
            where onnxruntime is not installed, so that nothing could be compared.
        wave_error: the same of waves (full level is 1); None without waves.
        precision: of the network's weights in the file.
        parameters: of the generator.
        picture_snr: power of the synthesizer's pictures by that of the difference, in dB.
    """

    path: Path
    bytes: int
    outputs: tuple[str, ...]
    why_no_wave: str | None
    picture_error: float | None
    wave_error: float | None
    precision: Precision
    parameters: int
    picture_snr: float | None


def export_onnx(
    instrument: Synthesizer, path: str | Path, *, with_sound: bool = True, precision: Precision = "float32"
) -> OnnxReport:
    """Writes the file, whole or not at all, and compares what it makes with the synthesizer's own notes.

    Args:
        instrument: what to export; its weights are in the file.
        path: the file, by custom `.onnx`.
        with_sound: also export the way from picture to wave, where the codec's inverse is a graph.
        precision: how the network's weights are kept (`export/precision.py`); the way to the wave stays as it is.

    Raises:
        UserError: there is no such precision, or the packages onnx and onnxscript are not installed.
    """
    path = Path(path)
    why_no_wave = why_not(instrument.codec) if with_sound else None
    with_sound = with_sound and why_no_wave is None
    graph = Sound(instrument, with_sound=with_sound).eval()
    outputs = (PICTURE, WAVE) if with_sound else (PICTURE,)
    model = _converted(graph, example(instrument, 2), outputs)
    model = reduced(model, precision)
    for key, value in {**properties(instrument), "darktimbre.precision": json.dumps(precision)}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    _check(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
    errors = compare(instrument, path)
    return OnnxReport(
        path=path,
        bytes=path.stat().st_size,
        outputs=outputs,
        why_no_wave=why_no_wave,
        picture_error=errors.get(PICTURE),
        wave_error=errors.get(WAVE) if with_sound else None,
        precision=precision,
        parameters=parameters(instrument),
        picture_snr=errors.get(SNR),
    )


def properties(instrument: Synthesizer) -> dict[str, str]:
    """What a player must know beside the graph; every value but plain words is JSON."""
    attributes = instrument.attributes
    told: dict[str, Any] = {
        "sample_rate": instrument.sample_rate,  # Hz
        "samples": instrument.samples,
        "parameters": parameters(instrument),
        "latent": instrument.latent_size,  # standard normal values
        "pitches": list(attributes.pitches),  # MIDI numbers of the condition's first values, a one-hot choice
        "between": instrument.controls.between,  # whether two neighbouring pitches may share the one
        "attributes": list(attributes.names),  # the condition's other values, 0 to 1
        "baseline": [round(float(value), 6) for value in instrument.controls.baseline],
        "teacher": attributes.teacher,
        "temperature": attributes.temperature,
        "codec": instrument.codec.to_config(),
    }
    return {
        DIGEST: instrument.bundle.digest,
        "darktimbre.version": darktimbre.__version__,
        **{f"darktimbre.{key}": json.dumps(value, ensure_ascii=False) for key, value in told.items()},
    }


def parameters(instrument: Synthesizer) -> int:
    """How many the generator has, before anything is folded."""
    return cost(instrument.bundle.network, Generator).parameters


def compare(instrument: Synthesizer, path: Path) -> dict[str, float]:
    """Output → greatest absolute difference from the synthesizer over some notes, and the pictures' signal-to-error
    ratio in dB; empty without onnxruntime."""
    try:
        import onnxruntime
    except ImportError:
        return {}
    latent, condition = example(instrument, PROBES)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    made = dict(zip(names, session.run(names, {LATENT: latent.numpy(), CONDITION: condition.numpy()}), strict=True))
    with torch.inference_mode():
        pictures = Sound(instrument, with_sound=False)(latent, condition)[0].numpy()
    power = np.square(made[PICTURE] - pictures, dtype=np.float64).mean()
    snr = 10 * np.log10(np.square(pictures, dtype=np.float64).mean() / max(power, 1e-30))
    errors = {PICTURE: _apart(made[PICTURE], pictures), SNR: float(snr)}
    if WAVE in made:
        errors[WAVE] = _apart(made[WAVE], instrument.waves(condition.numpy(), latent.numpy()))
    return errors


def _apart(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.abs(a - b).max())


def _converted(graph: torch.nn.Module, inputs: tuple[Tensor, ...], outputs: tuple[str, ...]) -> Any:
    """The graph as an ONNX model with a free batch dimension and its weights inside."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"Exporting as ONNX needs {error.name}: {REMEDY}.") from error
    batch = torch.export.Dim("batch", min=1)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph,
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=[LATENT, CONDITION],
            output_names=list(outputs),
            dynamic_shapes=({0: batch}, {0: batch}),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return _bare(_channel_means_as_convolutions(program.model_proto))


def _channel_means_as_convolutions(model: Any) -> Any:
    """The means over channels in pixel norms as 1 × 1 convolutions with 1/C, which onnxruntime computes far faster than
    a mean along an inner axis: an eighth of a note's whole time."""
    import onnx
    from onnx import helper, numpy_helper

    values = onnx.shape_inference.infer_shapes(model).graph.value_info
    shapes = {one.name: [size.dim_value for size in one.type.tensor_type.shape.dim] for one in values}
    constants = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        axes = [1] if node.op_type == "ReduceMean" and len(node.input) == 2 else None
        shape = shapes.get(node.input[0], ()) if axes else ()
        if len(shape) != 4 or numpy_helper.to_array(constants[node.input[1]]).tolist() != axes:
            continue
        name = f"mean_of_{shape[1]}_channels"
        if name not in constants:
            weight = np.full((1, shape[1], 1, 1), 1 / shape[1], np.float32)
            constants[name] = numpy_helper.from_array(weight, name)
            model.graph.initializer.append(constants[name])
        node.CopyFrom(helper.make_node("Conv", [node.input[0], name], list(node.output), name=node.name))
    used = {name for node in model.graph.node for name in node.input}
    unused = [one for one in model.graph.initializer if one.name not in used]
    for one in unused:
        model.graph.initializer.remove(one)
    return model


def _bare(model: Any) -> Any:
    """Without the exporter's own notes: they hold the paths of source files on this machine."""
    model.doc_string = model.graph.doc_string = ""
    del model.metadata_props[:], model.graph.metadata_props[:]
    for one in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        one.doc_string = ""
        del one.metadata_props[:]
    for one in model.graph.initializer:
        one.doc_string = ""
        del one.metadata_props[:]
    assert not model.functions
    return model


def _check(model: Any) -> None:
    import onnx

    onnx.checker.check_model(model, full_check=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's chatter on packages that are not needed and names that it chose."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
