"""Instruments and evaluators: which may meet in one evaluation, and what its report says of them besides figures."""

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from darktimbre import teachers
from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.results import Kind
from darktimbre.extractors.extractors import (
    ClassifierExtractor,
    EmbeddingExtractor,
    Extractor,
    SoundExtractor,
    SwiftExtractor,
    TeacherExtractor,
)
from darktimbre.extractors.musicnn import MusicnnEmbedder
from darktimbre.measures.frechet import notes_for_full_rank
from darktimbre.notes.attributes import STYLES, Attributes, teacher_mismatch
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.notes.text import quoted
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.store import Tags
from darktimbre.teachers import weights as teacher_weights
from darktimbre.teachers.tagger import Embedder, Tagger

LIBRARIES = ("darktimbre", "torch", "numpy", "scipy", "soxr")
HELD_OUT = ("valid", "test")
ROOMS = ("notes", "audio", "representation", "teachers", "tagging", "models", "synthesizer", "extractors")
"""Whose code sounds and features depend on."""


@dataclass(frozen=True)
class Instrument:
    """One instrument under evaluation: heading of its row, the instrument, and the folder of its bundle."""

    name: str
    synthesizer: Synthesizer
    path: Path | None = None

    @classmethod
    def load(cls, name: str, place: Path | str | Synthesizer, device: str = "cpu") -> "Instrument":
        """Reads a bundle, unless that is done; an empty name is that of its recipe, or else of its folder.

        Raises:
            UserError: it cannot be read.
        """
        synthesizer = place if isinstance(place, Synthesizer) else Synthesizer.from_pretrained(place, device=device)
        path = Path(synthesizer.bundle.origin if isinstance(place, Synthesizer) else place)
        recipe = (synthesizer.bundle.config.get("recipe") or {}).get("name")
        return cls(name or str(recipe or path.name), synthesizer, path if path.is_dir() else None)

    @property
    def attributes(self) -> Attributes:
        return self.synthesizer.attributes

    @property
    def provenance(self) -> dict[str, Any]:
        """How it was trained, as the bundle says."""
        return self.synthesizer.bundle.config.get("provenance") or {}

    def kind(self, corpus: Corpus) -> Kind:
        """GANSynth is recognised by its longer notes, which are cut; an instrument of pitch alone is the baseline."""
        if self.attributes.names:
            return "darkgan"
        return "gansynth" if self.synthesizer.samples > corpus.samples else "baseline"

    def facts(self, corpus: Corpus) -> dict[str, Any]:
        """What the bundle says of itself."""
        bundle, trained_on = self.synthesizer.bundle, _corpus_of(self.provenance)
        found = {
            "notes_seen": self.provenance.get("notes_seen"),
            "parameters": sum(tensor.numel() for tensor in bundle.weights.values()),
            "attributes": len(self.attributes.names),
            "recipe": (bundle.config.get("recipe") or {}).get("name"),
            "chosen_by": self.provenance.get("chosen_by"),
            "teacher_in_loss": self.provenance.get("teacher_in_loss"),
            "learnt_from": {"name": trained_on.get("name"), "digest": trained_on["digest"]} if trained_on else None,
            "seconds": self.synthesizer.seconds if self.synthesizer.samples != corpus.samples else None,
        }
        return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True)
