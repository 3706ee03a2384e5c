"""Atlas, units and words: what they measure, that a stopped run ends with equal figures, and what is refused."""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.bundle.tiny import tiny_bundle
from tests.conftest import Run

from darktimbre.bundle.bundle import Bundle
from darktimbre.dissection import atlas, effects, words
from darktimbre.dissection.effects import Unit, rendered
from darktimbre.dissection.subject import generator_of
from darktimbre.dissection.words import Tried
from darktimbre.extractors.described import plain_of
from darktimbre.measures.interval import bootstrap_mean, bootstrap_means
from darktimbre.models.edits import Shift, edited
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import dissect_units
from darktimbre.pipelines.dissect import Workplace
from darktimbre.pipelines.dissect_cache import Cells
from darktimbre.report.cards import Bar, Item, Section, Sound, write
from darktimbre.synthesizer.synthesizer import Synthesizer


def test_a_dead_unit_has_no_effect_and_a_living_one_has(work: Workplace, tmp_path: Path) -> None:
    made = tiny_bundle()
    for part in ("weight", "bias"):
        made.weights[f"stages.1.second.{part}"][3] = 0
    network = made.generator()
    setattr(network, "name", "unfolded")  # noqa: B010
    instrument, notes = Synthesizer(made, network=network), work.notes(("valid",), 4)  # type: ignore[arg-type]
    describer = work.describer(work.labels(), Cells(tmp_path), evaluator=False)
    real = describer.teacher(work.corpus.waves(work.rows(("valid",), 8)))[1]
    found = dissect_units.switched_off(
        instrument, network, notes, ["stages.1"], describer, real, Cells(tmp_path, "dead")
    )
    dead, living = found[Unit("stages.1", 3)], found[Unit("stages.1", 0)]
    for way in effects.WAYS:
        assert not np.nan_to_num(dead[way]).any()
        assert np.abs(living["zero"][:, :3]).max() > 0
    assert not dead["kid"].any()
    table = effects.effects(found, notes.groups, "zero")
    assert not table[Unit("stages.1", 3)][0].clear


def test_a_unit_at_its_mean_is_what_arithmetic_says(work: Workplace) -> None:
    network = work.instrument.bundle.generator()
    notes = work.notes(("valid",), 3)
    means = effects.activations(network, notes, ["stages.1"])["stages.1"].mean(0)
    with edited(network, *Unit("stages.1", 2).off(means, "mean")):
        after = effects.activations(network, notes, ["stages.1"])["stages.1"]
    np.testing.assert_allclose(after[:, 2], means[2], atol=1e-6)


def test_many_means_by_the_same_draws() -> None:
    values = np.random.default_rng(1).standard_normal((40, 3)) + np.arange(3)
    values[:5, 2] = np.nan
    values = np.concatenate([values, np.full((40, 1), np.nan)], 1)
    groups = np.repeat(np.arange(20), 2)
    table = bootstrap_means(values, groups, resamples=4000)
    one = bootstrap_mean(values[:, 1], groups, resamples=4000)
    np.testing.assert_allclose(table[:, 1], one, atol=0.03)
    assert table[0, 2] == pytest.approx(np.nanmean(values[:, 2]))
    assert np.isnan(table[:, 3]).all()


def test_another_network_tells_an_interpretable_unit_from_noise() -> None:
    random = np.random.default_rng(0)
    embedding = random.standard_normal((200, 8)).astype(np.float32)
    embedding[:, 0] *= 4
    read = atlas.interpretability(embedding[:, 0], embedding)
    noise = [atlas.interpretability(random.standard_normal(200), embedding, seed=seed).mean() for seed in range(8)]
    assert read.mean() > 0.95
    assert abs(np.mean(noise) - 0.5) < 0.15
    shown = atlas.interpretability(embedding[:, 0], embedding, embedding[np.argsort(embedding[:, 0])[-2:]])
    assert shown.mean() > 0.95


def test_plain_measures_of_a_tone() -> None:
    time = np.arange(4000) / 8000
    tones = np.stack([0.1 * np.sin(2 * np.pi * hertz * time) for hertz in (220.0, 440.0)]).astype(np.float32)
    found = plain_of(tones, np.array([57.0, 57.0]), 8000)
    np.testing.assert_allclose(found[:, 0], -23.01, atol=0.02)
    np.testing.assert_allclose(found[1] - found[0], [0, 1, 12], atol=0.05)


