"""The note classifier: waves → pitch, instrument family and soft labels; evaluation measures sounds by it."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor

from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.classes import OTHER, class_indices, family_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.splits import SPLITS
from darktimbre.measures.accuracy import by_family, confusion_matrix, family_accuracy, pitch_accuracy
from darktimbre.measures.correlation import mean_pearson
from darktimbre.models.inception import Inception, InceptionConfig, NotePredictions
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.objectives.auxiliary import pitch_cross_entropy
from darktimbre.objectives.distillation import distillation_loss
from darktimbre.tagging.ranking import read_attributes
from darktimbre.training.dataset import NoteDataset, choose_attributes, soft_labels_of
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import Data, Recipe, Section
from darktimbre.training.sampling import RowSampler
from darktimbre.training.tasks.base import Plan
from darktimbre.training.tasks.supervised import SupervisedTask, shifted

BLOCK = 128  # notes classified at once


class NoteClassifierSettings(Section):
    """The section `inception`.

    The network's input is levels below the note's own maximum, so that a random gain would change nothing; instead a
    note is moved a little in time, and along the frequency axis, its pitch class with it.
    """

    stem: PositiveInt = 16  # maps of the first convolution
    widths: tuple[PositiveInt, ...] = (64, 96, 160, 192)  # maps of each inception block
    windows: tuple[PositiveInt, ...] = (4096, 1024)  # samples of the Hann window of each channel
    embedding: PositiveInt = 384  # numbers before the heads
    pitch: NonNegativeFloat = 1.0  # weight of the pitch cross-entropy
    family: NonNegativeFloat = 1.0  # weight of the cross-entropy of instrument families
    # weight of the distillation cross-entropy, where the corpus has tags (a mean over attributes most of which are
    # nearly 0: a small number)
    attributes: NonNegativeFloat = 20.0
    shift_ms: NonNegativeFloat = 20.0  # a note starts up to this much later or earlier
    # a note is moved by up to this many; beyond the pitch classes it counts for its family alone
    semitones: NonNegativeInt = 3
    tilt_db: NonNegativeFloat = 12.0  # a random slope over the frequency axis, up to this much from end to end
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3  # share of the embedding that is left out
    weight_decay: NonNegativeFloat = 5e-2  # decoupled decay of AdamW

    @model_validator(mode="after")
    def _buildable(self) -> "NoteClassifierSettings":
        self.config()  # says what is wrong with the widths
        return self

    def config(self, **sizes: Any) -> InceptionConfig:
        """The network for this sample rate and these numbers of classes."""
        sizes |= {"stem": self.stem, "widths": self.widths, "windows": self.windows, "embedding": self.embedding}
        return InceptionConfig(**sizes)


class NoteClassifierRecipe(Recipe):
    """A recipe of task `inception`; of `data` it reads split, pitches, attributes, teacher, temperature, families and
    balance."""

    task: Literal["inception"]
    inception: NoteClassifierSettings = NoteClassifierSettings()

    aliases: ClassVar[tuple[str, ...]] = ("note-classifier",)


# ----------------------------------------------------------------------------
# What is classified, read from a corpus


@dataclass(frozen=True)
class LabelledNotes(NoteDataset):
    """Notes and their classes, −1 where a note has none."""

    families: tuple[str, ...] = field(kw_only=True)  # names of the instrument families
    family: NDArray[np.int64] = field(kw_only=True, repr=False)  # (note,) int64, index into `families`

    @classmethod
    def of(cls, data: Data, corpus: Corpus, attributes: Attributes, rows: NDArray[np.int64]) -> "LabelledNotes":
        """Some rows of a corpus."""
        families = families_of(data, corpus)
        return cls(
            corpus,
            rows,
            attributes,
            class_indices(corpus.column("pitch")[rows], attributes.pitches),
            soft_labels_of(corpus, attributes, rows),
            families=families,
            family=class_indices(family_of(corpus, rows, data.families), families),
        )


def families_of(data: Data, corpus: Corpus) -> tuple[str, ...]:
    """Names of the families of the split that is trained on, sorted; empty where there are fewer than two."""
    names = sorted({str(name) for name in family_of(corpus, corpus.rows(data.split), data.families)})
    return tuple(names) if len(names) > 1 else ()


def choose_classes(data: Data, corpus: Corpus) -> tuple[Attributes, list[str]]:
    """Pitch classes (in `Attributes.pitches`) and attributes that a corpus has labels for; and what of them is worth
    telling the user.

    Raises:
        UserError: there is nothing to tell apart, or the tags do not have an attribute that the recipe names.
    """
    rows = corpus.rows(data.split)
    if not len(rows):
        raise UserError(f"No note of {corpus.path} is in the {data.split} split: there is nothing to train on.")
    pitch, families = corpus.column("pitch")[rows], families_of(data, corpus)
    low, high = data.pitches or (0, 127)
    inside = (pitch >= low) & (pitch <= high)
    pitches = tuple(int(midi) for midi in np.unique(pitch[inside]))
    if len(pitches) < 2 and not families:
        raise UserError(
            f"The {data.split} split of {corpus.path} has fewer than two pitches and fewer than two instrument "
            "families: there is nothing to tell apart. Import it with pitches (--estimate-pitch) or families; "
            "one-shots have classes instead (--set data.families=subcategory)."
        )
    messages = []
    if len(pitches) < 2:
        pitches = ()
        messages.append("There are no two pitches to tell apart: the classifier is trained on families alone.")
    elif without := int((~inside).sum()):
        what = "count for their family alone" if families else "are left out"
        some = f"{without:,} of {len(rows):,} notes"
        messages.append(f"{some} have none of the {len(pitches)} pitch classes: they {what}.")
    if not families:
        messages.append("There are no two instrument families to tell apart: the classifier is trained on pitch alone.")
    elif unknown := int((family_of(corpus, rows, data.families) == OTHER).sum()):
        messages.append(f"{unknown:,} of {len(rows):,} notes have no known family: they are the family {OTHER!r}.")
    attributes, more = _soft_labels(data, corpus)
    return replace(attributes, pitches=pitches), messages + more


def _soft_labels(data: Data, corpus: Corpus) -> tuple[Attributes, list[str]]:
    """As many of the corpus's ranked attributes as the recipe names, or as there are."""
    data, messages = data.model_copy(update={"pitches": None}), []
    if isinstance(data.attributes, int) and (wanted := data.attributes):
        try:
            ranked = len(read_attributes(corpus.path, data.teacher))
        except UserError as error:
            return Attributes(), [f"The classifier is trained without soft labels: {error}"]
        if ranked < wanted:
            messages = [f"The corpus ranks {ranked} attributes, fewer than the recipe's {wanted}: all are used."]
        data = data.model_copy(update={"attributes": min(ranked, wanted)})
    return choose_attributes(data, corpus), messages


