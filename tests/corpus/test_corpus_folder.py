"""A folder of samples as people have them becomes a corpus in which nothing is lost, mixed up or counted twice."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.conftest import Run

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.folder import import_folder
from darktimbre.corpus.ingest import Summary
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import midi_to_hz, note_name

RATE = 16_000


@pytest.fixture
def src(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    return tmp_path / "src"


def imported(src: Path, **settings: Any) -> Summary:
    """The corpus `out` beside the folder."""
    return import_folder(src, src.with_name("out"), workers=1, **settings)


def put(path: Path, seconds: float = 0.3, hz: float = 220.0, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * hz * time), rate)
    return path


def test_class_pitch_and_instrument_come_from_where_a_sound_lies(src: Path) -> None:
    for name in ("drums/kicks/808 kick 4", "drums/kicks/808 kick 5", "keys/Rhodes C3", "keys/Rhodes E3 v2", "keys/C4"):
        put(src / f"{name}.wav")
    put(src / "loose.flac")
    corpus = imported(src).corpus
    notes = {corpus.note(row).id: corpus.note(row) for row in range(len(corpus))}
    kick = notes["drums/kicks/808 kick 4"]
    assert (kick.category, kick.subcategory, kick.pitch) == ("drums", "kicks", None)
    assert kick.instrument != notes["drums/kicks/808 kick 5"].instrument
    assert kick.origin == "drums/kicks/808 kick 4.wav"
    assert kick.seconds == pytest.approx(0.3)
    low, high = notes["keys/Rhodes C3"], notes["keys/Rhodes E3 v2"]
    assert (low.pitch, high.pitch) == (48, 52)
    assert low.instrument == high.instrument == "keys/Rhodes"
    assert low.split == high.split
    assert (notes["keys/C4"].instrument, notes["keys/C4"].pitch) == ("keys", 60)
    assert (notes["loose"].category, notes["loose"].instrument) == (None, "loose")


def test_rates_lengths_and_levels_arrive_as_one_shape(src: Path) -> None:
    put(src / "a_short.wav", 0.25, rate=44_100)
    put(src / "b_long.wav", 3.0, rate=48_000)
    put(src / "c_exact.wav", 0.5)
    summary = imported(src, seconds=0.5)
    assert (summary.accepted, summary.padded, summary.cut, len(summary.rejected)) == (3, 1, 1, 0)
    waves = summary.corpus.waves(np.arange(3))
    assert waves.shape == (3, 8000)
    expected = 0.5 * np.sin(2 * np.pi * 220 * np.arange(8000) / RATE)
    assert np.abs(waves[0, 200:3800] - expected[200:3800]).max() < 3e-3
    assert (waves[0, 4100:] == 0).all()
    assert np.abs(waves[1, 200:7800] - expected[200:7800]).max() < 3e-3
    assert waves[1, -1] == 0
    assert np.abs(waves[2] - expected).max() < 1e-4


def test_ids_stay_unique_when_stems_collide(src: Path) -> None:
    for name in ("a.wav", "a.flac", "a.wav.wav", "b/a.wav"):
        put(src / name)
    corpus = imported(src).corpus
    assert len(set(corpus.column("id"))) == len(corpus) == 4


def test_copies_under_other_names_lie_in_one_split(src: Path) -> None:
    for number in range(12):
        put(src / f"drums/kicks/kick {number}.wav", hz=100 + 10 * number)
        put(src / f"drums/snares/other name {number}.wav", hz=100 + 10 * number)
    summary = imported(src)
    corpus = summary.corpus
    splits = {corpus.note(row).id: corpus.note(row).split for row in range(len(corpus))}
    pairs = [(splits[f"drums/kicks/kick {n}"], splits[f"drums/snares/other name {n}"]) for n in range(12)]
    assert all(one == other for one, other in pairs)
    assert len({one for one, _ in pairs}) > 1  # or the test would show nothing
    assert any(remark.startswith("12 sounds are copies of others") for remark in summary.remarks)


def test_metadata_outranks_names(src: Path) -> None:
    for name in ("x C3.wav", "y.wav", "sub/z.wav", "bad.wav", "plain.wav"):
        put(src / name)
    (src / "metadata.csv").write_text(
        "\ufefffile_name,pitch,velocity,instrument,family,source,category,tags,mood\n"
        "x C3.wav,60,100,my piano,keyboard,acoustic,keys,bright; old,sad\n"
        "y.wav,F#4,,,,,,,\n"
        "bad.wav,high,,,,,,,\n"
        "gone.wav,60,,,,,,,\n",
        encoding="utf-8",
    )
    (src / "sub" / "metadata.csv").write_text("file_name,pitch\nz.wav,61.0\n")
    summary = imported(src)
    notes = {note.id: note for note in map(summary.corpus.note, range(summary.accepted))}
    assert notes.keys() == {"x C3", "y", "sub/z", "plain"}
    piano = notes["x C3"]
    assert (piano.pitch, piano.velocity, piano.instrument, piano.split_key) == (60, 100, "my piano", "my piano")
    assert (piano.family, piano.source, piano.category, piano.tags) == (
        "keyboard",
        "acoustic",
        "keys",
        ("bright", "old"),
    )
    assert (notes["y"].pitch, notes["sub/z"].pitch, notes["plain"].pitch) == (66, 61, None)
    reasons = dict(summary.rejected)
    assert "'high' is no pitch" in reasons["bad.wav"]
    assert "not there" in reasons["gone.wav"]
    assert any("mood" in remark for remark in summary.remarks)


def test_any_columns_can_hold_style_tags(src: Path) -> None:
    for name in ("a C3.wav", "b C3.wav", "c C3.wav", "d C3.wav"):
        put(src / name)
    (src / "metadata.csv").write_text(
        "file_name,Technique,mute,styles\na C3.wav,tremolo; soft,cup,x\nb C3.wav,a + b|tremolo,,y\nc C3.wav,,,z\n"
    )
    summary = imported(src, style_columns=["technique", "Mute"])
    styles = dict(zip(summary.corpus.column("id"), summary.corpus.column("styles"), strict=True))
    assert styles == {"a C3": ("tremolo", "soft", "cup"), "b C3": ("a+b", "tremolo"), "c C3": (), "d C3": ()}
    assert "2 of 4 notes have no style." in summary.remarks
    assert not any("technique" in remark or "mute" in remark for remark in summary.remarks)  # they were understood
    by_default = import_folder(src, src.with_name("other"), workers=1).corpus
    assert by_default.column("styles").tolist() == [("x",), ("y",), ("z",), ()]


def test_a_column_of_styles_that_is_not_there_is_named(src: Path) -> None:
    put(src / "a.wav")
    with pytest.raises(UserError, match=r"no metadata\.csv in .*'technique'.*data\.styles=category"):
        imported(src, style_columns=["technique"])
    (src / "metadata.csv").write_text("file_name,mood\na.wav,sad\n")
    with pytest.raises(UserError, match=r"No metadata\.csv in .* has a column 'technique'; there are mood"):
        imported(src, style_columns=["technique"])


def test_the_style_split_keeps_a_pitch_together_and_has_every_style_in_each_part(src: Path) -> None:
    rows = ["file_name,technique"]
    for place, technique in enumerate(("bow", "pluck")):
        for pitch in range(48, 60):
            for layer in (1, 2):
                name = f"cello {technique} {note_name(pitch)} v{layer}.wav"
                put(src / name, hz=midi_to_hz(pitch) * (1 + 0.01 * layer + 0.1 * place))
                rows.append(f"{name},{technique}")
    put(src / "copy of another D3.wav", hz=midi_to_hz(50) * 1.01)
    (src / "metadata.csv").write_text("\n".join(rows))
    corpus = imported(src, style_columns=["technique"], split="style").corpus
    parts: dict[str, set[str]] = {}
    for note in map(corpus.note, range(len(corpus))):
        parts.setdefault(note.split_key, set()).add(note.split)
    assert all(len(of) == 1 for of in parts.values())
    for technique in ("bow", "pluck"):
        here = np.array([styles == (technique,) for styles in corpus.column("styles")])
        assert set(corpus.column("split")[here]) == {"train", "valid", "test"}
    splits = dict(zip(corpus.column("id"), corpus.column("split"), strict=True))
    assert splits["copy of another D3"] == splits["cello bow D3 v1"]  # it is the same sound


def test_a_split_may_be_given(src: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        put(src / name)
    (src / "metadata.csv").write_text("file_name,split\na.wav,train\nb.wav,validation\n")
    summary = imported(src, split="given")
    assert dict(zip(summary.corpus.column("id"), summary.corpus.column("split"), strict=True)) == {
        "a": "train",
        "b": "valid",
    }
    assert [file for file, _ in summary.rejected] == ["c.wav"]


def test_pitch_is_estimated_only_where_requested_and_not_in_the_name(src: Path) -> None:
    put(src / "tone.wav", 0.8, midi_to_hz(57))
    put(src / "wrong C5.wav", 0.8, midi_to_hz(57))
    random = np.random.default_rng(0).standard_normal(RATE)
    soundfile.write(src / "noise.wav", 0.1 * random, RATE)
    for wanted, expected in (
        (False, {"tone": -1, "wrong C5": 72, "noise": -1}),
        (True, {"tone": 57, "wrong C5": 72, "noise": -1}),
    ):
        corpus = imported(src, estimate_pitch=wanted, overwrite=True).corpus
        assert dict(zip(corpus.column("id"), corpus.column("pitch"), strict=True)) == expected


def test_a_corpus_written_into_its_own_source_is_not_imported_again(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    first = import_folder(tmp_path, tmp_path / "out", workers=1)
    again = import_folder(tmp_path, tmp_path / "out", overwrite=True, workers=1)
    assert first.accepted == again.accepted == 1
    assert first.corpus.digest == again.corpus.digest
    assert not again.ignored


def test_more_workers_write_the_same_corpus(src: Path, tmp_path: Path) -> None:
    for number in range(40):
        put(src / f"{number}.wav", 0.05 + 0.01 * number, 100 + 10 * number, rate=22_050)
    one, two = (import_folder(src, tmp_path / f"out{n}", workers=n).corpus for n in (1, 2))
    assert one.digest == two.digest


def test_links_lead_neither_in_circles_nor_twice_to_one_sound(src: Path, tmp_path: Path) -> None:
    put(src / "real" / "a.wav")
    put(tmp_path / "elsewhere" / "b.wav")
    (src / "again").symlink_to(src / "real")
    (src / "outside").symlink_to(tmp_path / "elsewhere")
    (src / "real" / "up").symlink_to(src)
    (src / "copy.wav").symlink_to(src / "real" / "a.wav")
    (src / "dangling.wav").symlink_to(src / "nowhere.wav")
    (src / "self.wav").symlink_to(src / "self.wav")
    summary = imported(src)
    assert sorted(summary.corpus.column("id")) == ["outside/b", "real/a"]
    reasons = dict(summary.rejected)
    assert reasons.keys() == {"real/up", "dangling.wav", "self.wav"}
    assert "loop" in reasons["real/up"]
    assert "loop" in reasons["self.wav"]
    assert "not there" in reasons["dangling.wav"]
    assert summary.ignored == {"link to a file already read": 1, "link to a folder already read": 1}


def test_what_is_not_sound_is_counted_by_kind_and_sound_without_a_name_is_found(src: Path) -> None:
    put(src / "a.wav").with_name("tape").write_bytes((src / "a.wav").read_bytes())
    (src / "read me.txt").write_text("hello")
    (src / "cover.JPG").write_bytes(b"\xff\xd8")
    (src / ".DS_Store").write_bytes(b"")
    (src / "._a.wav").write_bytes(b"Mac resource fork")
    (src / "unknown.xyz").write_bytes(b"nothing known")
    (src / "song.wav").write_text("<html>404</html>")
    os.mkfifo(src / "pipe.wav")
    summary = imported(src)
    assert sorted(summary.corpus.column("id")) == ["a", "tape"]
    assert summary.ignored == {".jpg": 1, ".txt": 1, ".xyz": 1, "hidden": 2}
    assert dict(summary.rejected) == {"song.wav": "not a sound file", "pipe.wav": "not a regular file"}


def test_names_that_are_no_text_are_taken_all_the_same(src: Path) -> None:
    folder = os.fsencode(put(src / "a.wav").parent)
    strange = os.path.join(folder, b"t\xffm C3.wav")
    try:
        os.rename(os.path.join(folder, b"a.wav"), strange)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    note = imported(src).corpus.note(0)
    assert (note.id, note.pitch) == (r"t\xffm C3", 48)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_import_leaves_nothing(src: Path, tmp_path: Path, error: type[BaseException]) -> None:
    for number in range(30):
        put(src / f"{number}.wav")

    def stop(done: int, total: int) -> None:
        assert total == 30
        if done == 10:
            raise error

    with pytest.raises(error):
        imported(src, progress=stop)
    assert [entry.name for entry in tmp_path.iterdir()] == ["src"]


def test_nothing_usable_makes_no_corpus(src: Path, tmp_path: Path) -> None:
    (src / "a.wav").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.wav: empty"):
        imported(src)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [(b"name,pitch\na.wav,60\n", "file_name"), (b"\xff\xfe\x00b\x00", "cannot be read as a table"), (b"", "file_name")],
)
def test_a_table_that_cannot_be_understood_is_reported(src: Path, tmp_path: Path, table: bytes, message: str) -> None:
    put(src / "a.wav")
    (src / "metadata.csv").write_bytes(table)
    with pytest.raises(UserError, match=message):
        import_folder(src, tmp_path / "out")


def test_the_command_reports_and_fails_only_above_the_limit(src: Path, run: Run, tmp_path: Path) -> None:
    for number in range(9):
        put(src / f"{number}.wav")
    (src / "broken.wav").write_bytes(b"RIFF")
    command = ("import", "folder", src, tmp_path / "out", "--workers", 1)
    printed = run(*command, status=1)
    assert "broken.wav" in printed
    assert "10.0 %" in printed
    assert len(Corpus.open(tmp_path / "out")) == 9  # written all the same
    run(*command, "--max-bad", 10, "--force")