def test_a_sought_direction_causes_the_word_more_than_random_ones(
    work: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for restraint in ("HARMONIC", "LEVELLED"):  # of a random network, every direction moves level and partials
        monkeypatch.setattr(words, restraint, 0.0)
    instrument, notes = work.instrument, work.notes(("train",), 12)
    subject = generator_of(instrument, work.tagger)
    along = words.sought(subject, {"stages.1": 8}, notes, "Bagpipes", float(work.spread[3]))
    length = words.STRENGTH * 8**0.5
    assert np.linalg.norm(along) <= length * (1 + 1e-4)

    def moved(direction: tuple[float, ...]) -> float:
        after, before = (rendered(instrument, notes, edits) for edits in ((Shift("stages.1", direction, 1.0),), ()))
        after *= np.sqrt(np.square(before).mean(1) / np.square(after).mean(1))[:, None]
        logits = [work.tagger.logits(torch.from_numpy(waves))[:, 3] for waves in (after, before)]
        return float((logits[0] - logits[1]).mean())

    random = [moved(one) for one in words.random_directions(8, 10)]
    assert moved(along) > sorted(random)[-2]  # of ten; the network is random, and has local maxima
    assert not any(module._forward_hooks for module in subject.network.modules())


def passed(**changes: Any) -> Tried:
    moved, random = np.full(64, 0.6, np.float32), np.zeros(20, np.float32)
    row = tuple(np.linspace(-1, 1, 8).tolist())
    one = Tried(
        "Bagpipes", ("stages.1",), row, moved, 0.9, random, 0.0, 0.8, {"brightness (octaves)": 0.4, "level (dB)": 0}
    )
    return replace(one, **changes)


def test_a_softer_sound_has_the_same_words_at_equal_loudness(work: Workplace, tmp_path: Path) -> None:
    describer = work.describer(["Bagpipes", "Choir"], Cells(tmp_path), evaluator=True)
    notes = work.notes(("valid",), 3)
    waves = rendered(work.instrument, notes)
    before, alike = (describer.describe(waves * gain, notes.midi, like=waves) for gain in (1.0, 0.25))
    np.testing.assert_allclose(alike.labels, before.labels, atol=1e-3)
    np.testing.assert_allclose(alike.evaluator, before.evaluator, atol=1e-3)
    np.testing.assert_allclose((alike.plain - before.plain)[:, 0], 20 * np.log10(0.25), atol=0.02)
    assert np.abs(describer.describe(waves * 0.25, notes.midi).labels - before.labels).max() > 0.1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trust": 0.2}, "does not know the word"),
        ({"trust": float("nan")}, "does not know the word"),
        ({"moved": np.full(64, 0.3, np.float32)}, r"by \+0.30 deviations only"),
        ({"moved": np.where(np.arange(64) < 40, 1.5, -0.5).astype(np.float32)}, "in 62% of the notes only"),
        ({"random": np.linspace(0, 0.7, 20).astype(np.float32)}, "more than 17 of 20 random"),
        ({"lost": 0.03}, "3.0 points of the notes in tune"),
    ],
)
def test_what_an_edit_is_refused_for(changes: Any, reason: str) -> None:
    assert passed().refused is None
    assert passed().kept().also == ("brighter",)
    refused = passed(**changes).refused
    assert refused is not None
    assert re.search(reason, refused)


