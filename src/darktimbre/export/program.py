"""An instrument as a `torch.export` program (.pt2): the same graph as the ONNX file's, for those who stay with torch.

`torch.export.load(path).module()(latent, condition)` plays it without darktimbre installed.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre.audio.atomic import atomic_file
from darktimbre.export.onnx import NetworkReport, compared, properties
from darktimbre.export.sound import PICTURE, WAVE, Sound, example, why_not
from darktimbre.synthesizer.synthesizer import Synthesizer

CARD = "darktimbre.json"  # the properties, among the archive's extra files


def export_program(instrument: Synthesizer, path: str | Path, *, with_sound: bool = True) -> NetworkReport:
    """Writes the archive, whole or not at all, reads it back, and compares it with the synthesizer's own notes.

    The weights are in the archive, by custom a `.pt2`. `with_sound`: also export the way from picture to wave, where
    the codec's inverse is a graph.
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
    outputs = (PICTURE, WAVE) if with_sound else (PICTURE,)

    def run(latent: Tensor, condition: Tensor) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            return [output.numpy() for output in loaded(latent, condition)]

    return compared(instrument, path, outputs, run, why_no_wave)
