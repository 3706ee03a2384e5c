"""What an evaluation finds, as plain values: computed by `study`, written and drawn by `report`; JSON and back."""

import math
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, TypeAdapter

from darktimbre.report.estimates import MISSING, Estimate

Kind = Literal["real", "untrained", "baseline", "gansynth", "darkgan"]
"""What a row of the tables is; `darkgan` is any instrument steered by attributes, `baseline` one without."""

TRAIN, HELD_OUT = "train", "held-out"
"""Where conditions come from, as the report names it."""

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A figure that may be NaN, which JSON holds as null."""


@dataclass(frozen=True)
class Scores:
    """Fidelity and pitch of one set of sounds (DarkGAN §4.4.1, table 1)."""

    notes: int
    pitch_inception: Estimate = MISSING  # PIS: higher is better, at most the number of pitches
    family_inception: Estimate = MISSING  # IIS: the same of families
    kid: Estimate = MISSING  # kernel inception distance to the reference over all notes, not times 10⁴
    kid_subsets: Estimate = MISSING  # its mean and deviation over random subsets, as usual in the literature
    fad: Estimate = MISSING  # Fréchet distance to the reference
    fad_infinity: Estimate = MISSING  # the same, extrapolated to infinitely many notes
    precision: Estimate = MISSING  # fidelity
    recall: Estimate = MISSING  # diversity
    density: Estimate = MISSING  # fidelity
    coverage: Estimate = MISSING  # diversity
    pitch_by_classifier: Estimate = MISSING  # share of notes at the target pitch
    pitch_by_f0: Estimate = MISSING


@dataclass(frozen=True)
class Independent:
    """Figures of one set of sounds by what no training used (`evaluation/independent.py`)."""

    probe: Estimate = MISSING  # mean correlation of target logits with those that a probe reads off MusiCNN's features
    probe_by_classifier: Estimate = MISSING  # the same of the classifier's embedding
    kid: Estimate = MISSING  # kernel distance to the reference in MusiCNN's features
    coverage: Estimate = MISSING  # the same features
    pitch_by_swift: Estimate = MISSING  # share of notes at the target pitch by SwiftF0
    level: Estimate = MISSING  # mean level less that of the real notes, dB
    unevenness: Estimate = MISSING  # of the partials, real notes' = 1
    modulation: Estimate = MISSING  # of the partials at 4 to 12 Hz, real notes' = 1
    at_condition: Estimate = MISSING  # mean distance of two sounds of one condition by two real notes' of one pitch


@dataclass(frozen=True)
class AttributeScore:
    """Control of one attribute: correlation of target and prediction, of soft labels and of logits."""

    name: str
    correlation: Estimate
    logit_correlation: Estimate = MISSING


@dataclass(frozen=True)
class Control:
    """Attribute correlation (DarkGAN §4.4.2, test 1; table 2)."""

    notes: int
    instruments: int  # real ones, that the conditions come from
    mean: Estimate  # of the soft labels' correlation, over the attributes where it is defined
    logit_mean: Estimate
    constant: int  # attributes where it is not defined, because one side does not vary
    attributes: tuple[AttributeScore, ...]  # in the order of the vocabulary


@dataclass(frozen=True)
class Curve:
    """A figure against an increment of the condition (DarkGAN figures 2 and 3); all lists are of one length."""

    increment: tuple[float, ...]  # δ
    mean: tuple[Number, ...]
    low: tuple[Number, ...]  # the 95 % interval
    high: tuple[Number, ...]
    attributes: int  # that the mean is over
    notes: int  # for each of them


@dataclass(frozen=True)
class Variation:
    """What moves the sound, in the embedding: shares of the variance at equal pitch, which add up to 1."""

    latent: Number  # explained by z alone, whatever the attributes (consistency of z)
    attributes: Number  # explained by the attributes alone, whatever z
    both: Number  # explained by their combination
    diversity: Number  # mean distance between two sounds of one condition that differ in z
    real_diversity: Number  # mean distance between two real notes of one pitch
    latents: int  # how many were crossed
    conditions: int
    pitches: int


@dataclass(frozen=True)
class Timing:
    """Seconds of computing for one note, note by note, medians; the real time factor is `total` / `sound`."""

    total: float
    network: float
    inversion: float
    sound: float
    threads: int
    device: str

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing for a second of sound."""
        return self.total / self.sound


@dataclass(frozen=True)
class Sound:
    """A sound to listen to: a file below the report's folder, and what it is conditioned on."""

    file: str
    title: str
    group: str


@dataclass(frozen=True)
class System:
    """One row: real notes, or an instrument."""

    name: str
    kind: Kind
    digest: str = ""  # of the bundle's weights; empty for real notes
    temperature: float | None = None  # T of the soft labels it was trained on; None without
    facts: dict[str, Any] = field(default_factory=dict)  # notes_seen, parameters, recipe, corpus it was trained on, …
    scores: dict[str, Scores] = field(default_factory=dict)  # by the conditions' split: `train`, `held-out`
    control: dict[str, Control] = field(default_factory=dict)  # the same
    independent: dict[str, Independent] = field(default_factory=dict)  # the same
    out_of_distribution: Curve | None = None  # figure 2
    increments: Curve | None = None  # figure 3
    variation: Variation | None = None
    timing: Timing | None = None
    sounds: tuple[Sound, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Everything that a report shows."""

    systems: tuple[System, ...]  # rows, real ones first
    facts: dict[str, Any]  # corpus, teacher, classifier and embeddings with digests, splits, versions, seed
    counts: dict[str, int]  # notes that there were: `scored` in every row of table 1, `reference`, …
    asked: dict[str, int] = field(default_factory=dict)  # counts of the profile
    reduced: tuple[str, ...] = ()  # sentences on what is less than in the paper
    left_out: tuple[str, ...] = ()  # on what could not be measured, and why
    cautions: tuple[str, ...] = ()  # on what a reader must keep in mind of these figures

    def to_json(self) -> dict[str, Any]:
        """Plain types; what is not finite becomes null."""
        found: dict[str, Any] = plain(asdict(self))
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Evaluation":
        """Inverse of `to_json`.

        Raises:
            pydantic.ValidationError: it is no evaluation.
        """
        return TypeAdapter(cls).validate_python(data)


def plain(value: Any) -> Any:
    """The value in JSON's types; what is not finite becomes null."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value
