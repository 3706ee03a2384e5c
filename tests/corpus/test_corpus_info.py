"""`render` and `info` at the command line: the facts add up, the picture shows them, mistakes end in one sentence."""

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from tests.conftest import Run
from typer.testing import CliRunner

from darktimbre.cli.main import app
from darktimbre.cli.options import numbers
from darktimbre.corpus.builtin import render_builtin
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.describe import describe
from darktimbre.corpus.plots import save, spectrogram
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note

RATE = 16_000


@pytest.fixture(scope="module")
def orchestra(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return render_builtin(tmp_path_factory.mktemp("corpora") / "orchestra", limit=84, seconds=0.2)


def test_the_facts_add_up(orchestra: Corpus) -> None:
    facts = describe(orchestra)
    assert sum(row["notes"] for row in facts["kinds"].values()) == facts["notes"] == 84
    assert sum(part["notes"] for part in facts["splits"].values()) == 84
    assert sum(part["instruments"] for part in facts["splits"].values()) == facts["instruments"] == 28  # none in two
    for row in facts["kinds"].values():
        assert row["train"] + row["valid"] + row["test"] == row["notes"]
    assert list(facts["kinds"])[:3] == ["bass", "brass", "flute"]
    assert list(facts["kinds"])[-1] == "drums"
    assert facts["pitch"] == {"lowest": 44, "highest": 69, "names": "G#2 to A4", "unpitched": 6, "from": {}}
    assert facts["peak_db"]["5%"] <= facts["peak_db"]["median"] <= facts["peak_db"]["95%"] <= 0
    assert json.loads(json.dumps(facts)) == facts


def test_tags_and_empty_splits_are_remarked(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "c", sample_rate=RATE, samples=100) as writer:
        writer.add(Note(id="a", instrument="only one", origin="", seconds=1.0), np.zeros(100))
        writer.reject("b.wav", "unreadable: no such codec")
        writer.reject("c.wav", "unreadable: cut short")
    (tmp_path / "c" / "tags" / "yamnet").mkdir(parents=True)
    (tmp_path / "c" / "tags" / "yamnet" / "tags.json").write_text("{}")
    facts = describe(writer.corpus)
    assert facts["tagged_by"] == ["yamnet"]
    assert facts["rejected"] == {"unreadable": 2}
    assert any("--split random" in remark for remark in facts["remarks"])
    assert facts["pitch"]["lowest"] is None
    save(writer.corpus, tmp_path / "one.png")  # one silent, unpitched note still makes a picture


def test_a_spectrogram_shows_a_sine_where_it_is() -> None:
    for hz in (110.0, 440.0, 3000.0):
        level = spectrogram(np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32), RATE)
        edges = np.geomspace(60.0, RATE / 2, len(level) + 1)
        band = int(level[:, level.shape[1] // 2].argmax())
        assert edges[band] * 0.96 < hz < edges[band + 1] * 1.04
        assert level.max() == 0
        assert level.min() >= -75


def test_the_picture_is_drawn_and_full(orchestra: Corpus, run: Run, tmp_path: Path) -> None:
    assert "84 of 28 instruments" in run("info", orchestra.path, "--plot", tmp_path / "p.png")
    picture = matplotlib.image.imread(tmp_path / "p.png")[..., :3]
    assert picture.shape[1] == 1430
    lower = picture[picture.shape[0] // 2 :]
    assert (lower.mean(axis=2) < 0.95).mean() > 0.6  # the lower half is a grid of spectrograms
    assert [file.name for file in tmp_path.iterdir()] == ["p.png"]


def test_info_speaks_json(orchestra: Corpus, run: Run) -> None:
    assert json.loads(run("info", orchestra.path, "--json", "--verify"))["digest"] == orchestra.digest


def test_info_on_nothing_ends_in_one_sentence(run: Run, tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["info", str(tmp_path / "nothing")])
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "There is no corpus in" in ended.stderr
    assert "Traceback" not in ended.stderr
    (tmp_path / "x.sf2").write_bytes(b"RIFF")
    assert "not a SoundFont" in run("info", tmp_path / "x.sf2", status=2)


def test_render_builtin_makes_a_corpus_and_guards_it(run: Run, tmp_path: Path) -> None:
    command = ("render", tmp_path / "c", "--builtin", "--limit", 28, "--seconds", 0.1, "--pitches", "C4-E4,70")
    printed = run(*command)
    assert "28 of 28 instruments" in printed
    assert "notes/s" in printed
    assert set(Corpus.open(tmp_path / "c").column("pitch").tolist()) == {-1, 60, 61, 62, 63, 64, 70}
    assert "--force" in run(*command, status=2)
    run(*command, "--force")
    assert "leave out --soundfont, --banks" in run("render", tmp_path / "d", "--builtin", "--banks", "8", status=2)


def test_numbers_are_read_as_people_write_them() -> None:
    assert numbers("0,8,128", 0, 128, "banks") == (0, 8, 128)
    assert numbers("44-46, 45 , 60", 0, 127, "pitches") == (44, 45, 46, 60)
    assert numbers("A3-C4", 0, 127, "pitches") == (57, 58, 59, 60)
    for wrong in ("", "x", "46-44", "0-128", "A3-", "-3", "C99"):
        with pytest.raises(UserError):
            numbers(wrong, 0, 127, "pitches")
    with pytest.raises(UserError, match="banks"):
        numbers("C4", 0, 128, "banks")
