"""`darktimbre latents`: a report, a page, drawings, an animation where the run kept snapshots; refusals."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.bundle.tiny import PITCHES, STYLES, tiny_autoencoder, tiny_bundle
from tests.conftest import Run

from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.measures import probes
from darktimbre.models.inception import InceptionConfig
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import midi_to_hz

RATE, SAMPLES = 8000, 4000


@pytest.fixture(scope="module", autouse=True)
def quick_probes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "PASSES", 5)
        yield


def corpus_of(path: Path, styles: tuple[str, ...]) -> Path:
    """Tones at the tiny autoencoder's pitches, as many recordings in training as held out."""
    random, time = np.random.default_rng(1), np.arange(SAMPLES) / RATE
    with CorpusWriter(path, sample_rate=RATE, samples=SAMPLES, name="tiny", licence="CC0", split="given") as writer:
        for number in range(72):
            style, pitch = styles[number % len(styles)], PITCHES[number // 3 % 3]
            note = Note(
                id=f"n{number}", instrument=style, origin="made", seconds=0.5, pitch=pitch, styles=(style,),
                split=("train", "test")[number // 9 % 2], split_key=f"r{number // 9}-{style}",
            )  # fmt: skip
            wave = np.sin(2 * np.pi * midi_to_hz(pitch) * time) + 0.05 * random.standard_normal(SAMPLES)
            writer.add(note, (0.4 * wave).astype(np.float32))
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus_of(tmp_path_factory.mktemp("corpora") / "tones", STYLES)


def test_a_report_with_everything(corpus: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    bundle = tiny_autoencoder(inverter=True).save_pretrained(folder / "bundle")
    rows = np.arange(40)
    (folder / "latents").mkdir()
    for seen in (10, 20):
        latents = np.random.default_rng(seen).standard_normal((40, 3)).astype(np.float32)
        save_file({"latent": latents, "row": rows}, folder / "latents" / f"{seen:08d}.safetensors")
    network = InceptionConfig(sample_rate=RATE, stem=4, widths=(16,), embedding=8)
    made = NoteClassifier.untrained(network, samples=SAMPLES, pitches=PITCHES, families=tuple(sorted(STYLES)))
    trained_on = {"corpus": {"digest": Corpus.open(corpus).digest}}
    classifier = replace(made, config={**made.config, "provenance": trained_on}).save_pretrained(tmp_path / "evaluator")
    out = tmp_path / "out"
    printed = run(
        "latents", f"first={bundle}", f"again={bundle}", "--corpus", corpus, "--out", out, "--classifier", classifier,
        "--compare-inversion", "learned", "--compare-inversion", "single-pass", "--quick",
    )  # fmt: skip
    assert "latents.html" in printed
    found = json.loads((out / "latents.json").read_text(), parse_constant=pytest.fail)
    assert list(found) == ["first", "again"]
    assert found["first"]["leakage"] == found["again"]["leakage"]
    assert {one["name"] for one in found["first"]["inversions"]} == {"learned", "single-pass"}
    assert found["first"]["swap"]["notes"] > 0
    assert (out / "training-first.gif").is_file()
    assert (out / "scatter.html").is_file()
    assert "training-first.gif" in (out / "latents.md").read_text()


def test_without_a_classifier_codes_alone(corpus: Path, run: Run, tmp_path: Path) -> None:
    bundle = tiny_autoencoder().save_pretrained(tmp_path / "bundle")
    run("latents", bundle, "--corpus", corpus, "--out", tmp_path / "out", "--quick")
    found = json.loads((tmp_path / "out" / "latents.json").read_text())["wae-class-prior"]
    assert found["accuracy"] == []
    assert found["reconstruction"]["notes"] > 0


def test_refusals(corpus: Path, run: Run, tmp_path: Path) -> None:
    gan = tiny_bundle().save_pretrained(tmp_path / "gan")
    decoder = tiny_autoencoder(encoder=False).save_pretrained(tmp_path / "decoder")
    whole = tiny_autoencoder().save_pretrained(tmp_path / "whole")
    common = ("--out", tmp_path / "out", "--quick")
    assert "has no encoder" in run("latents", gan, "--corpus", corpus, *common, status=2)
    assert "has no encoder" in run("latents", decoder, "--corpus", corpus, *common, status=2)
    assert "one name" in run("latents", whole, whole, "--corpus", corpus, *common, status=2)
    assert "From one to 4" in run("latents", *[whole] * 5, "--corpus", corpus, *common, status=2)
    one = corpus_of(tmp_path / "one", STYLES[:1])
    assert "nothing to tell apart" in run("latents", whole, "--corpus", one, *common, status=2)