# ----------------------------------------------------------------------------
# The task


class NoteClassifierTask(SupervisedTask):
    """A classifier of notes: cross-entropies of pitch and family, distillation of soft labels."""

    Recipe = NoteClassifierRecipe
    heads = ("pitches", "families", "attributes")
    key, noun, draws, model = "inception", "classifier", ("augment", 3), NoteClassifier
    weighted = ("pitch", "family", "attributes")
    dataset: LabelledNotes
    network: Inception

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        if min(stage.batch for stage in plan.recipe.schedule) < 2 * context.world:
            raise UserError("A classifier's batch norms need two notes a process: raise schedule.0.batch.")
        super().__init__(plan, corpus, context)
        data, rows = self.recipe.data, self.dataset.rows
        if data.balance:
            self.sampler = RowSampler(len(rows), self.recipe.seed, family_of(corpus, rows, data.families), data.balance)
        self.pitches = torch.tensor(plan.attributes.pitches, dtype=torch.int64, device=context.device)

    @classmethod
    def make_plan(cls, recipe: NoteClassifierRecipe, corpus: Corpus) -> Plan:
        attributes, messages = choose_classes(recipe.data, corpus)
        return Plan.of(recipe, corpus, attributes, messages=messages)

    @classmethod
    def build_dataset(cls, plan: Plan, corpus: Corpus) -> LabelledNotes:
        """The notes of the split; where there are no families, those with a pitch class."""
        data = plan.recipe.data
        notes = LabelledNotes.of(data, corpus, plan.attributes, corpus.rows(data.split))
        if notes.families:
            return notes
        return LabelledNotes.of(data, corpus, plan.attributes, notes.rows[notes.pitch_class >= 0])

    @classmethod
    def build_network(cls, settings: NoteClassifierSettings, dataset: LabelledNotes | None) -> Inception:
        if dataset is None:
            return Inception(settings.config())
        labels = (dataset.attributes.pitches, dataset.families, dataset.attributes.names)
        counts = dict(zip(cls.heads, map(len, labels), strict=True))
        return Inception(settings.config(sample_rate=dataset.corpus.sample_rate, **counts))

    def losses(self, index: NDArray[np.int64], draws: Tensor) -> dict[str, Tensor]:
        settings, notes, device, config = self.settings, self.dataset, self.context.device, self.network.config
        time, pitch, tilt = draws.to(device).unbind(1)
        reach = round(settings.shift_ms / 1000 * config.sample_rate)
        with torch.no_grad():
            waves = shifted(notes.waves(index).to(device), ((2 * time - 1) * reach).round().long(), 1)
            spectrogram = self.network.front(waves)
            semitones = ((2 * settings.semitones + 1) * pitch).floor().long() - settings.semitones
            spectrogram = shifted(spectrogram, semitones * config.semitone, 2)
            spectrogram = tilted(spectrogram, (2 * tilt - 1) * settings.tilt_db / config.floor)
        with self.context.autocast():
            predicted = self.network.answer(self.network.embed(spectrogram), drop=settings.dropout)
        losses: dict[str, Tensor] = {}
        if config.pitches:
            classes = transposed_class(torch.from_numpy(notes.pitch_class[index]).to(device), semitones, self.pitches)
            losses["pitch"] = pitch_cross_entropy(pitch_logits=predicted.pitch.float(), pitch_class=classes)
        if config.families:
            family = torch.from_numpy(notes.family[index]).to(device)
            losses["family"] = pitch_cross_entropy(pitch_logits=predicted.family.float(), pitch_class=family)
        if config.attributes:
            losses["attributes"] = distillation_loss(
                student_logits=predicted.attributes.float(),
                soft_labels=torch.from_numpy(notes.soft_labels[index]).to(device),
                temperature=notes.attributes.temperature,
            )
        return losses

    def labels(self) -> dict[str, Any]:
        known = self.plan.attributes
        labels = {
            "samples": self.corpus.samples,
            "pitches": list(known.pitches),
            "families": list(self.dataset.families),
            "attributes": list(known.names),
        }
        teacher = {"name": known.teacher, "digest": known.teacher_digest, "temperature": known.temperature}
        return labels | {"teacher": teacher} if known.names else labels

    def metrics(self, model: NoteClassifier) -> dict[str, Any]:
        """Of each split: notes, instruments, accuracies over the notes of known class; of each family, if held out."""
        corpus, attributes, families = self.corpus, self.plan.attributes, self.dataset.families
        instrument = corpus.column("instrument")
        trained_on = instrument[corpus.rows("train")]
        found: dict[str, Any] = {}
        held_out = np.zeros((len(families), len(families)), np.int64)
        for split in SPLITS:
            notes = LabelledNotes.of(self.recipe.data, corpus, attributes, corpus.rows(split))
            names = np.unique(instrument[notes.rows])
            also = int(np.isin(names, trained_on).sum())
            facts: dict[str, Any] = {"notes": len(notes.rows), "instruments": len(names), "also_in_train": also}
            found[split] = facts
            if not len(notes.rows):
                continue
            predicted = _predictions(model, notes)
            if attributes.pitches:
                label = predicted.pitch.argmax(1).numpy()
                confusion = confusion_matrix(notes.pitch_class, label, len(attributes.pitches))
                facts["pitch"] = pitch_accuracy(confusion, attributes.pitches)
            if families:
                confusion = confusion_matrix(notes.family, predicted.family.argmax(1).numpy(), len(families))
                facts["family"] = family_accuracy(confusion)
                held_out += confusion if split != "train" else 0
            if attributes.names and len(notes.rows) > 2:
                inside = np.clip(notes.soft_labels.astype(np.float64), 1e-12, 1 - 1e-7)
                logits = np.log(inside) - np.log1p(-inside)  # the teacher's but for T, which no correlation depends on
                mean, count, _ = mean_pearson(logits, predicted.attributes.numpy())
                facts["attributes"] = {"correlation": mean, "count": count}
        if families:
            found["families_held_out"] = by_family(held_out, families)
        return found


