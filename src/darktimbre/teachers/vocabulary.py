"""AudioSet's 527 classes: names, machine ids, how well Cnn14 recognises each, and which 521 of them YAMNet has."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class AudioSetClass:
    """One class of the AudioSet ontology."""

    name: str  # display name, e.g. "Singing bowl"
    mid: str  # machine id, e.g. "/m/0l14t7"
    average_precision: float  # of Cnn14 on AudioSet's evaluation set (PANNs, figure 3; their mean is 0.431)
    yamnet: int | None  # index among YAMNet's 521 outputs, or None


@cache
def audioset() -> tuple[AudioSetClass, ...]:
    """All 527 classes in AudioSet's (and Cnn14's) order."""
    text = files("darktimbre.teachers").joinpath("data/audioset.csv").read_text(encoding="utf-8")
    return tuple(
        AudioSetClass(
            row["name"], row["mid"], float(row["average_precision"]), int(row["yamnet"]) if row["yamnet"] else None
        )
        for row in csv.DictReader(text.splitlines())
    )


@cache
def cnn14_labels() -> tuple[str, ...]:
    """The 527 names in the order of Cnn14's outputs."""
    return tuple(c.name for c in audioset())


@cache
def yamnet_labels() -> tuple[str, ...]:
    """The 521 names in the order of YAMNet's outputs."""
    known = {c.yamnet: c.name for c in audioset() if c.yamnet is not None}
    return tuple(known[i] for i in range(len(known)))


@cache
def average_precision() -> dict[str, float]:
    """Cnn14's average precision by class name."""
    return {c.name: c.average_precision for c in audioset()}
