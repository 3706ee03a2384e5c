"""The teacher of the corpus's tags in a generator's loss: generated sounds are to be labelled as the notes are.

A network that is trained against a frozen one finds what that one alone mistakes for the wanted sound. So the teacher
is smoothed: notes and generated sounds alike are shifted, made louder or softer, tilted and mixed with noise before it,
at random. Whatever is trained this way must be measured by another network.
"""

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from darktimbre import teachers
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.notes.temperature import bounded_logits
from darktimbre.objectives.distillation import logit_error
from darktimbre.tagging.store import Tags
from darktimbre.teachers import differentiable, logmel
from darktimbre.teachers.differentiable import Responses
from darktimbre.teachers.yamnet import PatchTagger
from darktimbre.training.recipe import Section

LEAST_SPREAD = 0.1  # of a label's logits, by which their errors are divided
CENTRE = 1000.0  # Hz, where a tilt leaves the level alone


class Smoothing(Section):
    """How far sounds are changed at random before the teacher; zeros leave them alone."""

    shift_ms: NonNegativeFloat = 10.0  # earlier or later by up to this
    gain_db: NonNegativeFloat = 6.0  # louder or softer by up to this
    tilt_db: NonNegativeFloat = 2.0  # brighter or darker by up to this much an octave
    # level of white noise, dB below full scale; null: none
    noise_db: float | None = Field(default=-60.0, le=0)


class TeacherTerms(Section):
    """Weights of what the teacher finds in generated sounds."""

    logits: NonNegativeFloat = 2.0  # of Huber's error of the attributes' standardised logits, of every sample
    # of the energy score of its embedding, of the attributes' standardised logits, and of each layer of `layers`
    embedding: NonNegativeFloat = 0.0
    labels: NonNegativeFloat = 0.0
    layer: NonNegativeFloat = 0.0
    layers: tuple[int, ...] = (3, 5, 7, 11)
    smoothing: Smoothing = Smoothing()

    @property
    def energies(self) -> dict[str, float]:
        """Weights of those parts of the energy score that are its, by name."""
        layers = {f"teacher layer {number}": self.layer for number in self.layers}
        return {"teacher embedding": self.embedding, "teacher labels": self.labels, **layers}


class TeacherInLoss:
    """A frozen teacher, and how the logits of a corpus's notes are spread."""

    def __init__(self, terms: TeacherTerms, corpus: Corpus, attributes: Attributes, device: torch.device) -> None:
        """Loads the teacher of `attributes`.

        Raises:
            UserError: it has no front end that gradients pass, its weights are not on this machine or not those of the
                tags, or the corpus has another rate.
        """
        tagger = teachers.load(attributes.teacher, str(device))
        if not isinstance(tagger, PatchTagger):
            raise UserError(f"{attributes.teacher} cannot be in a loss: tag the corpus with yamnet or embedded.")
        if tagger.digest != attributes.teacher_digest:
            raise UserError(
                f"The tags of {corpus.path} are by other weights of {tagger.name} than those on this machine: tag it "
                "again (`darktimbre tag --force`), or add the weights that tagged it."
            )
        if corpus.sample_rate != logmel.RATE:
            raise UserError(f"{tagger.name} takes {logmel.RATE} Hz, {corpus.path} has {corpus.sample_rate} Hz.")
        self.terms, self.tagger, self.rate = terms, tagger, corpus.sample_rate
        tags = Tags.open(corpus.path, attributes.teacher)
        columns = tags.columns(attributes.names)
        logits = bounded_logits(tags.logits(corpus.rows("train"))[:, columns])
        self.columns = torch.from_numpy(np.asarray(columns)).to(device)
        self.spread = torch.from_numpy(logits.std(axis=0).clip(min=LEAST_SPREAD)).to(device)

    @property
    def layers(self) -> tuple[int, ...]:
        """Numbers of the layers whose maps are compared."""
        return self.terms.layers if self.terms.layer else ()

    def __call__(self, waves: Tensor) -> Responses:
        """What it finds in waves (batch, sample), smoothed already; the logits are those of the attributes."""
        found = differentiable.responses(self.tagger, waves, self.layers)
        return found._replace(logits=found.logits[:, self.columns])

    def features(self, found: Responses) -> dict[str, Tensor]:
        """Features for the energy score, (batch, place, dimension) by the names of `TeacherTerms.energies`."""
        layers = {f"teacher layer {number}": maps for number, maps in found.layers.items()}
        whole = {"teacher embedding": found.embedding, "teacher labels": found.logits / self.spread}
        return {**{name: one[:, None] for name, one in whole.items()}, **layers}

    def logit_error(self, made: Responses, real: Responses) -> Tensor:
        """See `objectives.distillation.logit_error`; those of the notes are bounded."""
        return logit_error(made_logits=made.logits, real_logits=bounded_logits(real.logits), spread=self.spread)


def smoothed(waves: Tensor, moves: Tensor, noise: Tensor, choices: Smoothing, rate: int) -> Tensor:
    """Waves (batch, sample) at `rate` Hz, shifted, amplified and tilted, with noise; differentiable.

    Args:
        moves: (batch, 3) in [0, 1): shift, gain, tilt; one half changes nothing.
        noise: (batch, sample), N(0, 1).
    """
    samples = waves.shape[1]
    late, gain_db, tilt_db = (2 * moves - 1).unbind(1)
    hertz = torch.fft.rfftfreq(2 * samples, 1 / rate, device=waves.device)
    octaves = torch.log2(hertz.clamp(min=20.0) / CENTRE)
    level_db = (choices.gain_db * gain_db)[:, None] + (choices.tilt_db * tilt_db)[:, None] * octaves
    turns = -2 * torch.pi * hertz * (choices.shift_ms / 1000 * late)[:, None]
    # Twice as long, so that what is shifted out at one end does not come in at the other.
    spectra = torch.fft.rfft(waves, n=2 * samples) * torch.polar(10 ** (level_db / 20), turns)
    changed = torch.fft.irfft(spectra, n=2 * samples)[:, :samples]
    return changed if choices.noise_db is None else changed + 10 ** (choices.noise_db / 20) * noise
