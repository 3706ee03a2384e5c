"""`darktimbre evaluate` of instruments of classes: a table, figures, pictures, sounds; refusals in a sentence."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.bundle.tiny import drum_bundle
from tests.conftest import Run

from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.models.inception import InceptionConfig
from darktimbre.notes.note import Note

RATE, SAMPLES = 8000, 2000
LEAVES = ("drums/kick", "synths")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kicks and synths, one of each held out; there is no snare, for which the instrument has a name."""
    path, random = tmp_path_factory.mktemp("corpora") / "shots", np.random.default_rng(1)
    with CorpusWriter(path, sample_rate=RATE, samples=SAMPLES, name="shots", licence="CC0", split="given") as writer:
        for number, (category, subcategory) in enumerate([("drums", "kick"), ("synths", None)] * 3):
            note = Note(
                id=f"n{number}", instrument=f"i{number}", origin="made", seconds=SAMPLES / RATE, category=category,
                subcategory=subcategory, split="test" if number >= 4 else "train",
            )  # fmt: skip
            writer.add(note, 0.1 * random.standard_normal(SAMPLES))
    return path


def classifier_of(corpus: Path, folder: Path, digest: str = "") -> Path:
    network = InceptionConfig(sample_rate=RATE, stem=4, widths=(16,), embedding=8)
    made = NoteClassifier.untrained(network, samples=SAMPLES, pitches=(), families=LEAVES)
    trained_on = {"corpus": {"digest": digest or Corpus.open(corpus).digest}}
    return Path(replace(made, config={**made.config, "provenance": trained_on}).save_pretrained(folder))


def test_a_table_its_figures_pictures_and_sounds(corpus: Path, run: Run, tmp_path: Path) -> None:
    bundle = drum_bundle().save_pretrained(tmp_path / "drums")
    common = ("--corpus", corpus, "--out", tmp_path / "out", "--set", "notes=5")
    classifier = classifier_of(corpus, tmp_path / "classifier")
    printed = run("evaluate", f"mine={bundle}", *common, "--classifier", classifier)
    assert "was trained on another corpus" not in printed
    found = json.loads((tmp_path / "out" / "classes.json").read_text(), parse_constant=pytest.fail)["mine"]
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["drums", "drums/kick", "drums/snare"]
    assert (rows["drums"]["held_out"], rows["drums/kick"]["held_out"], rows["drums/snare"]["held_out"]) == (1, 1, 0)
    assert 0 <= rows["drums/kick"]["generated"] <= rows["drums/kick"]["generated_class"] <= 1
    snare = rows["drums/snare"]  # of what neither knows nothing is said, also not that it fails
    assert (snare["generated"], snare["real"], snare["real_level"]) == (None, None, None)
    assert (found["leaves"]["rows"], found["proven"]["rows"]) == (2, 1)
    assert found["proven"]["generated"] == rows["drums/kick"]["generated"]
    assert "mean of leaves with held-out notes | 1 leaves" in (tmp_path / "out" / "classes.md").read_text()
    sounds = sorted((tmp_path / "out" / "mine").glob("*.wav"))
    assert len(sounds) == 3 * 4
    assert soundfile.info(sounds[0]).frames == SAMPLES
    assert (tmp_path / "out" / "mine" / "spectrograms.png").is_file()


def test_a_classifier_of_another_corpus_is_warned_of(corpus: Path, run: Run, tmp_path: Path) -> None:
    bundle = drum_bundle().save_pretrained(tmp_path / "drums")
    other = classifier_of(corpus, tmp_path / "classifier", digest="ab" * 32)
    common = ("--corpus", corpus, "--out", tmp_path / "out")
    assert "was trained on another corpus" in run("evaluate", bundle, *common, "--quick", "--classifier", other)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "train one with `darktimbre train oneshot-classifier"),
        (["--set", "latents=3"], "One-shots have no count 'latents'"),
    ],
)
def test_what_is_missing_is_said(corpus: Path, run: Run, tmp_path: Path, words: list[str], sentence: str) -> None:
    bundle = drum_bundle().save_pretrained(tmp_path / "drums")
    given = ["--classifier", classifier_of(corpus, tmp_path / "classifier")] if words else []
    common = ("--corpus", corpus, "--out", tmp_path / "out")
    assert sentence in run("evaluate", bundle, *common, *words, *given, status=2)
    assert not (tmp_path / "out").exists()


def test_two_instruments_of_one_name_are_refused(corpus: Path, run: Run, tmp_path: Path) -> None:
    bundles = [drum_bundle().save_pretrained(tmp_path / place / "drums") for place in ("one", "other")]
    given = ("--classifier", classifier_of(corpus, tmp_path / "classifier"))
    refused = run("evaluate", *bundles, "--corpus", corpus, "--out", tmp_path / "out", *given, status=2)
    assert "Two instruments are called" in refused
