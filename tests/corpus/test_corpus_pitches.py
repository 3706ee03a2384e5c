"""Where a pitch comes from: a table before the file's root note before its name before the sound; each is counted."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.conftest import Run
from tests.corpus.test_corpus_folder import imported, put

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.describe import describe
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.export import riff
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import midi_to_hz

RATE = 16_000


@pytest.fixture
def src(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    return tmp_path / "src"


def rooted(path: Path, root: float, kind: str = "smpl", sounding: float = 57) -> None:
    """A sine with a root note in its file, as samplers (`smpl`, `inst`), Acid and AIFF write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.5 * np.sin(2 * np.pi * midi_to_hz(sounding) * np.arange(8000) / RATE)
    if kind == "AIFF":
        soundfile.write(path, wave, RATE, format="AIFF")
        chunk = b"INST" + struct.pack(">IBbBBBBh12x", 20, round(root), 0, 0, 127, 1, 127, 0)
        content = path.read_bytes() + chunk
        path.write_bytes(content[:4] + struct.pack(">I", len(content) - 8) + content[8:])
        return
    tagged = riff.wav(wave, RATE, tags=riff.Tags(root=root if kind == "smpl" else None))
    if kind == "inst":
        tagged += b"inst" + struct.pack("<IBbbBBBBx", 7, round(root), 0, 0, 0, 127, 1, 127)
    if kind == "acid":
        tagged += b"acid" + struct.pack("<IIHHfIHHf", 24, 2, round(root), 0x8000, 0, 4, 4, 4, 120.0)
    path.write_bytes(tagged[:4] + struct.pack("<I", len(tagged) - 8) + tagged[8:])


def pitches(corpus: Corpus) -> dict[str, int]:
    return dict(zip(corpus.column("id").tolist(), corpus.column("pitch").tolist(), strict=True))


def cells(printed: str) -> str:
    """What `info` prints without the lines of its tables."""
    return " ".join(printed.replace("│", " ").split())


@pytest.mark.parametrize("kind", ["smpl", "inst", "acid", "AIFF"])
def test_a_root_note_in_the_file_is_the_pitch_and_running_numbers_are_no_instruments(src: Path, kind: str) -> None:
    for number, root in enumerate((60, 64, 67), start=1):
        rooted(src / f"Marimba-{number:02d}.{'aif' if kind == 'AIFF' else 'wav'}", root, kind)
    corpus = imported(src).corpus
    assert sorted(pitches(corpus).values()) == [60, 64, 67]
    assert set(corpus.column("instrument")) == {"Marimba"}
    assert describe(corpus)["pitch"]["from"] == {"files' root notes": 3}


def test_the_table_outranks_the_root_note_and_that_the_name_and_that_the_sound(src: Path, run: Run) -> None:
    rooted(src / "a C4.wav", 62)
    rooted(src / "b C4.wav", 63)
    rooted(src / "c.wav", 57.4)
    put(src / "d C4.wav", 0.8, midi_to_hz(60))
    put(src / "e.wav", 0.8, midi_to_hz(57))
    put(src / "f.wav", 0.8, midi_to_hz(57))
    (src / "metadata.csv").write_text("file_name,pitch\na C4.wav,65\n")
    summary = imported(src, estimate_pitch=True)
    assert pitches(summary.corpus) == {"a C4": 65, "b C4": 63, "c": 57, "d C4": 60, "e": 57, "f": 57}
    assert describe(summary.corpus)["pitch"]["from"] == {"files' root notes": 2, "names": 1, "sound": 2, "table": 1}
    assert 'b C4.wav,"its name says 60, its root note is 63' in (summary.corpus.path / "remarks.csv").read_text()
    printed = cells(run("info", summary.corpus.path))
    assert "2 from the files' root notes, 1 from the names, 2 from the sound, 1 from the table" in printed


