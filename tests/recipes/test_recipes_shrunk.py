"""Every recipe for notes, shrunk, runs sounds → corpus → tags → steps → checkpoint → resume → bundle → render."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.recipes.shrunk import shrunk, trained_whole_and_in_parts

from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.bundle.inverter import InverterFolder
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.note import Note
from darktimbre.representation.codec import codec_from_config
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.ranking import choose
from darktimbre.tagging.store import Tags
from darktimbre.tagging.tag import tag_corpus
from darktimbre.teachers import logmel
from darktimbre.teachers.embedded import EmbeddedTagger
from darktimbre.teachers.vocabulary import yamnet_labels
from darktimbre.training.recipe import Recipe, load_recipe, recipe_names
from darktimbre.training.tasks import teacher_in_loss
from darktimbre.training.tasks.base import task_of
from darktimbre.training.tasks.energy import EnergyRecipe, EnergyTask
from darktimbre.training.tasks.gan import GanTask
from darktimbre.training.tasks.inversion import InversionTask
from darktimbre.training.tasks.note_classifier import NoteClassifierTask
from darktimbre.training.tasks.tagger import TaggerTask

RATE, NOTES = 16_000, 12


class FakeTagger:
    """All of YAMNet's labels, predicted at random but repeatably, by loudness."""

    digest, sample_rate = "e" * 64, RATE

    def __init__(self, name: str) -> None:
        self.name = name
        self.labels = yamnet_labels()
        self.weights = torch.randn(2, len(self.labels), generator=torch.Generator().manual_seed(5))

    def logits(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, sample) → (batch, 521)."""
        return torch.stack([waves.std(1), waves.diff(dim=1).std(1)], 1) @ (5 * self.weights) - 1

    def embed(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, sample) → (batch, 521)."""
        return self.logits(waves)


@pytest.fixture(autouse=True)
def _teacher_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded network stands for YAMNet, whose weights tests do not have, where it is in a loss."""

    def load(name: str, device: str) -> EmbeddedTagger:
        tagger = EmbeddedTagger.load(device=device)
        tagger.digest = FakeTagger.digest
        return tagger

    monkeypatch.setattr(teacher_in_loss.teachers, "load", load)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory):
    """Length in seconds → a tagged and ranked corpus of twelve tones, as the recipes ask for."""
    made: dict[float, Path] = {}

    def corpus(seconds: float) -> Path:
        if seconds not in made:
            path = tmp_path_factory.mktemp("corpora") / f"{seconds:g}"
            time = np.arange(round(seconds * RATE)) / RATE
            with CorpusWriter(
                path, sample_rate=RATE, samples=len(time), name="tones", licence="CC0", split="given"
            ) as writer:
                for number in range(NOTES):
                    midi, split = 44 + 2 * number, "valid" if number % 4 == 3 else "train"
                    tone = np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * time) * np.exp(-3 * time)
                    place = {"instrument": f"i{number}", "seconds": seconds, "pitch": midi, "split": split}
                    note = Note(id=f"n{number}", origin="made", **place)
                    writer.add(note, (0.1 * (1 + number % 3) * tone).astype(np.float32))
            opened = Corpus.open(path)
            for teacher in ("yamnet", "cnn14"):
                tag_corpus(opened, FakeTagger(teacher))
                choose(path, Tags.open(path, teacher), opened.rows("train"), top=128)
            made[seconds] = path
        return made[seconds]

    return corpus


def is_tagger(recipe: Recipe, bundle: Path, corpus: Corpus) -> None:
    """It tags, and its report is on the held-out notes."""
    tagger = EmbeddedTagger.load(bundle / "embedded.safetensors")
    assert torch.isfinite(tagger.logits(torch.from_numpy(corpus.waves([0, 1])))).all()
    assert json.loads((bundle / "report.json").read_text())["held_out"]["notes"] == NOTES // 4


def is_classifier(recipe: Recipe, bundle: Path, corpus: Corpus) -> None:
    """It classifies, and knows how many notes it was trained on."""
    classifier = NoteClassifier.from_pretrained(bundle)
    predicted = classifier.predict(torch.from_numpy(corpus.waves([0, 1])))
    assert predicted.pitch.shape == (2, len(classifier.pitches))
    assert predicted.embedding.shape == (2, classifier.dimension)
    assert all(torch.isfinite(head).all() for head in predicted)
    assert classifier.config["metrics"]["train"]["notes"] == len(corpus.rows("train"))


def is_instrument(recipe: Recipe, bundle: Path, corpus: Corpus) -> None:
    """It plays a note."""
    instrument = Synthesizer.from_pretrained(bundle)
    attributes = recipe.data.attributes
    assert len(instrument.attributes.names) == (attributes if isinstance(attributes, int) else 0)
    sound = instrument.render(pitch=60, seed=1)
    assert sound.shape == (1, round(recipe.data.seconds * RATE))
    assert np.isfinite(sound).all()


def is_energetic_instrument(recipe: Recipe, bundle: Path, corpus: Corpus) -> None:
    """It plays, its card says what was in the loss, and one with an encoder plays a sound's latent."""
    is_instrument(recipe, bundle, corpus)
    assert isinstance(recipe, EnergyRecipe)
    instrument = Synthesizer.from_pretrained(bundle)
    provenance = instrument.bundle.config["provenance"]
    assert provenance["losses"] == recipe.losses
    assert ("teacher_in_loss" in provenance) == (recipe.teacher is not None)
    assert instrument.encodes == (recipe.encoder is not None)
    if instrument.encodes:
        latent = instrument.encode(corpus.waves([0, 1])).latent
        assert np.isfinite(instrument.render(pitch=60, latent=latent)).all()


def is_inverter(recipe: Recipe, bundle: Path, corpus: Corpus) -> None:
    """It makes sound of the notes' spectrograms through the codec, and knows how near that is."""
    inverter = InverterFolder.from_pretrained(bundle)
    settings = {**recipe.data.codec, "sample_rate": corpus.sample_rate, "samples": corpus.samples}
    codec = codec_from_config(settings, inverter=inverter.module)
    inverter.refuse_other_codec(codec.config)
    with torch.no_grad():
        sound = codec.decode(codec.encode(torch.from_numpy(corpus.waves([0, 1]))), torch.tensor([44.0, torch.nan]))
    assert sound.shape == (2, corpus.samples)
    assert torch.isfinite(sound).all()
    assert inverter.config["metrics"]["valid"]["notes"] == len(corpus.rows("valid"))


WORKS = {
    TaggerTask: is_tagger,
    NoteClassifierTask: is_classifier,
    GanTask: is_instrument,
    EnergyTask: is_energetic_instrument,
    InversionTask: is_inverter,
}
"""How what a task has trained is tried out; of others, that there is something."""


def notes_alone(name: str) -> bool:
    """Pictures, one-shots and autoencoders have recipe tests of their own, with other corpora."""
    return task_of(load_recipe(name)).corpus_of == "sounds" and not name.startswith(("oneshot-", "wae-"))


@pytest.mark.parametrize("name", [name for name in recipe_names() if notes_alone(name)])
def test_recipe_runs_resumes_and_ends_in_something_that_works(name, corpora, tmp_path):
    recipe = shrunk(name)
    corpus = corpora(recipe.data.seconds)
    bundle = trained_whole_and_in_parts(name, corpus, tmp_path)
    if works := WORKS.get(task_of(recipe)):
        works(recipe, bundle, Corpus.open(corpus))


def test_tagger_runs_at_the_rate_it_was_made_for():
    assert logmel.RATE == RATE