class Evaluators:
    """The frozen models that describe sounds."""

    teacher: Tagger  # that the instruments were trained on; predicts the attributes
    embedder: Embedder  # whose embedding FAD, precision, recall, density and coverage are taken in
    classifier: NoteClassifier | None = None  # names pitch and family, its embedding is KID's; None leaves these out
    independent: Embedder | None = None  # MusiCNN, which no training uses; None where its weights are not kept
    swift: SwiftExtractor | None = None  # a second estimator of pitch; None where its package is not installed

    @classmethod
    def load(
        cls,
        teacher: str | Tagger,
        weights: Path | None = None,
        embedding: str | None = None,
        embedding_weights: Path | None = None,
        classifier: Path | str | NoteClassifier | None = None,
        device: str = "cpu",
    ) -> "Evaluators":
        """By name, or the folder of the classifier, unless they are loaded; the embedding is by default the teacher's.

        MusiCNN and SwiftF0 are taken where they are at hand.

        Raises:
            UserError: one of them is missing, or cannot be read.
        """
        tagger = teachers.load(teacher, device=device, weights=weights) if isinstance(teacher, str) else teacher
        embedder: Embedder = tagger
        if embedding is not None and embedding != teacher:
            embedder = teachers.load_embedder(embedding, device=device, weights=embedding_weights)
        if isinstance(classifier, str | Path):
            classifier = NoteClassifier.from_pretrained(classifier)
        musicnn = MusicnnEmbedder.load(device=device) if teacher_weights.kept("musicnn") else None
        try:
            swift = SwiftExtractor()
        except ImportError:
            swift = None
        return cls(tagger, embedder, classifier, musicnn, swift)

    def absent(self) -> list[str]:
        """Sentences on what is not at hand, and the remedy."""
        sentences = []
        if self.classifier is None:
            sentences.append(
                "PIS, IIS and pitch accuracy by classifier: no --classifier was given (`darktimbre train inception`); "
                f"KID is taken in the embedding of {self.embedder.name} instead."
            )
        if self.independent is None:
            sentences.append(
                "Probe, KID and coverage in features that no training used: the weights of MusiCNN are not on this "
                "machine (`darktimbre weights fetch musicnn`)."
            )
        if self.swift is None:
            sentences.append(
                "Pitch by SwiftF0: the package swift-f0 is not installed (`pip install darktimbre[evaluate]`), so that "
                "pitch is by YIN alone."
            )
        return sentences

    def extractors(self, rate: int, pitches: tuple[int, ...]) -> dict[str, Extractor]:
        """By role; the teacher is also the embedder where they are the same. `pitches` are the targets (MIDI)."""
        teacher = TeacherExtractor(self.teacher, None)
        own = self.embedder.digest == self.teacher.digest
        found: dict[str, Extractor] = {
            "teacher": teacher,
            "embedder": teacher if own else EmbeddingExtractor(self.embedder),
            "fundamental": SoundExtractor(rate, np.array([midi_to_hz(float(pitch)) for pitch in pitches])),
        }
        if self.classifier:
            found["classifier"] = ClassifierExtractor(self.classifier)
        if self.independent:
            found["independent"] = EmbeddingExtractor(self.independent)
        if self.swift:
            found["swift"] = self.swift
        return found

    def facts(self, dimension: int) -> dict[str, Any]:
        c = self.classifier
        return {
            "teacher": {"name": self.teacher.name, "digest": self.teacher.digest},
            "embedding": {"name": self.embedder.name, "digest": self.embedder.digest, "dimension": dimension},
            "classifier": c
            and {
                "digest": c.digest,
                "dimension": c.dimension,
                "pitches": len(c.pitches),
                "families": list(c.families),
                "learnt_from": (c.config.get("provenance") or {}).get("corpus"),
                "metrics": c.config.get("metrics"),
            },
            "independent": self.independent and {"name": self.independent.name, "digest": self.independent.digest},
        }


def _corpus_of(provenance: dict[str, Any]) -> dict[str, Any]:
    """The corpus that something was trained on; empty where its digest is not known."""
    corpus = provenance.get("corpus")
    return corpus if isinstance(corpus, dict) and corpus.get("digest") else {}


def _digest_in_loss(one: Instrument) -> str | None:
    """Of the teacher's network that the instrument's loss held; None without one."""
    return (one.provenance.get("teacher_in_loss") or {}).get("digest")


# ── what is refused ───────────────────────────────────────────────────────────────────────────────────────────────────


def refuse_mismatches(instruments: Sequence[Instrument], corpus: Corpus, evaluators: Evaluators) -> None:
    """Refuses what does not compare.

    Raises:
        UserError: rates, lengths, vocabularies or weights differ, or two instruments have one name.
    """
    refuse_equal_names(instruments)
    teacher = evaluators.teacher
    for one in instruments:
        synthesizer = one.synthesizer
        if one.attributes.teacher == STYLES:
            raise UserError(
                f"{one.name} is steered by style tags, which no teacher labels: measure it by `darktimbre latents "
                f"{quoted(synthesizer.bundle.origin)} --corpus {quoted(corpus.path)} --out FOLDER`."
            )
        if synthesizer.sample_rate != corpus.sample_rate:
            raise UserError(
                f"{one.name} plays at {synthesizer.sample_rate} Hz, {corpus.path} has {corpus.sample_rate} Hz: "
                "evaluate it on a corpus of its own rate."
            )
        if synthesizer.samples < corpus.samples:
            raise UserError(
                f"The notes of {one.name} last {synthesizer.seconds:g} s, those of {corpus.path} "
                f"{corpus.samples / corpus.sample_rate:g} s: evaluate it on a corpus of notes as short as its own."
            )
        expected = one.attributes.labelled_by
        if why := teacher_mismatch(f"{one.name} was trained on labels by", expected, "the teacher given is", teacher):
            raise UserError(f"{why}. Give --teacher {one.attributes.teacher}, with the right --weights.")
    if any(one.attributes.labelled_by for one in instruments):
        tags = Tags.open(corpus.path, teacher.name)
        if why := teacher_mismatch(f"The tags of {corpus.path} are by", tags, "the teacher given is", teacher):
            raise UserError(f"{why}. Give the right --weights, or tag the corpus again.")
    classifier = evaluators.classifier
    if classifier and (classifier.sample_rate, classifier.samples) != (corpus.sample_rate, corpus.samples):
        raise UserError(
            f"The classifier takes {classifier.samples} samples at {classifier.sample_rate} Hz, the notes of "
            f"{corpus.path} have {corpus.samples} at {corpus.sample_rate} Hz: train one on this corpus "
            "(`darktimbre train inception`)."
        )


