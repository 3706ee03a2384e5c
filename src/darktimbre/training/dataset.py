"""What a run trains on: rows of a corpus, their pitch classes and soft labels, their sound or pictures."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre.audio.loudness import at_peak
from darktimbre.audio.shape import fade_out, resample
from darktimbre.corpus.classes import OTHER, class_indices, class_of, leaf_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import BETWEEN, CLASSES, WITHOUT_TEACHER, Attributes
from darktimbre.notes.errors import UserError
from darktimbre.notes.temperature import soft_labels
from darktimbre.notes.text import quoted
from darktimbre.representation.codec import Codec, codec_from_config
from darktimbre.tagging.ranking import read_attributes
from darktimbre.tagging.store import Tags
from darktimbre.training.recipe import Augment, Data
from darktimbre.training.sampling import uniform

FADE = 0.01  # s over which a sound ends that no longer fits, as in a corpus
FIT_BATCH = 256  # notes a batch while the codec's scaling is fitted


@dataclass(frozen=True)
class NoteDataset:
    """The notes of a run."""

    corpus: Corpus  # where the sound lies
    rows: NDArray[np.int64]  # rows of the corpus that are trained on (note,), ascending
    attributes: Attributes  # what the generator is conditioned on
    # (note,) int64; empty without pitch; −1 where a classifier's note has none of the classes
    pitch_class: NDArray[np.int64] = field(repr=False)
    # (note, label) float32, σ(teacher logit / T), or the class tree's zeros and ones
    soft_labels: NDArray[np.float32] = field(repr=False)
    # level that the peak of every note is brought to, in dB below full scale; None: as it is
    peak_db: float | None = None

    def waves(self, index: NDArray[np.int64]) -> Tensor:
        """Sound of some notes, (batch, sample) float32 on the CPU; `index` counts within `rows`."""
        waves = self.corpus.waves(self.rows[index])
        if self.peak_db is not None:
            waves = at_peak(waves, self.peak_db)
        return torch.from_numpy(waves)

    def condition(self, index: NDArray[np.int64], label_mask: Tensor | None = None) -> Tensor:
        """[one-hot pitch | soft labels] of some notes, (batch, size) float32; `label_mask` (batch, label) multiplies
        the latter: 0 for what is dropped."""
        soft = self.soft_labels[index] if label_mask is None else self.soft_labels[index] * label_mask.numpy()
        pitched = len(self.pitch_class) > 0
        return torch.from_numpy(self.attributes.condition(self.pitch_class[index] if pitched else [], soft))

    @property
    def baseline(self) -> list[float]:
        """Median soft label of every attribute: what is played where nothing is set. Of classes and styles, 0."""
        if self.attributes.teacher in WITHOUT_TEACHER:
            return [0.0] * len(self.attributes.names)
        return [float(value) for value in np.median(self.soft_labels, axis=0)] if self.soft_labels.shape[1] else []

    def examples(self, count: int = 64) -> list[list[float]]:
        """Soft labels of some notes, evenly spread over the rows: from which a random sound is drawn."""
        rows = len(self.soft_labels) if self.soft_labels.shape[1] else 0
        index = np.linspace(0, rows - 1, min(count, rows)).astype(np.int64)
        return [[round(float(value), 4) for value in row] for row in self.soft_labels[index]]


def choose_attributes(data: Data, corpus: Corpus) -> Attributes:
    """Pitch classes and attribute names of a corpus that a recipe conditions on.

    Raises:
        UserError: the corpus has no tags of the teacher, no ranking, or fewer attributes than the recipe takes.
    """
    pitches = data.pitch_classes
    if not data.attributes:
        return Attributes(pitches=pitches)
    if data.teacher == CLASSES:
        return replace(tree_of(corpus, corpus.rows(data.split)), pitches=pitches)
    digest = Tags.open(corpus.path, data.teacher).digest
    if isinstance(data.attributes, tuple):
        names = data.attributes
    else:
        ranked = read_attributes(corpus.path, data.teacher)
        if len(ranked) < data.attributes:
            raise UserError(
                f"The recipe asks for {data.attributes} attributes, the corpus ranks {len(ranked)}: run "
                f"`darktimbre attributes {quoted(corpus.path)} --teacher {data.teacher} --top {data.attributes}` "
                f"or train with --set data.attributes={len(ranked)}."
            )
        names = tuple(ranked[: data.attributes])
    return Attributes(
        pitches=pitches, names=names, teacher=data.teacher, teacher_digest=digest, temperature=data.temperature
    )


def note_dataset(data: Data, corpus: Corpus, attributes: Attributes) -> NoteDataset:
    """The notes of a corpus that a recipe trains on.

    Raises:
        UserError: the notes have another length, none is left, or the stored tags do not know an attribute.
    """
    refuse_length(data, corpus, "a network")
    rows = corpus.rows(data.split)
    pitch_class = np.zeros(0, np.int64)
    if attributes.pitches:
        pitch_class = class_indices(corpus.column("pitch")[rows], attributes.pitches)
        rows, pitch_class = rows[pitch_class >= 0], pitch_class[pitch_class >= 0]
    if not len(rows):
        raise UserError(_nothing_left(data, corpus, attributes))
    soft = soft_labels_of(corpus, attributes, rows)
    return NoteDataset(corpus, rows, attributes, pitch_class, soft, data.peak_db)


def _nothing_left(data: Data, corpus: Corpus, attributes: Attributes) -> str:
    """Why no note of a corpus can be trained on, with the remedy that fits its notes."""
    none = f"No note of the {data.split} split of {corpus.path}"
    if not attributes.pitches:
        return f"{none} is there to train on."
    none += f" with a pitch from {min(attributes.pitches)} to {max(attributes.pitches)} is there to train on"
    pitches = corpus.column("pitch")[corpus.rows(data.split)]
    known = pitches[pitches >= 0]
    without = "add --set data.pitches=null --set network.pitch_comb=false --from-scratch"
    if len(known):
        low, high = known.min(), known.max()
        return (
            f"{none}; its pitches are MIDI {low} to {high}: add --set data.pitches=[{low},{high}]. To train without "
            f"pitch, {without}."
        )
    return f"{none}. For sounds without pitch {without}."


def refuse_length(data: Data, corpus: Corpus, changed: str) -> None:
    """Refuses, by a `UserError`, a corpus with notes of another length; `changed`: what would have to match, too."""
    seconds = corpus.samples / corpus.sample_rate
    if abs(seconds - data.seconds) > 1e-6:
        raise UserError(
            f"The recipe is for notes of {data.seconds:g} s, {corpus.path} holds notes of {seconds:g} s: make the "
            f"corpus with --seconds {data.seconds:g}, or use --set data.seconds={seconds:g} and {changed} to match."
        )


def soft_labels_of(corpus: Corpus, attributes: Attributes, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """σ(teacher logit / T) of some rows, or their place in the class tree, (note, label)."""
    if not attributes.names:
        return np.zeros((len(rows), 0), np.float32)
    if attributes.teacher == CLASSES:
        return class_labels(corpus, attributes.names, rows)
    tags = Tags.open(corpus.path, attributes.teacher)
    logits = tags.logits(rows)[:, tags.columns(attributes.names)]
    return soft_labels(torch.from_numpy(np.ascontiguousarray(logits, np.float32)), attributes.temperature).numpy()


def fit_codec(data: Data, dataset: NoteDataset) -> Codec:
    """The recipe's representation, scaled to the notes of the run."""
    corpus = dataset.corpus
    codec = codec_from_config({**data.codec, "sample_rate": corpus.sample_rate, "samples": corpus.samples})
    index = np.arange(len(dataset.rows))
    return codec.fit(dataset.waves(index[first : first + FIT_BATCH]) for first in range(0, len(index), FIT_BATCH))


