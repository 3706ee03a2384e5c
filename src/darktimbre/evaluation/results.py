"""What an evaluation finds, as plain values: computed by `study`, written and drawn by `report`; JSON and back."""

import math
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, TypeAdapter

from darktimbre.report.estimates import MISSING, Estimate

Kind = Literal["real", "untrained", "baseline", "gansynth", "darkgan"]
"""What a row of the tables is; `darkgan` is any instrument steered by attributes, `baseline` one without."""

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A figure that may be NaN, which JSON holds as null."""


@dataclass(frozen=True)
class Scores:
    """Fidelity and pitch of one set of sounds (DarkGAN §4.4.1, table 1).

    Attributes:
        notes: how many sounds.
        pitch_inception, family_inception: PIS and IIS; higher is better, at most the number of classes.
        kid: kernel inception distance to the reference over all notes, plain (not times 10⁴).
        kid_subsets: its mean and deviation over random subsets, as usual in the literature.
        fad, fad_infinity: Fréchet distance to the reference, and extrapolated to infinitely many notes.
        precision, recall, density, coverage: fidelity (first, third) and diversity (second, fourth).
        pitch_by_classifier, pitch_by_f0: share of notes at the target pitch.
    """

    notes: int
    pitch_inception: Estimate = MISSING
    family_inception: Estimate = MISSING
    kid: Estimate = MISSING
    kid_subsets: Estimate = MISSING
    fad: Estimate = MISSING
    fad_infinity: Estimate = MISSING
    precision: Estimate = MISSING
    recall: Estimate = MISSING
    density: Estimate = MISSING
    coverage: Estimate = MISSING
    pitch_by_classifier: Estimate = MISSING
    pitch_by_f0: Estimate = MISSING


@dataclass(frozen=True)
class AttributeScore:
    """Control of one attribute: correlation of target and prediction, of soft labels and of logits."""

    name: str
    correlation: Estimate
    logit_correlation: Estimate = MISSING


@dataclass(frozen=True)
class Control:
    """Attribute correlation (DarkGAN §4.4.2, test 1; table 2).

    Attributes:
        notes, instruments: how many sounds, and real instruments that their conditions come from.
        mean, logit_mean: over the attributes where it is defined.
        constant: attributes where it is not, because one side does not vary.
        attributes: each, in the order of the vocabulary.
    """

    notes: int
    instruments: int
    mean: Estimate
    logit_mean: Estimate
    constant: int
    attributes: tuple[AttributeScore, ...]


@dataclass(frozen=True)
class Curve:
    """A figure against an increment of the condition (DarkGAN figures 2 and 3); all lists are of one length.

    Attributes:
        increment: δ.
        mean, low, high: the figure and its 95 % interval.
        attributes, notes: over how many attributes, and notes for each.
    """

    increment: tuple[float, ...]
    mean: tuple[Number, ...]
    low: tuple[Number, ...]
    high: tuple[Number, ...]
    attributes: int
    notes: int


@dataclass(frozen=True)
class Variation:
    """What moves the sound, in the embedding: shares of the variance at equal pitch, which add up to 1.

    Attributes:
        latent: explained by z alone, whatever the attributes (consistency of z).
        attributes: explained by the attributes alone, whatever z.
        both: by their combination.
        diversity: mean distance between two sounds of one condition that differ in z.
        real_diversity: mean distance between two real notes of one pitch.
        latents, conditions, pitches: how many of each were crossed.
    """

    latent: Number
    attributes: Number
    both: Number
    diversity: Number
    real_diversity: Number
    latents: int
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
        """Seconds of computing a second of sound."""
        return self.total / self.sound


@dataclass(frozen=True)
class Sound:
    """A sound to listen to: a file below the report's folder, and what it is conditioned on."""

    file: str
    title: str
    group: str


@dataclass(frozen=True)
class System:
    """One row: real notes, or an instrument.

    Attributes:
        name: heading of the row.
        kind: what it is.
        digest: of the bundle's weights; empty for real notes.
        temperature: T of the soft labels it was trained on; None without.
        facts: notes_seen, parameters, recipe, corpus it was trained on, ….
        scores: by where the conditions came from, `train` and `held-out`.
        control: the same.
        out_of_distribution, increments: figures 2 and 3.
        variation, timing, sounds: as their names say.
    """

    name: str
    kind: Kind
    digest: str = ""
    temperature: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    control: dict[str, Control] = field(default_factory=dict)
    out_of_distribution: Curve | None = None
    increments: Curve | None = None
    variation: Variation | None = None
    timing: Timing | None = None
    sounds: tuple[Sound, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """The whole.

    Attributes:
        systems: rows, real ones first.
        facts: corpus, teacher, classifier and embeddings with digests, splits, versions of libraries, seed.
        counts: how many notes there were: `scored` in every row of table 1, `reference`, `other_real_notes`,
            `held_out_notes`, `held_out_instruments`.
        asked: counts of the profile.
        reduced: sentences on what is less than in the paper.
        left_out: sentences on what could not be measured, and why.
        cautions: sentences on what a reader must keep in mind of these figures.
    """

    systems: tuple[System, ...]
    facts: dict[str, Any]
    counts: dict[str, int]
    asked: dict[str, int] = field(default_factory=dict)
    reduced: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

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