def refuse_equal_names(instruments: Sequence[Instrument]) -> None:
    """Raises UserError where two have one name, which rows and files of sounds are named by."""
    names = [one.name for one in instruments]
    if double := {name for name in names if names.count(name) > 1}:
        raise UserError(
            f"Two instruments are called {sorted(double)[0]!r}: give them names, as in `first=PATH second=PATH`."
        )


def common_pitches(instruments: Sequence[Instrument]) -> tuple[int, ...]:
    """Pitches that every instrument with pitches knows; empty where none has any.

    Raises:
        UserError: they have no pitch in common.
    """
    known = [set(one.attributes.pitches) for one in instruments if one.attributes.pitches]
    common = set.intersection(*known) if known else set()
    if known and not common:
        raise UserError("The instruments have no pitch in common: evaluate them one by one.")
    return tuple(sorted(common))


def refuse_few_notes(notes: int, reference: int, embedder: Embedder, dimension: int) -> None:
    """A covariance of full rank needs one note more than the embedding has dimensions.

    Raises:
        UserError: there are fewer.
    """
    needed = notes_for_full_rank(dimension)
    if min(notes, reference) < needed:
        which = "generated" if notes < reference else "real"
        raise UserError(
            f"The Fréchet distance in the {dimension:,} dimensions of {embedder.name} needs at least {needed:,} notes "
            f"on either side for a covariance of full rank, and {needed * 2:,} real ones to compare real with real; "
            f"there are {min(notes, reference):,} {which} ones. Take more notes (--set notes=N, a larger corpus), or "
            "leave it out with --no-fad."
        )


# ── what a report says besides figures ────────────────────────────────────────────────────────────────────────────────


def held_out_splits(instruments: Sequence[Instrument]) -> tuple[str, ...]:
    """Splits whose notes are held out: both, or the test split alone where a checkpoint was chosen by the other."""
    chosen = [one.provenance.get("chosen_by") or {} for one in instruments]
    return ("test",) if any(by.get("split") == "valid" for by in chosen) else HELD_OUT


def corpus_facts(corpus: Corpus) -> dict[str, Any]:
    return {
        "name": corpus.name,
        "digest": corpus.digest,
        "notes": len(corpus),
        "licence": corpus.meta.get("licence"),
        "sample_rate": corpus.sample_rate,
        "seconds": corpus.samples / corpus.sample_rate,
    }


def cautions(instruments: Sequence[Instrument], corpus: Corpus, evaluators: Evaluators) -> tuple[str, ...]:
    """Reservations: instruments of another corpus, evaluators that took part in training, notes they know."""
    sentences = []
    for one in instruments:
        trained_on = _corpus_of(one.provenance)
        if trained_on and trained_on["digest"] != corpus.digest:
            sentences.append(
                f"{one.name} was trained on another corpus ({trained_on.get('name')}, {trained_on['digest'][:12]}…): "
                "what is held out here is new to it only if both were split by the same instruments."
            )
    if any(one.attributes.names for one in instruments):
        sentences.append(
            f"{evaluators.teacher.name} is evaluator and teacher: instruments with attributes were trained on its "
            f"labels, and distances are taken in the embedding of {evaluators.embedder.name}."
        )
    held = [one.name for one in instruments if _digest_in_loss(one) == evaluators.embedder.digest]
    if held:
        sentences.append(
            f"The loss of {' and of '.join(held)} held {evaluators.embedder.name} itself: FAD and coverage in its "
            "embedding are no independent figures of it."
        )
    if evaluators.classifier is not None:
        if _corpus_of(evaluators.classifier.config.get("provenance") or {}).get("digest") != corpus.digest:
            sentences.append("The classifier was trained on another corpus: its figures mean less on this one.")
        sentences.append(
            "The classifier was trained on the train split, which includes the reference and the row of real notes, "
            "and on no other sounds. PIS, IIS and pitch of real notes compare with generated ones in the held-out row."
        )
    return tuple(sentences)


def environment(device: str) -> str:
    """Digest of the code and libraries that sounds and features depend on, beside their inputs."""
    total = hashlib.sha256(json.dumps([versions(), device]).encode())
    for room in ROOMS:
        for file in sorted((Path(__file__).parents[1] / room).glob("**/*.py")):
            total.update(file.read_bytes())
    return total.hexdigest()


def versions() -> dict[str, str]:
    """Of Python and the libraries that the figures depend on."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed as a package"
    return found


def embedding_dimension(embedder: Embedder, corpus: Corpus) -> int:
    silence = np.zeros((1, corpus.samples), np.float32)
    return int(EmbeddingExtractor(embedder).extract(silence, corpus.sample_rate)["embedding"].shape[1])
