"""Synthesizer → the report's timing: seconds of computing for a note, where they go, and on what they were spent."""

import torch

from darktimbre.evaluation.results import Timing
from darktimbre.synthesizer import timing
from darktimbre.synthesizer.synthesizer import Synthesizer


def measure(synthesizer: Synthesizer, repeats: int = 30) -> Timing:
    """Renders one note after another and looks at the clock; see `darktimbre.synthesizer.timing.measure`.

    Args:
        synthesizer: the instrument; its own network and codec are what is timed, by its own `render`.
        repeats: notes that count.
    """
    spent = timing.measure(synthesizer, repeats)
    return Timing(
        total=spent.total,
        network=spent.network,
        inversion=spent.inversion,
        sound=synthesizer.seconds,
        threads=torch.get_num_threads(),
        device=_name(synthesizer.device),
    )


def _name(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
