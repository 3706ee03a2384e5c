"""`darktimbre evaluate` writes a report and the cards, goes on where it was killed, and refuses in a sentence."""

import json
from pathlib import Path

import pytest
from tests.bundle.tiny import tiny_autoencoder, tiny_bundle
from tests.conftest import Run
from tests.evaluation.band_tones import BandTagger, band_tones

from darktimbre import teachers
from darktimbre.bundle.bundle import Bundle
from darktimbre.cli.evaluate import counts_of, named
from darktimbre.notes.errors import UserError

FEW = (
    "notes=24", "reference=18", "shift_notes=8", "shift_steps=2", "shift_attributes=1", "increment_notes=6",
    "increment_attributes=1", "increment_steps=2", "latents=2", "conditions=2", "pitches=1", "subsets=3",
    "subset_size=12", "neighbours=3", "resamples=10", "repeats=1", "sounds=2",
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return band_tones(tmp_path_factory.mktemp("corpora") / "tones").path


@pytest.fixture
def _teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teachers, "load", lambda name, device="cpu", weights=None: BandTagger())


@pytest.mark.usefixtures("_teacher")
def test_instruments_of_styles_are_sent_where_they_are_measured(corpus: Path, run: Run, tmp_path: Path) -> None:
    coder = tiny_autoencoder().save_pretrained(tmp_path / "coder")
    refused = run("evaluate", coder, "--corpus", corpus, "--teacher", "fake", "--out", tmp_path / "out", status=2)
    assert "steered by style tags, which no teacher labels: measure it by `darktimbre latents" in refused
    assert not (tmp_path / "out" / "report.md").exists()


@pytest.mark.usefixtures("_teacher")
def test_a_report_and_the_cards_are_written(corpus: Path, run: Run, tmp_path: Path) -> None:
    tiny = tiny_bundle(discriminator=True).save_pretrained(tmp_path / "tiny")
    before = Bundle.from_pretrained(tiny, discriminator=True)
    chosen = [word for count in FEW for word in ("--set", count)]
    common = ("--corpus", corpus, "--teacher", "fake", "--out", tmp_path / "out", *chosen)
    run("evaluate", f"first={tiny}", *common)
    for name in ("report.md", "report.html", "report.json", "figures"):
        assert (tmp_path / "out" / name).exists()
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    rows = [system["name"] for system in found["systems"]]
    assert rows == ["real notes", "held-out notes", "codec round trip", "untrained", "first"]
    sounds = [sound["file"] for system in found["systems"] for sound in system["sounds"]]
    assert len(sounds) >= 8
    assert all((tmp_path / "out" / file).is_file() for file in sounds)
    after = Bundle.from_pretrained(tiny, discriminator=True)
    assert after.digest == before.digest
    assert after.discriminator is not None
    figures = after.config["metrics"].pop("evaluation")
    assert after.config == before.config  # and nothing else was touched
    assert figures["notes"] == 18
    assert "attribute correlation" in (tiny / "README.md").read_text()

    left = (tiny / "config.json").read_bytes()
    run("evaluate", tiny, *common, "--no-card", "--set", "neighbours=2")
    assert (tiny / "config.json").read_bytes() == left


@pytest.mark.usefixtures("_teacher")
def test_what_cannot_be_evaluated_is_refused_in_a_sentence(corpus: Path, run: Run, tmp_path: Path) -> None:
    tiny = tiny_bundle().save_pretrained(tmp_path / "tiny")
    common = ("--corpus", corpus, "--out", tmp_path / "out")
    for arguments, sentence in (
        ((tmp_path / "nowhere", *common), "nowhere"),
        ((tiny, "--corpus", tmp_path, "--out", tmp_path / "out"), "corpus"),
        ((tiny, *common, "--set", "note=3"), "did you mean notes"),
        ((tiny, *common, "--set", "notes=many"), "whole number"),
        ((tiny, *common, "--set", "notes=3"), "at least 5 notes"),
        ((tiny, *common, "--classifier", tmp_path), "classifier"),
        ((tiny, tiny, *common), "Two instruments are called"),
    ):
        assert sentence in run("evaluate", *arguments, status=2)
        assert not (tmp_path / "out" / "report.json").exists()


def test_rows_are_named_before_an_equals_sign(tmp_path: Path) -> None:
    (tmp_path / "T=2").mkdir()
    assert named(str(tmp_path / "T=2")) == ("", str(tmp_path / "T=2"))
    assert named(f"two={tmp_path / 'T=2'}") == ("two", str(tmp_path / "T=2"))
    assert named("T 2=runs/b") == ("T 2", "runs/b")
    assert named("runs/b") == ("", "runs/b")
    assert counts_of(["notes=3_000", "sounds=2"]) == {"notes": 3000, "sounds": 2}
    with pytest.raises(UserError, match="notes=3000"):
        counts_of(["notes"])
    with pytest.raises(UserError, match="whole number"):
        counts_of(["notes=1__0"])


@pytest.mark.parametrize(
    "verb", ["evaluate starter", "latents starter", "dissect words starter", "experiment wae-ablation"]
)
def test_a_page_of_the_users_own_is_refused_before_anything_is_computed(
    corpus: Path, run: Run, tmp_path: Path, verb: str
) -> None:
    page = tmp_path / "report.html"
    page.write_text("<h1>My thesis</h1>")
    assert "is no report by darktimbre" in run(*verb.split(), "--corpus", corpus, "--out", tmp_path, status=2)
    assert page.read_text() == "<h1>My thesis</h1>"
    assert list(tmp_path.iterdir()) == [page]