def test_kept_edits_are_sliders_of_a_copy_or_of_the_bundle_itself(
    work: Workplace, tiny_folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("--corpus", work.corpus.path, "--words", "bagpipes,Choir", "--quick")
    monkeypatch.setattr(Tried, "refused", property(lambda one: None if one.name == "Bagpipes" else "of this test"))
    said = run("dissect", "words", tiny_folder, *common, "--out", tmp_path / "out")
    assert "Bagpipes: kept." in said
    assert "Choir: refused, of this test." in said
    made = Bundle.from_pretrained(tmp_path / "out" / "bundle")
    assert [edit.name for edit in made.edits] == ["Bagpipes"]
    assert not Bundle.from_pretrained(tiny_folder).edits
    run("dissect", "words", tiny_folder, *common, "--out", tmp_path / "out", "--keep")
    assert [edit.name for edit in Bundle.from_pretrained(tiny_folder).edits] == ["Bagpipes"]
    assert "| Bagpipes | stages.0, stages.1 |" in (tiny_folder / "README.md").read_text()
    run("synth", "random", tiny_folder, tmp_path / "sounds", "--set", "Bagpipes=1", "--count", 1)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [one["name"] for one in report["words"]] == ["Bagpipes", "Choir"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "refused: of this test" in page
    monkeypatch.setattr(Tried, "refused", property(lambda one: "of this test"))
    said = run("dissect", "words", work.instrument.bundle.origin, *common, "--out", tmp_path / "out", "--seed", 1)
    assert "No edit passed" in said
    assert not (tmp_path / "out" / "bundle").exists()  # that of the run before


@pytest.mark.parametrize("verb", ["atlas", "units"])
def test_a_stopped_run_goes_on_unit_by_unit_and_ends_with_equal_figures(
    verb: str, work: Workplace, tiny_folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dissect(out: Path, status: int = 0) -> None:
        run("dissect", verb, tiny_folder, "--corpus", work.corpus.path, "--out", out, "--quick", status=status)

    dissect(tmp_path / "whole")
    made, stop, count = Cells.cell, 3, [0]

    def stopping(self: Cells, name: str, make: Any) -> Any:
        count[0] += 1
        if count[0] > stop:
            raise SystemExit(9)
        return made(self, name, make)

    monkeypatch.setattr(Cells, "cell", stopping)
    dissect(tmp_path / "stopped", status=9)
    assert not (tmp_path / "stopped" / "report.json").exists()
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "stopped").rglob("*.safetensors")}
    assert len(kept) == stop
    monkeypatch.setattr(Cells, "cell", made)
    dissect(tmp_path / "stopped")
    assert all(file.stat().st_mtime_ns == when for file, when in kept.items())
    reports = [(tmp_path / one / "report.json").read_text() for one in ("whole", "stopped")]
    assert reports[0] == reports[1]


KILLED = """
import sys, time
from pathlib import Path
from tests.dissection.conftest import BandTagger, second_network
from darktimbre import teachers
from darktimbre.cli import console
from darktimbre.pipelines.dissect import Workplace
from darktimbre.pipelines.dissect_atlas import dissect_atlas
from darktimbre.pipelines.dissect_cache import Cells
teachers.load = lambda *_, **__: BandTagger()
Workplace.evaluator = second_network()
made = Cells.cell
Cells.cell = lambda *given: (made(*given), time.sleep(1))[0]  # so that there is time to kill it
dissect_atlas(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), console, quick=True)
"""


def test_an_atlas_that_was_killed_resumes_to_equal_figures(
    work: Workplace, tiny_folder: Path, run: Run, tmp_path: Path
) -> None:
    """By SIGKILL, which no code of ours gets to see."""

    def dissect(out: Path) -> str:
        run("dissect", "atlas", tiny_folder, "--corpus", work.corpus.path, "--out", out, "--quick")
        return (out / "report.json").read_text()

    killed = tmp_path / "killed"
    arguments = [sys.executable, "-c", KILLED, str(tiny_folder), str(work.corpus.path), str(killed)]
    process = subprocess.Popen(arguments, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while len(list(killed.rglob("*.safetensors"))) < 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.kill()
        said = process.communicate()[1]
    assert process.returncode == -signal.SIGKILL, said
    kept = {file: file.stat().st_mtime_ns for file in killed.rglob("*.safetensors")}
    assert 3 <= len(kept) < 5  # the real notes' and those of four units
    assert not (killed / "report.json").exists()
    assert dissect(killed) == dissect(tmp_path / "whole")
    assert all(file.stat().st_mtime_ns == when for file, when in kept.items())


def test_a_damaged_result_is_made_again(tmp_path: Path) -> None:
    cells = Cells(tmp_path, "one", 1)
    first = cells.cell("a", lambda: {"x": torch.arange(3)})
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1])
    assert torch.equal(cells.cell("a", lambda: {"x": torch.arange(3)})["x"], first["x"])
    assert torch.equal(cells.cell("a", lambda: {"x": torch.zeros(1)})["x"], first["x"])
    assert Cells(tmp_path, "one", 2).folder != cells.folder


@pytest.mark.parametrize(
    ("words_", "sentence"),
    [
        (("words", "--words", "Bagpipe"), "There is no label 'Bagpipe'. Did you mean 'Bagpipes'?"),
        (("words", "--words", "trumpet"), "'Trumpet' is a slider of this instrument already"),
        (("words",), "Name words, as in"),
        (("words", "--words", "Choir", "--layer", "stages.2"), "those that can be are stages.0, stages.1"),
        (("units", "--layer", "stages.7"), "no stage 'stages.7'; it has stages.0, stages.1, stages.2"),
        (("atlas", "--of", "ear"), "no network 'ear' to look at; choose one of critic, encoder, teacher, classifier"),
        (("atlas", "--of", "encoder"), "has no encoder"),
        (("atlas", "--of", "classifier"), "Name a classifier"),
    ],
)
def test_what_is_not_there_is_refused_in_a_sentence(
    words_: tuple[str, ...], sentence: str, work: Workplace, tiny_folder: Path, run: Run, tmp_path: Path
) -> None:
    verb, *rest = words_
    said = run("dissect", verb, tiny_folder, "--corpus", work.corpus.path, "--out", tmp_path / "out", *rest, status=2)
    assert sentence in said
    assert not (tmp_path / "out").exists()


def test_without_a_second_network_nothing_is_kept(work: Workplace, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Workplace, "evaluator", None)
    with pytest.raises(UserError, match="What optimises must not evaluate"):
        work.describer(["Choir"], Cells(tmp_path), evaluator=True)


def test_a_page_holds_everything_and_no_text_is_markup(tmp_path: Path) -> None:
    tone = Sound("a <b>tone</b>", np.sin(np.arange(4000) * 0.3).astype(np.float32), 8000)
    item = Item("unit 1", "", [Bar("effect", -0.5, -0.7, -0.3), Bar("other", None)], [tone], [tone.picture])
    page = write(
        tmp_path, "A <i>title</i>", "", [Section("Units", "", [item, item]), Section("T", table=[["a"], ["1"]])], {}
    )
    text = page.read_text()
    assert "<b>tone" not in text
    assert "<i>title" not in text
    assert "data:audio/flac;base64," in text
    assert "data:image/png;base64," in text
    assert "http" not in text.replace("http-equiv", "")
