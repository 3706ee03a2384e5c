"""NSynth from its folder and from its archive is the same corpus; filters, gaps and broken tables are reported."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.conftest import Run

from darktimbre.corpus.nsynth import import_nsynth
from darktimbre.notes.errors import UserError

NOTES = [("bass_synthetic_000", "bass", "synthetic", 40), ("bass_synthetic_000", "bass", "synthetic", 44),
         ("reed_acoustic_001", "reed", "acoustic", 69), ("reed_acoustic_001", "reed", "acoustic", 70),
         ("vocal_acoustic_002", "vocal", "acoustic", 60)]  # fmt: skip


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """Five notes in NSynth's layout."""
    folder = tmp_path / "nsynth-test"
    (folder / "audio").mkdir(parents=True)
    table = {}
    for instrument, family, source, pitch in NOTES:
        key = f"{instrument}-{pitch:03d}-100"
        table[key] = {
            "instrument": 1, "instrument_str": instrument, "instrument_family_str": family,
            "instrument_source_str": source,
            "note_str": key, "pitch": pitch, "velocity": 100, "qualities_str": ["bright"], "sample_rate": 16000,
        }  # fmt: skip
        samples = 0.3 * np.sin(np.arange(64_000) * pitch / 1000)
        soundfile.write(folder / "audio" / f"{key}.wav", samples, 16_000)
    (folder / "examples.json").write_text(json.dumps(table))
    return folder


def pack(folder: Path, archive: Path, table_first: bool = True) -> Path:
    files = [folder / "examples.json", *sorted((folder / "audio").iterdir())]
    with tarfile.open(archive, "w:gz") as tar:
        for file in files if table_first else files[::-1]:
            tar.add(file, f"nsynth-test/{file.relative_to(folder)}")
    return archive


def test_what_nsynth_knows_is_kept(mini: Path, tmp_path: Path) -> None:
    summary = import_nsynth(mini, tmp_path / "out", workers=1)
    corpus = summary.corpus
    assert (len(corpus), corpus.samples, corpus.meta["licence"]) == (5, 64_000, "CC-BY-4.0")
    note = corpus.note(0)
    assert (note.id, note.instrument, note.pitch, note.velocity) == (
        "bass_synthetic_000-040-100",
        "bass_synthetic_000",
        40,
        100,
    )
    assert (note.family, note.source, note.tags) == ("bass", "synthetic", ("bright",))
    stored, _ = soundfile.read(mini / note.origin, dtype="int16")
    assert (corpus.int16([0])[0] == stored).all()
    splits = {(corpus.note(row).instrument, corpus.note(row).split) for row in range(5)}
    assert len(splits) == 3  # one split for each instrument


@pytest.mark.parametrize("table_first", [True, False])
def test_the_archive_is_the_same_corpus_as_the_folder(mini: Path, tmp_path: Path, table_first: bool) -> None:
    archive = pack(mini, tmp_path / "nsynth-test.jsonwav.tar.gz", table_first)
    unpacked, packed = (
        import_nsynth(src, tmp_path / f"out{k}", workers=1).corpus for k, src in enumerate((mini, archive))
    )
    assert set(unpacked.column("id")) == set(packed.column("id"))
    order = [list(packed.column("id")).index(key) for key in unpacked.column("id")]
    assert (packed.int16(order) == unpacked.int16(np.arange(5))).all()
    assert [packed.note(row) for row in order] == [unpacked.note(row) for row in range(5)]


def test_the_papers_subset_is_one_flag(mini: Path, tmp_path: Path) -> None:
    summary = import_nsynth(mini, tmp_path / "out", paper=True, workers=1)
    assert sorted(summary.corpus.column("pitch")) == [44, 60, 69]
    assert summary.corpus.samples == 16_000
    assert summary.cut == 3
    assert summary.ignored == {"outside the filters": 2}


def test_filters(mini: Path, tmp_path: Path) -> None:
    kept = import_nsynth(mini, tmp_path / "a", families=["reed", "vocal"], pitches=(60, 69), workers=1).corpus
    assert sorted(kept.column("pitch")) == [60, 69]
    kept = import_nsynth(mini, tmp_path / "b", sources=["synthetic"], workers=1).corpus
    assert set(kept.column("family")) == {"bass"}
    with pytest.raises(UserError, match="mallet"):
        import_nsynth(mini, tmp_path / "c", families=["drums"])
    with pytest.raises(UserError, match="widen"):
        import_nsynth(mini, tmp_path / "c", pitches=(100, 101))


def test_nsynths_own_split_is_used_only_when_requested(mini: Path, tmp_path: Path) -> None:
    corpus = import_nsynth(mini, tmp_path / "out", split="given", workers=1).corpus
    assert set(corpus.column("split")) == {"test"}
    renamed = mini.rename(tmp_path / "mine")
    with pytest.raises(UserError, match="--given"):
        import_nsynth(renamed, tmp_path / "out2", split="given")


def test_gaps_and_extras_are_reported(mini: Path, tmp_path: Path) -> None:
    (mini / "audio" / "vocal_acoustic_002-060-100.wav").unlink()
    (mini / "audio" / "reed_acoustic_001-069-100.wav").write_bytes(b"RIFF")
    (mini / "audio" / "stranger.wav").write_bytes(b"?")
    table = json.loads((mini / "examples.json").read_text())
    table["bass_synthetic_000-040-100"]["pitch"] = "low"
    del table["bass_synthetic_000-044-100"]["instrument_str"]
    (mini / "examples.json").write_text(json.dumps(table))
    for number, src in enumerate((mini, pack(mini, tmp_path / "a.tar.gz"))):
        summary = import_nsynth(src, tmp_path / f"out{number}", workers=1)
        assert list(summary.corpus.column("id")) == ["reed_acoustic_001-070-100"]
        assert summary.ignored == {"not in examples.json": 1}
        reasons = dict(summary.rejected)
        assert len(reasons) == 4
        assert "not there" in reasons["audio/vocal_acoustic_002-060-100.wav"]
        assert "no instrument_str" in reasons["audio/bass_synthetic_000-044-100.wav"]
        assert "'low' is no pitch" in reasons["audio/bass_synthetic_000-040-100.wav"]


def test_what_is_not_nsynth_is_reported_in_a_sentence(mini: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Did you mean .*nsynth-test"):
        import_nsynth(tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="no folder and no archive"):
        import_nsynth(tmp_path / "none", tmp_path / "out")
    whole = pack(mini, tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.tar.gz").write_text("no archive")
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w:gz").close()
    (tmp_path / "empty.tar.gz").write_bytes(empty.getvalue())
    for name, message in (("cut", "damaged"), ("text", "damaged or no archive"), ("empty", r"no examples\.json")):
        with pytest.raises(UserError, match=message):
            import_nsynth(tmp_path / f"{name}.tar.gz", tmp_path / "out", workers=1)
    for text in ("[1]", '{"a": 1}', "{", "[" * 100_000):
        (mini / "examples.json").write_text(text)
        with pytest.raises(UserError, match=r"examples\.json"):
            import_nsynth(mini, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_real_notes_through_the_command(shared: Callable[[str], Path], run: Run, tmp_path: Path) -> None:
    command = ("import", "nsynth", shared("sounds/nsynth-mini"))
    assert "33 notes of 1 s" in run(*command, tmp_path / "out", "--paper", "--workers", 1)
    some = run(*command, tmp_path / "b", "--pitches", "C4-C4", "--family", "organ", "--workers", 1)
    assert "6 notes of 4 s" in some
