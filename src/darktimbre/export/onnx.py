"""An instrument as one ONNX file that stands alone: network, inverse transform where it is a graph, and the card.

Anything that runs ONNX can play it: the inputs are latent and condition, the outputs the picture and, on request, the
wave; names, pitches, baseline, rate and codec are among the file's own properties. `darktimbre.synthesizer.runtime`
plays it here.
"""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
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
from darktimbre.export.precision import Precision, reduced, require
from darktimbre.export.sound import CONDITION, LATENT, PICTURE, WAVE, Sound, example, parameters_of, why_not
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.runtime import DIGEST, REMEDY
from darktimbre.synthesizer.synthesizer import Synthesizer

OPSET = 18
GRAPH = 2  # counts up when the same network becomes another graph, so that what was kept is exported anew
PROBES = 5  # notes with which an export is compared with the synthesizer


@dataclass(frozen=True)
class NetworkReport:
    """What was written, and how far it is from the synthesizer."""

    path: Path  # the file
    bytes: int  # its size
    outputs: tuple[str, ...]  # `picture`, and `wave` where it is in the file
    why_no_wave: str | None  # why the inverse is not in it although it was requested; None otherwise
    precision: Precision  # of the networks' weights in the file
    parameters: int  # of the generator
    # greatest absolute difference of spectrograms (their range is about -1 to 1) over some notes; None where
    # onnxruntime is not installed, so that nothing could be compared
    picture_error: float | None = None
    picture_snr: float | None = None  # power of the synthesizer's spectrograms by that of the difference, in dB
    wave_error: float | None = None  # the greatest absolute difference of waves (full level is 1); None without waves


def export_onnx(
    instrument: Synthesizer, path: str | Path, *, with_sound: bool = True, precision: Precision = "float32"
) -> NetworkReport:
    """Writes the file, whole or not at all, and compares what it makes with the synthesizer's own notes.

    Args:
        instrument: what to export; its weights are in the file.
        path: the file, by custom `.onnx`.
        with_sound: also export the way from picture to wave, where the codec's inverse is a graph: where it has phases,
            or a learned inversion.
        precision: how weights are kept (`export/precision.py`); transforms on the way to the wave stay as they are.

    Raises:
        UserError: there is no such precision, or the packages onnx and onnxscript are not installed.
    """
    require(precision)
    path, onnx = Path(path), _onnx()
    why_no_wave = why_not(instrument.codec) if with_sound else None
    with_sound = with_sound and why_no_wave is None
    graph = Sound(instrument, with_sound=with_sound).eval()
    outputs = (PICTURE, WAVE) if with_sound else (PICTURE,)
    model = _converted(graph, example(instrument, 2), outputs)
    model = reduced(_bare(_channel_means_as_convolutions(onnx, model)), precision)
    for key, value in {**properties(instrument), "darktimbre.precision": json.dumps(precision)}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
    return compared(instrument, path, outputs, _loaded(path, outputs), why_no_wave, precision)


def compared(
    instrument: Synthesizer,
    path: Path,
    outputs: tuple[str, ...],
    run: Callable[[Tensor, Tensor], Sequence[NDArray[np.float32]]] | None,
    why_no_wave: str | None,
    precision: Precision = "float32",
) -> NetworkReport:
    """The report on a file; `run(latent, condition)` gives its outputs, None where nothing here can run it."""
    errors: dict[str, float] = {}
    if run is not None:
        latent, condition = example(instrument, PROBES)
        made = dict(zip(outputs, run(latent, condition), strict=True))
        with torch.inference_mode():
            spectrograms = Sound(instrument, with_sound=False)(latent, condition)[0].numpy()
        power = np.square(made[PICTURE] - spectrograms, dtype=np.float64).mean()
        snr = 10 * np.log10(np.square(spectrograms, dtype=np.float64).mean() / max(power, 1e-30))
        errors = {"picture_error": float(np.abs(made[PICTURE] - spectrograms).max()), "picture_snr": float(snr)}
        if WAVE in made:
            waves = instrument.waves(condition.numpy(), latent.numpy())
            errors["wave_error"] = float(np.abs(made[WAVE] - waves).max())
    parameters = parameters_of(instrument)
    return NetworkReport(path, path.stat().st_size, outputs, why_no_wave, precision, parameters, **errors)


def _loaded(path: Path, outputs: tuple[str, ...]) -> Callable[[Tensor, Tensor], Sequence[NDArray[np.float32]]] | None:
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda latent, condition: session.run(outputs, {LATENT: latent.numpy(), CONDITION: condition.numpy()})


def properties(instrument: Synthesizer) -> dict[str, str]:
    """What a program needs beside the graph; every value but plain words is JSON."""
    attributes = instrument.attributes
    facts: dict[str, Any] = {
        "sample_rate": instrument.sample_rate,  # Hz
        "samples": instrument.samples,
        "parameters": parameters_of(instrument),
        "latent": instrument.latent_size,  # standard normal values
        "pitches": list(attributes.pitches),  # MIDI numbers of the condition's first values, a one-hot choice
        "between": instrument.controls.between,  # whether two neighbouring pitches may share the one
        "attributes": list(instrument.controls.attributes.names),  # the condition's other values, 0 to 1
        "baseline": [round(float(value), 6) for value in instrument.controls.baseline],
        "level": instrument.bundle.level_db,  # peak of every note in dB; null where they have no one level
        "teacher": attributes.teacher,
        "temperature": attributes.temperature,
        "codec": instrument.codec.to_config(),
    }
    return {
        DIGEST: instrument.bundle.digest,
        "darktimbre.version": darktimbre.__version__,
        **{f"darktimbre.{key}": json.dumps(value, ensure_ascii=False) for key, value in facts.items()},
    }


def _onnx() -> Any:
    """The package, which is optional; with onnxscript, which torch's exporter needs."""
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"Exporting as ONNX needs {error.name}: {REMEDY}.") from error
    return onnx


def _converted(graph: torch.nn.Module, inputs: tuple[Tensor, ...], outputs: tuple[str, ...]) -> Any:
    """The graph as an ONNX model with a free batch dimension and its weights inside."""
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
    return program.model_proto


def _channel_means_as_convolutions(onnx: Any, model: Any) -> Any:
    """The means over channels in pixel norms as 1 × 1 convolutions with 1/C, which onnxruntime computes far faster than
    a mean along an inner axis: an eighth of a note's whole time."""
    values = onnx.shape_inference.infer_shapes(model).graph.value_info
    shapes = {one.name: [size.dim_value for size in one.type.tensor_type.shape.dim] for one in values}
    constants = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        axes = [1] if node.op_type == "ReduceMean" and len(node.input) == 2 else None
        shape = shapes.get(node.input[0], ()) if axes else ()
        if len(shape) != 4 or onnx.numpy_helper.to_array(constants[node.input[1]]).tolist() != axes:
            continue
        name = f"mean_of_{shape[1]}_channels"
        if name not in constants:
            weight = np.full((1, shape[1], 1, 1), 1 / shape[1], np.float32)
            constants[name] = onnx.numpy_helper.from_array(weight, name)
            model.graph.initializer.append(constants[name])
        node.CopyFrom(onnx.helper.make_node("Conv", [node.input[0], name], list(node.output), name=node.name))
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter's messages on packages that are not needed and on names that it chose."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
