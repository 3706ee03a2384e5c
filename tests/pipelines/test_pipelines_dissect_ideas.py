"""The document's ideas, tried on a small instrument of random weights: figures, page, going on after a kill."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.bundle.tiny import tiny_bundle

from darktimbre.bundle.bundle import Bundle
from darktimbre.cli import console
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import dissect_ideas, dissect_image
from darktimbre.synthesizer.synthesizer import Synthesizer

SMALL = dissect_ideas.Counts(seeds=2, steps=4, image_steps=1, units=2, natural=16)


@pytest.fixture(scope="module")
def instrument() -> Synthesizer:
    return Synthesizer(tiny_bundle())


def test_every_idea_has_figures_and_a_killed_run_ends_with_equal_ones(
    instrument: Synthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dissect_image, "installed", lambda: False)
    found = dissect_ideas.ideas(instrument, tmp_path, console, counts=SMALL)
    assert found == json.loads((tmp_path / "report.json").read_text())
    assert {"latents", "together", "sanity", "words"} <= set(found)
    lengths = {name: one["length"] for name, one in found["latents"].items()}
    assert all(length == pytest.approx(1, abs=1e-4) for name, length in lengths.items() if name != "free")
    assert found["together"]["from one to the other"][0] == pytest.approx(found["together"]["alone"][0], abs=1e-4)
    assert "audio/flac" in (tmp_path / "report.html").read_text()
    for file in list((tmp_path / "cells").rglob("*.safetensors"))[::2]:
        file.unlink()
    assert dissect_ideas.ideas(instrument, tmp_path, console, counts=SMALL) == found


@pytest.mark.skipif(not dissect_image.installed(), reason="the extra `images` is not installed")
def test_images_are_written_in_every_way_and_what_fails_is_listed(instrument: Synthesizer, tmp_path: Path) -> None:
    subject = dissect_ideas.generator_of(instrument)
    cells = dissect_ideas.Cells(tmp_path, 0)
    tried = dissect_ideas.Tried(instrument, subject, "stages.1", SMALL, 0, cells)
    found, section = tried.images()
    assert len(found) == len(section.items) == len(section.table) - 1
    assert {row[-1] for row in section.table[1:]} == {"fails"}  # one step is none


def test_sounds_are_written_in_every_way_and_small_changes_have_their_level(tmp_path: Path) -> None:
    instrument = Synthesizer(Bundle.from_pretrained("starter", discriminator=True))
    word = dissect_ideas.hearable(instrument)
    assert word == "Piano"
    counts = dissect_ideas.Counts(seeds=1, sound_steps=2, natural=16)
    cells = dissect_ideas.Cells(tmp_path, 0)
    tried = dissect_ideas.Tried(instrument, dissect_ideas.generator_of(instrument), "stages.2", counts, 0, cells)
    found, section = tried.sounds(word)
    assert found["the same, changed at −30 dB"]["p"] > 3 * found["a note without it"]["p"]
    note, changed = section.items[-4].sounds[0].wave, section.items[-2].sounds[0].wave
    assert 20 * np.log10(np.linalg.norm(changed - note) / np.linalg.norm(note)) <= -29.9


def test_without_a_discriminator_there_is_nothing_to_evaluate_sounds_by(instrument: Synthesizer) -> None:
    assert dissect_ideas.hearable(instrument) is None


def test_an_unknown_layer_names_near_ones(instrument: Synthesizer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Did you mean 'stages\.1'"):
        dissect_ideas.ideas(instrument, tmp_path, console, layer="stage.1", counts=SMALL)