# ----------------------------------------------------------------------------
# Small changes of a wave that leave its class alone: level, delay, a few cents; for corpora of few sounds


def augmented(waves: Tensor, moves: NDArray[np.float32], choices: Augment, rate: int) -> Tensor:
    """Waves (batch, sample) at `rate` Hz, changed by `moves` (batch, 3) in [0, 1): level, delay, speed."""
    changed = [_changed(wave, move, choices, rate) for wave, move in zip(waves.numpy(), moves, strict=True)]
    return torch.from_numpy(np.stack(changed))


def _changed(wave: NDArray[np.float32], move: NDArray[np.float32], choices: Augment, rate: int) -> NDArray[np.float32]:
    level, delay, speed = (float(number) for number in move)
    count = len(wave)
    if cents := (2 * speed - 1) * choices.cents:
        wave = resample(wave, round(rate * 2 ** (cents / 1200)), rate)
    late = round(delay * choices.shift_ms / 1000 * rate)
    moved = np.zeros(count, np.float32)
    kept = min(count - late, len(wave))
    moved[late : late + kept] = wave[:kept]
    if len(wave) > kept and kept:  # what was pushed out of the window would else end in a step
        fade = min(kept, round(FADE * rate))
        moved[late + kept - fade : late + kept] *= fade_out(fade)
    gain = 10 ** ((2 * level - 1) * choices.gain_db / 20)
    peak = float(np.abs(moved).max())
    return moved * np.float32(min(gain, 1 / peak) if peak else 1.0)


# ----------------------------------------------------------------------------
# A corpus's folders as controls: class and subclass of each one-shot, one-hot each, in place of a teacher's labels


