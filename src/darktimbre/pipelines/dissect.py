"""What `darktimbre dissect` works with: an instrument, real notes, their teacher, and a second network."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre import teachers
from darktimbre.bundle import weights as tensors
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.dissection.effects import Notes
from darktimbre.dissection.subject import column
from darktimbre.evaluation.conditions import Conditions, draw_rows
from darktimbre.extractors.described import Describer, Floats
from darktimbre.extractors.extractors import ClassifierExtractor, EmbeddingExtractor, Extractor, TeacherExtractor
from darktimbre.extractors.musicnn import MusicnnEmbedder
from darktimbre.measures.ridge import ridge
from darktimbre.notes.attributes import WITHOUT_TEACHER
from darktimbre.notes.errors import UserError
from darktimbre.notes.temperature import bounded_logits
from darktimbre.pipelines.dissect_cache import Cells
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.store import Tags
from darktimbre.teachers import weights as kept_weights
from darktimbre.teachers.tagger import Tagger
from darktimbre.teachers.yamnet import PatchTagger

LEAST_SPREAD = 0.1  # of a label's logits
FITTED, TRUSTED = 1200, 300  # real notes that the evaluator is fitted on, and that it is tested on


@dataclass(frozen=True)
class Workplace:
    """An instrument, real notes, the teacher of their tags, and a second network."""

    instrument: Synthesizer
    corpus: Corpus
    tags: Tags
    tagger: PatchTagger[Any]
    classifier: NoteClassifier | None
    seed: int

    @classmethod
    def open(cls, bundle: str, corpus: Path, teacher: str | None, classifier: Path | None, seed: int) -> "Workplace":
        """Raises UserError: one of them is not there, they do not belong together, or gradients do not pass."""
        instrument = Synthesizer(Bundle.from_pretrained(bundle, discriminator=True))
        opened, attributes = Corpus.open(corpus), instrument.attributes
        if (opened.sample_rate, opened.samples) != (instrument.sample_rate, instrument.samples):
            raise UserError(f"The notes of {corpus} have another length or rate than those of {bundle}.")
        of_teacher = attributes.names and attributes.teacher not in WITHOUT_TEACHER
        name = teacher or (attributes.teacher if of_teacher else "embedded")
        tagger = teachers.load(name)
        if not isinstance(tagger, PatchTagger):
            raise UserError(f"Gradients do not pass {name} here: take --teacher yamnet or embedded.")
        tags = Tags.open(corpus, name)
        if tags.digest != tagger.digest:
            raise UserError(f"The tags of {corpus} are by other weights of {name}: tag it again with --force.")
        known = None if classifier is None else NoteClassifier.from_pretrained(classifier)
        return cls(instrument, opened, tags, tagger, known, seed)

    @property
    def digests(self) -> list[str]:
        """Of all that results follow from."""
        bundle, evaluator = self.instrument.bundle, self.evaluator
        parts = [bundle.discriminator, bundle.encoder]
        return [
            bundle.sound_digest, self.corpus.digest, self.tags.digest, str(self.seed),
            evaluator.digest if evaluator else "", *(tensors.digest(p) if p else "" for p in parts),
        ]  # fmt: skip

    def rows(self, splits: tuple[str, ...], count: int) -> NDArray[np.int64]:
        """At most so many different rows of some splits at pitches the instrument knows."""
        drawn = draw_rows(self.corpus, self.instrument.attributes, splits, count, self.seed)
        return drawn[np.sort(np.unique(drawn, return_index=True)[1])]

    def notes(self, splits: tuple[str, ...], count: int) -> Notes:
        """Notes to be generated: conditions of real notes of these splits; of an autoencoder, the notes it holds."""
        instrument, encoded = self.instrument, self.instrument.bundle.encoded
        if encoded is not None and instrument.attributes.teacher in WITHOUT_TEACHER:
            pitched = np.flatnonzero(np.isin(encoded.pitch, instrument.attributes.pitches))
            held = np.random.default_rng((self.seed, splits == ("train",))).permutation(pitched)[:count]
            classes = [instrument.attributes.pitch_class(int(one)) for one in encoded.pitch[held]]
            condition = instrument.attributes.condition(classes, encoded.styles[held])
            return Notes(condition, encoded.latent[held], encoded.pitch[held].astype(float), np.arange(len(held)))
        found = Conditions.of(self.corpus, self.rows(splits, count), instrument.attributes)
        latent = instrument.latents(self.seed, len(found.rows))
        midi = self.corpus.column("pitch")[found.rows].astype(np.float64)
        return Notes(found.condition, latent, np.where(midi < 0, np.nan, midi), found.groups)

    @cached_property
    def spread(self) -> Floats:
        """Deviation of each label's logits over the training split (label,)."""
        logits = bounded_logits(self.tags.logits(self.corpus.rows("train")))
        return np.asarray(logits.std(0).clip(min=LEAST_SPREAD), np.float32)

    @cached_property
    def evaluator(self) -> Extractor | None:
        """The second network: the corpus's classifier where one is named, else MusiCNN where its weights are here."""
        if self.classifier is not None:
            return ClassifierExtractor(self.classifier)
        return EmbeddingExtractor(MusicnnEmbedder.load()) if kept_weights.kept("musicnn") else None

    def describer(self, names: Sequence[str], cells: Cells, *, evaluator: bool) -> Describer:
        """What describes notes by these labels; the evaluator is fitted on real notes of the training split.

        Raises:
            UserError: an evaluator is wanted and there is no network for it.
        """
        columns, rate = [column(name, self.tags.labels) for name in names], self.corpus.sample_rate
        spread = self.spread[columns]
        extractor = TeacherExtractor(cast(Tagger, self.tagger), None)

        def teacher(waves: Floats) -> tuple[Floats, Floats]:
            found = extractor.extract(waves, rate)
            return (bounded_logits(found["logits"][:, columns]) / spread).astype(np.float32), found["embedding"]

        trust = np.full(len(columns), np.nan, np.float32)
        if not evaluator:
            return Describer(names, teacher, None, np.asarray, trust, rate)
        network = self.evaluator
        if network is None:
            raise UserError(
                "What optimises must not evaluate, and there is no second network here: `darktimbre weights fetch "
                "musicnn`, or name a classifier of `darktimbre train inception` with --classifier."
            )
        train, unseen = self.rows(("train",), FITTED), self.rows(("valid", "test"), TRUSTED)

        def embedding(rows: NDArray[np.int64]) -> torch.Tensor:
            return torch.from_numpy(network.extract(self.corpus.waves(rows), rate)["embedding"])

        held = cells.cell("evaluator", lambda: {"train": embedding(train), "unseen": embedding(unseen)})
        groups = np.unique(self.corpus.column("instrument")[train], return_inverse=True)[1]
        logits = bounded_logits(self.tags.logits(train)[:, columns])
        probe = ridge(held["train"].numpy(), logits, groups, seed=self.seed)
        predicted = probe.predict(held["unseen"].numpy())
        wanted = bounded_logits(self.tags.logits(unseen)[:, columns])
        deviation = predicted.std(0).clip(min=1e-6)
        for place in range(len(columns)):
            trust[place] = np.corrcoef(predicted[:, place], wanted[:, place])[0, 1]

        def embedded(waves: Floats) -> Floats:
            return network.extract(waves, rate)["embedding"]

        def predict(embedding: Floats) -> Floats:
            return np.asarray(probe.predict(embedding) / deviation, np.float32)

        return Describer(names, teacher, embedded, predict, np.nan_to_num(trust), rate)

    def labels(self) -> list[str]:
        """The attributes that are the teacher's; of an instrument without, the labels that vary most in the corpus."""
        names = [name for name in self.instrument.attributes.names if name in self.tags.labels]
        if names:
            return names
        return [self.tags.labels[place] for place in np.argsort(-self.spread)[:64]]

    def title(self, row: int) -> str:
        """A real note in words."""
        note = self.corpus.note(row)
        return f"{note.tags[0] if note.tags else note.instrument}, MIDI {note.pitch}"
