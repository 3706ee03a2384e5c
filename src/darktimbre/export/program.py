"""An instrument as a `torch.export` program (.pt2): the same graph as the ONNX file's, for those who stay with torch.

`torch.export.load(path).module()(latent, condition)` plays it without darktimbre installed.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from darktimbre.audio.atomic import atomic_file
from darktimbre.export.onnx import PROBES, properties
from darktimbre.export.sound import PICTURE, WAVE, Sound, example, why_not
from darktimbre.synthesizer.synthesizer import Synthesizer

CARD = "darktimbre.json"  # the properties, among the archive's extra files


@dataclass(frozen=True)
class ProgramReport:
    """What was written; the fields mean what those of `OnnxReport` do, and the errors are always measured."""

    path: Path
    bytes: int
    outputs: tuple[str, ...]
    why_no_wave: str | None
    picture_error: float
    wave_error: float | None


def export_program(instrument: Synthesizer, path: str | Path, *, with_sound: bool = True) -> ProgramReport:
    """Writes the archive, whole or not at all, reads it back, and compares it with the synthesizer's own notes.

    Args:
        instrument: what to export; its weights are in the archive.
        path: the file, by custom `.pt2`.
        with_sound: also export the way from picture to wave, where the codec's inverse is a graph.
    """
    path = Path(path)
    why_no_wave = why_not(instrument.codec) if with_sound else None
    with_sound = with_sound and why_no_wave is None
    graph = Sound(instrument, with_sound=with_sound).eval()
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(graph, example(instrument, 2), dynamic_shapes=({0: batch}, {0: batch}))
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # holds the paths of source files on this machine
        program.example_inputs = None  # the one part of the archive that would be a pickle
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            torch.export.save(program, file, extra_files={CARD: json.dumps(properties(instrument), ensure_ascii=False)})
        loaded = torch.export.load(path).module()
    latent, condition = example(instrument, PROBES)
    with torch.inference_mode():
        made = loaded(latent, condition)
        picture = Sound(instrument, with_sound=False)(latent, condition)[0]
    waves = torch.from_numpy(instrument.waves(condition.numpy(), latent.numpy()))
    return ProgramReport(
        path=path,
        bytes=path.stat().st_size,
        outputs=(PICTURE, WAVE) if with_sound else (PICTURE,),
        why_no_wave=why_no_wave,
        picture_error=float((made[0] - picture).abs().max()),
        wave_error=float((made[1] - waves).abs().max()) if with_sound else None,
    )