def test_a_root_note_that_all_files_have_says_nothing(src: Path) -> None:
    for name in ("kick 1", "kick 2", "snare 1"):  # editors write 60 where they were told nothing
        rooted(src / "drums" / f"{name}.wav", 60)
    for name in ("Pad C3", "Pad E3"):
        rooted(src / "pads" / f"{name}.wav", 72)
    rooted(src / "zero" / "a.wav", 0)
    summary = imported(src)
    assert set(pitches(summary.corpus).values()) == {-1, 48, 52}
    assert any("not believed: 5" in remark for remark in summary.remarks)


def test_root_notes_an_octave_above_the_names_show_that_C3_is_60(src: Path) -> None:
    rooted(src / "Pad C3.wav", 60)
    rooted(src / "Pad E3.wav", 64)
    put(src / "Pad G3.wav")  # without a root note
    summary = imported(src)
    assert pitches(summary.corpus) == {"Pad C3": 60, "Pad E3": 64, "Pad G3": 67}
    assert any("count C3 as MIDI 60" in remark for remark in summary.remarks)


def test_the_convention_is_found_per_folder_or_stated(src: Path, run: Run, tmp_path: Path) -> None:
    for name in ("one/Pad_060_C3_127", "one/Pad_048_C2_127", "two/Cello A3", "two/Cello B3"):
        put(src / f"{name}.wav")
    (src / "metadata.csv").write_text("file_name,pitch\ntwo/Cello B3.wav,B3\n")
    printed = run("import", "folder", src, tmp_path / "c", "--workers", 1)
    assert "Names in one count C3 as MIDI 60" in printed
    assert sorted(pitches(Corpus.open(tmp_path / "c")).values()) == [48, 57, 59, 60]
    for stated, expected in (("C3", [48, 60, 69, 71]), ("c4", [36, 48, 57, 59])):
        run("import", "folder", src, tmp_path / "c", "--workers", 1, "--middle-c", stated, "--force")
        assert sorted(pitches(Corpus.open(tmp_path / "c")).values()) == expected
    with pytest.raises(UserError, match="C3 or C4"):
        imported(src, middle_c="D4")


def test_estimates_are_compared_with_what_is_written(src: Path) -> None:
    for key, name in ((57, "right A3"), (69, "octave A3"), (81, "octave A4"), (64, "wrong C4")):
        put(src / f"{name}.wav", 0.8, midi_to_hz(key))
    summary = imported(src, estimate_pitch=True)
    assert pitches(summary.corpus) == {"right A3": 57, "octave A3": 57, "octave A4": 69, "wrong C4": 60}  # as written
    listed = (summary.corpus.path / "remarks.csv").read_text()
    assert "right A3" not in listed
    for name, pitch, sound in (("octave A3", 57, 69), ("wrong C4", 60, 64)):
        assert f'{name}.wav,"its pitch is {pitch}, the sound\'s {sound}.0 (MIDI)"' in listed
    assert any(remark.startswith("3 of 4 pitches disagree with the sound") for remark in summary.remarks)
    assert not any("--middle-c" in remark for remark in summary.remarks)
    (src / "wrong C4.wav").unlink()
    assert any("--middle-c C3" in remark for remark in imported(src, estimate_pitch=True, overwrite=True).remarks)


def test_info_claims_nothing_that_it_did_not_check(run: Run, tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "c", sample_rate=RATE, samples=10, split="given") as writer:
        for number, split in enumerate(("train", "test", "train")):
            note = Note(id=str(number), instrument="ab"[number // 2], origin="", seconds=1.0, split=split)
            writer.add(note, np.full(10, number))
    assert describe(writer.corpus)["divided"] == {"unit": "instrument", "in_several": 1}
    assert "1 of the instruments in two parts" in cells(run("info", tmp_path / "c"))
    with CorpusWriter(tmp_path / "d", sample_rate=RATE, samples=10) as writer:
        for number in range(12):
            writer.add(Note(id=str(number), instrument=f"A_{number}", origin="", seconds=1.0, pitch=60), np.zeros(10))
    printed = cells(run("info", tmp_path / "d"))
    assert "no instrument in two parts" in printed
    assert "Hardly any of the 12 pitched notes share an instrument" in printed