# ----------------------------------------------------------------------------
# Augmentation


def transposed_class(pitch_class: Tensor, semitones: Tensor, pitches: Tensor) -> Tensor:
    """The class of a note moved by semitones (batch,), among the MIDI numbers `pitches` (class,); −1 where it had none
    or has left them."""
    same = pitches == (pitches[pitch_class.clamp(min=0)] + semitones)[:, None]  # (batch, class)
    return torch.where(same.any(1) & (pitch_class >= 0), same.int().argmax(1), -1)


def tilted(spectrogram: Tensor, slope: Tensor) -> Tensor:
    """A straight line from −slope/2 to slope/2 (batch,) over the bands; what is below the floor stays there."""
    line = torch.linspace(-0.5, 0.5, spectrogram.shape[2], device=spectrogram.device)
    return (spectrogram + slope[:, None, None, None] * line[:, None]).clamp(min=0) * (spectrogram > 0)


def _predictions(model: NoteClassifier, notes: LabelledNotes) -> NotePredictions:
    """Logits of all notes, on the CPU."""
    blocks = [notes.rows[first : first + BLOCK] for first in range(0, len(notes.rows), BLOCK)]
    found = [model.predict(torch.from_numpy(notes.corpus.waves(block))) for block in blocks]
    return NotePredictions(*(torch.cat(tensors) for tensors in zip(*found, strict=True)))
