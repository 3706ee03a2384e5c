"""The notes of an autoencoder: pitch and styles where they are known, and the classes by which latents are matched."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.styles import check_styles, styles_of
from darktimbre.notes.attributes import STYLES, Attributes
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import SEMITONES, octave_of
from darktimbre.training.dataset import NoteDataset, refuse_length
from darktimbre.training.recipe import Data
from darktimbre.training.tasks.autoencoder_recipe import AutoencoderRecipe, ClassKind


@dataclass(frozen=True, kw_only=True)
class StyledDataset(NoteDataset):
    """The notes of a run, of which some may have no pitch and some no style."""

    combinations: tuple[str, ...]  # distinct sets of style tags
    combination: NDArray[np.int64] = field(repr=False)  # (note,) index into them; −1: none
    pitch: NDArray[np.int64] = field(repr=False)  # (note,) MIDI number; −1: none
    level_db: NDArray[np.float64] = field(repr=False)  # (note,) peak as recorded, dB relative to full scale
    warnings: tuple[str, ...] = ()  # what the user should know of the styles

    @property
    def remarks(self) -> list[str]:
        """What the user should know of the notes."""
        without = int((self.pitch < 0).sum())
        unpitched = f"{without:,} of {len(self.rows):,} notes have no pitch; they are trained on as unpitched."
        return [*self.warnings, *([unpitched] if without else [])]

    def condition(self, index: NDArray[np.int64], label_mask: Tensor | None = None) -> Tensor:
        """[one-hot pitch | styles] of some notes, (batch, size) float32; a note without pitch has zeros there."""
        places = np.arange(len(self.attributes.pitches))
        one_hot = (self.pitch_class[index, None] == places).astype(np.float32)
        soft = self.soft_labels[index] if label_mask is None else self.soft_labels[index] * label_mask.numpy()
        return torch.from_numpy(np.concatenate([one_hot, soft], axis=1))

    def classes(self, kind: ClassKind) -> Tensor:
        """(note,) int64: which class each note is of; −1: none."""
        match kind:
            case "style":
                return torch.from_numpy(self.combination)
            case "octave":
                known = octave_of(self.pitch) + 1  # −1 is an octave, too
            case "semitone":
                known = self.pitch % SEMITONES
        return torch.from_numpy(np.where(self.pitch >= 0, known, -1))

    def name(self, place: int) -> str:
        """ "tremolo violins, velocity 68"; of a note without style, its id."""
        note = self.corpus.note(int(self.rows[place]))
        velocity = "" if note.velocity is None else f", velocity {note.velocity}"
        return f"{' '.join(note.styles)}{velocity}" if note.styles else note.id


def styled_notes(recipe: AutoencoderRecipe, corpus: Corpus, attributes: Attributes | None = None) -> StyledDataset:
    """The notes of a corpus that a recipe trains on, and the attributes it makes of them.

    Args:
        attributes: those of the bundle that training goes on from, in their place.

    Raises:
        UserError: the notes have another length, none is left, they have no styles, or all the same, though the model
            is to follow them, or they have other styles than those of the bundle.
    """
    data, wanted = recipe.data, recipe.autoencoder.condition
    refuse_length(data, corpus, "a number of data.codec.frames")
    rows, pitch = _rows_and_pitches(data, corpus, attributes)
    warnings = check_styles(corpus, rows, data.styles) if needs_styles(recipe) else ()
    styles = styles_of(corpus, rows, data.styles)
    names = styles.names if wanted.style else ()
    if attributes is None:
        known = pitch[pitch >= 0]
        pitches = tuple(range(known.min(), known.max() + 1)) if data.pitches and wanted.note and len(known) else ()
        attributes = Attributes(pitches=pitches, names=names, teacher=STYLES, teacher_digest=_digest(names))
    elif attributes.names != names:
        raise UserError(
            f"The bundle that training starts from follows the styles {', '.join(attributes.names) or 'none'}, "
            f"{corpus.path} has {', '.join(names) or 'none'}: train from scratch, or on the corpus it was trained on."
        )
    pitches = attributes.pitches
    return StyledDataset(
        corpus=corpus,
        rows=rows,
        attributes=attributes,
        pitch_class=np.where(pitch >= 0, pitch - pitches[0], -1) if pitches else np.full(len(rows), -1),
        soft_labels=styles.values if names else np.zeros((len(rows), 0), np.float32),
        peak_db=data.peak_db,
        combinations=styles.combinations,
        combination=styles.combination,
        pitch=pitch,
        level_db=np.asarray(corpus.column("peak_db")[rows], np.float64),
        warnings=warnings,
    )


def _rows_and_pitches(
    data: Data, corpus: Corpus, attributes: Attributes | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the corpus (note,) and their MIDI numbers, −1 without: what a recipe, or its bundle, has room for."""
    rows = corpus.rows(data.split)
    pitch = corpus.column("pitch")[rows]
    span = (min(attributes.pitches), max(attributes.pitches)) if attributes and attributes.pitches else data.pitches
    if span:
        kept = (pitch < 0) | ((pitch >= span[0]) & (pitch <= span[1]))
        rows, pitch = rows[kept], pitch[kept]
    if not len(rows):
        raise UserError(f"No note of the {data.split} split of {corpus.path} is there to train on.")
    return rows, pitch


def needs_styles(recipe: AutoencoderRecipe) -> bool:
    """Whether a model of the recipe is worth nothing without styles."""
    settings = recipe.autoencoder
    by_class = settings.prior.kind == "class-sliced" and "style" in settings.prior.classes
    return settings.condition.style or settings.fader is not None or by_class


def _digest(names: tuple[str, ...]) -> str:
    """SHA-256 of the tags: with other ones a value means something else."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest() if names else ""