def tree_of(corpus: Corpus, rows: NDArray[np.int64]) -> Attributes:
    """The classes of some rows, sorted, then their subclasses, sorted, as the controls of an instrument.

    Raises:
        UserError: no note lies in a folder.
    """
    classes, leaves = class_of(corpus, rows), leaf_of(corpus, rows)
    if set(classes) <= {OTHER}:
        raise UserError(
            f"{corpus.path} knows no classes: import a folder with one folder a class (`darktimbre import folder`), "
            "play drum kits (`darktimbre render --kits`), or train without classes (--set data.attributes=0)."
        )
    if parted := sorted({str(one) for one in classes if BETWEEN in one}):
        raise UserError(
            f"{corpus.path}: the class {parted[0]!r} has a {BETWEEN} in its name, which parts class from subclass: "
            "write `category` and `subcategory` apart."
        )
    twins = Counter(str(name).casefold() for name in {*classes, *leaves})
    if twin := next((name for name, often in twins.items() if often > 1), None):
        raise UserError(f"{corpus.path}: two classes differ in letter case alone ({twin!r}): give them one name.")
    names = (*sorted(set(classes)), *sorted({str(leaf) for leaf in leaves if BETWEEN in leaf}))
    return Attributes(names=tuple(str(name) for name in names), teacher=CLASSES, teacher_digest=digest(names))


def digest(names: tuple[str, ...]) -> str:
    """SHA-256 of the names: with other classes a label means something else."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def class_labels(corpus: Corpus, names: tuple[str, ...], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """[one-hot class | one-hot subclass under it] of some rows, (note, name). A note of a class that has no
    subclass, or of one not among `names`, has zeros there."""
    place = {name: column for column, name in enumerate(names)}
    labels = np.zeros((len(rows), len(names)), np.float32)
    for row, known in enumerate(zip(class_of(corpus, rows), leaf_of(corpus, rows), strict=True)):
        for name in known:
            if (column := place.get(str(name))) is not None:
                labels[row, column] = 1.0
    return labels


def depth(names: tuple[str, ...]) -> int:
    """How many of the names are classes; subclasses follow."""
    return sum(BETWEEN not in name for name in names)


def label_mask(
    names: tuple[str, ...], *, drop_class: float, drop_subclass: float, seed: int, notes_seen: int, batch: int
) -> Tensor:
    """Which labels of a step's notes the condition keeps, (batch, name) 0 or 1.

    Of a share of the notes the subclass is dropped, of another the class, independently: so that "any drum" can be
    played, and "kick" without its class, and anything at all.
    """
    mask = torch.ones(batch, len(names))
    dropped = uniform(seed, "unsaid", notes_seen, (batch, 2)) < torch.tensor([drop_class, drop_subclass])
    mask[dropped[:, 0], : depth(names)] = 0.0
    mask[dropped[:, 1], depth(names) :] = 0.0
    return mask


# ----------------------------------------------------------------------------
# Pictures


@dataclass(frozen=True)
class PictureDataset:
    """The pictures of a run."""

    corpus: Corpus  # where they lie
    rows: NDArray[np.int64]  # rows of the corpus that are trained on (picture,), ascending
    classes: tuple[str, ...]  # names of the classes, in order
    label: NDArray[np.int64] = field(repr=False)  # (picture,) int64, index into `classes`

    @cached_property
    def _stored(self) -> NDArray[np.int16]:
        return self.corpus.int16(self.rows)  # MNIST's 54,000 take 85 MB; reading a batch from all shards takes longer

    def pictures(self, index: NDArray[np.int64]) -> Tensor:
        """Some pictures, (batch, channel, height, width) float32 in [−1, 1]; `index` counts within `rows`."""
        return torch.from_numpy(self.corpus.as_pictures(self._stored[index]))

    def condition(self, index: NDArray[np.int64]) -> Tensor:
        """One-hot classes of some pictures, (batch, class) float32."""
        return torch.from_numpy(np.eye(len(self.classes), dtype=np.float32)[self.label[index]])


def picture_dataset(data: Data, corpus: Corpus) -> PictureDataset:
    """The pictures of a corpus that a recipe trains on.

    Raises:
        UserError: there are none in its split, or all are of one class.
    """
    rows = corpus.rows(data.split)
    if not len(rows):
        raise UserError(f"No picture of {corpus.path} is in the {data.split} split: there is nothing to train on.")
    classes = tuple(str(name) for name in np.unique(corpus.column("category")[rows]))
    if len(classes) < 2:
        raise UserError(
            f"All pictures of {corpus.path} are of one class, {classes[0]!r}: there is nothing to tell apart."
        )
    return PictureDataset(corpus, rows, classes, class_indices(corpus.column("category")[rows], classes))
