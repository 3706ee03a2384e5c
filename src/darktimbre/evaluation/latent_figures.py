"""What is found of an autoencoder's latents, as plain values: computed by `latents`, shown by reports; JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from darktimbre.evaluation.results import MISSING, Estimate, plain

ALL_NOTES = "all notes"
"""Latents that are probed by folds: of notes that the encoder was trained on, and others."""
REAL = "real, held out"
PRIOR_COMMON, PRIOR_OWN, PRIOR_ANY = "prior, common octaves", "prior, own range", "prior, full range"
"""Sets of classified sounds: pitches that a style has in octaves that all have; that it has; that any has."""


@dataclass(frozen=True)
class Leakage:
    """How much of a class a latent holds: accuracy of fresh probes, 0 at chance, 1 where they are always right."""

    of: str  # "style", "octave" or "semitone"
    among: str  # which notes
    mlp: Estimate
    neighbours: Estimate
    classes: int
    notes: int
    left_out: int  # of classes with a single recording

    @property
    def estimate(self) -> Estimate:
        """What the better of both probes finds."""
        return max(self.mlp, self.neighbours, key=float)

    @property
    def most(self) -> float:
        """The same as a number."""
        return float(self.estimate)


@dataclass(frozen=True)
class PriorFit:
    """How latents follow N(0, 1)."""

    notes: int
    mean: tuple[float, ...]  # of each dimension
    deviation: tuple[float, ...]
    distance: tuple[float, ...]  # Wasserstein-1 of each dimension to N(0, 1)
    expected: float  # the same of as many normal draws
    sliced: float  # sliced Wasserstein-2 distance of all dimensions
    sliced_expected: float
    rank: float  # effective rank of the covariance; 0 where the latent is collapsed to a point


@dataclass(frozen=True)
class Reconstruction:
    """Held-out notes, encoded and decoded under their own condition."""

    notes: int
    distance: Estimate  # log-spectral distance, dB
    partials: Estimate  # share of the partials' height that is kept
    tremolo: Estimate  # share of the 4–12 Hz modulation of partials' levels that is kept, of notes that have it
    vibrato: Estimate  # the same of their frequencies
    with_tremolo: int = 0  # notes that have it
    with_vibrato: int = 0
    tremolo_ratio: Estimate = MISSING  # depth of the 4–12 Hz modulation of partials' levels, output over input
    level_modulation: Estimate = MISSING  # the same of the level of whole frames, all bands together: ideally 1


@dataclass(frozen=True)
class Accuracy:
    """How often evaluators predict the target, in one set of sounds; means over evaluators."""

    among: str
    notes: int
    style: Estimate = MISSING
    semitone: Estimate = MISSING
    octave: Estimate = MISSING
    pitch: Estimate = MISSING  # both
    tuned: Estimate = MISSING  # fundamental (YIN) within a quarter tone
    evaluators: dict[str, dict[str, float | None]] = field(default_factory=dict)  # name → the same of each


@dataclass(frozen=True)
class Swap:
    """Held-out notes decoded in another style: same latent, same pitch."""

    notes: int
    style: Estimate  # predicted to be of the new style
    stayed: Estimate  # of the old one
    pitch: Estimate  # predicted to have the same pitch
    tuned: Estimate  # fundamental within a quarter tone
    nearer: Estimate  # nearer to real notes of the new style at its pitch than to the source, in evaluators' embeddings
    nearer_spectrum: Estimate  # the same by log-spectral distance


@dataclass(frozen=True)
class Mixing:
    """Two styles mixed: log-odds of the one against the other, by its weight."""

    pairs: int
    spearman: Estimate  # rank correlation of weight and log-odds
    monotone: Estimate  # share of pairs where no step goes back


@dataclass(frozen=True)
class InversionFigures:
    """One way from magnitudes to sound, on held-out notes and on what the decoder makes of them."""

    name: str
    milliseconds: float  # a note, on one core
    convergence: Estimate = MISSING  # of real notes: ‖X − Y‖ / ‖X‖ of linear magnitudes, dB; lower is better
    distance: Estimate = MISSING  # log-spectral distance of real notes, dB
    generated_distance: Estimate = MISSING  # of generated spectrograms: the decoder's against that of its sound, dB
    tuned: Estimate = MISSING  # generated: fundamental within a quarter tone
    fad: float | None = None  # generated: Fréchet distance to real notes


@dataclass(frozen=True)
class LatentFigures:
    """All figures of one autoencoder; what does not apply to it is empty."""

    name: str
    digest: str
    latent: int
    leakage: tuple[Leakage, ...] = ()
    prior: PriorFit | None = None
    reconstruction: Reconstruction | None = None
    accuracy: tuple[Accuracy, ...] = ()  # of real notes first, then of samples of the prior
    swap: Swap | None = None
    mixing: Mixing | None = None
    level_modulation: Estimate = (
        MISSING  # as that of reconstructions, of samples of the prior over real notes of their styles
    )
    fad: dict[str, float | None] = field(default_factory=dict)  # set of sounds → Fréchet distance to real train notes
    inversions: tuple[InversionFigures, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def of(self, what: str, among: str = "") -> Leakage | None:
        """The leakage of something; of the first set of notes, or of the one given."""
        return next((one for one in self.leakage if one.of == what and among in ("", one.among)), None)

    def accuracy_of(self, among: str) -> Accuracy:
        """The accuracy in one set of sounds; without figures where there is none."""
        return next((one for one in self.accuracy if one.among == among), Accuracy(among, 0))

    def relative(self, among: str, what: str) -> Estimate:
        """An accuracy as a share of A*, that of real held-out notes."""
        mine, real = getattr(self.accuracy_of(among), what), float(getattr(self.accuracy_of(REAL), what))
        return mine.times(1 / real) if mine.known and real > 0 else MISSING

    def estimates(self) -> dict[str, Estimate]:
        """The figures that models are compared by, under short names; those that there are.

        `common_…`, `own_…`, `full_…` and `swap_style` are shares of A*.
        """
        found: dict[str, Estimate] = {}
        for what in ("style", "octave", "semitone"):
            if leak := self.of(what):
                found[f"leakage_{what}"] = leak.estimate
        apart = next((one for one in self.leakage if one.of == "style" and one.among != ALL_NOTES), None)
        if apart:
            found["leakage_style_held_out"] = apart.estimate
        if prior := self.prior:
            found |= {"rank": Estimate(prior.rank), "prior": Estimate(prior.sliced)}
        if part := self.reconstruction:
            keys = ("distance", "partials", "tremolo", "vibrato", "tremolo_ratio", "level_modulation")
            found |= {key: getattr(part, key) for key in keys}
        for what in ("style", "semitone", "octave"):
            found[f"real_{what}"] = getattr(self.accuracy_of(REAL), what)
            for key, among in (("common", PRIOR_COMMON), ("own", PRIOR_OWN), ("full", PRIOR_ANY)):
                found[f"{key}_{what}"] = self.relative(among, what)
        found["level_modulation_prior"] = self.level_modulation
        if swap := self.swap:
            real = float(self.accuracy_of(REAL).style)
            found["swap_style"] = swap.style.times(1 / real) if real > 0 else MISSING
            found |= {
                f"swap_{key}": getattr(swap, key) for key in ("stayed", "pitch", "tuned", "nearer", "nearer_spectrum")
            }
        if mixed := self.mixing:
            found |= {"spearman": mixed.spearman, "monotone": mixed.monotone}
        found |= {f"fad_{key}": Estimate(value) for key, value in self.fad.items()}
        return {key: one for key, one in found.items() if one.known}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "LatentFigures":
        """Inverse of `to_json`.

        Raises:
            pydantic.ValidationError: they are no such figures.
        """
        return TypeAdapter(cls).validate_python({key: one for key, one in data.items() if key != "headline"})

    def to_json(self) -> dict[str, Any]:
        """In JSON's types, with the values of `estimates` as `headline`; what is not finite becomes null."""
        found: dict[str, Any] = plain(asdict(self))
        return {**found, "headline": {key: float(one) for key, one in self.estimates().items()}}
