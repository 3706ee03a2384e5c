"""The corpus folder: what goes in comes out, whole or not at all, and damage is named."""

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter, check_destination
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note

RATE, SAMPLES = 8000, 64


def sounds(count: int) -> np.ndarray:
    return np.random.default_rng(7).integers(-32768, 32768, (count, SAMPLES)).astype(np.int16)


def note(index: int) -> Note:
    return Note(
        id=f"note {index}",
        instrument=f"instrument {index % 5}",
        origin=f"folder/{index}.wav",
        seconds=0.5,
        pitch=None if index % 4 == 0 else 40 + index % 60,
        velocity=None if index % 3 == 0 else 100,
        family=None if index % 2 else "brass",
        tags=("bright", "é") if index % 2 else (),
    )


def write(path: Path, audio: np.ndarray, **settings: object) -> Corpus:
    with CorpusWriter(path, sample_rate=RATE, samples=SAMPLES, licence="CC0-1.0", **settings) as writer:
        for index, sound in enumerate(audio):
            writer.add(note(index), sound)
    return writer.corpus


def test_what_goes_in_comes_out_over_several_shards(tmp_path: Path) -> None:
    audio = sounds(2500)
    corpus = write(tmp_path / "c", audio)
    assert corpus.shards == [(0, 1024), (1024, 2048), (2048, 2500)]
    rows = np.random.default_rng(1).permutation(2500)[:300]
    np.testing.assert_array_equal(corpus.int16(rows), audio[rows])
    np.testing.assert_array_equal(corpus.waves(rows) * 32768, audio[rows])
    np.testing.assert_array_equal(corpus.shard(2), audio[2048:])
    for index in (0, 1, 1023, 1024, 2499):
        stored = corpus.note(index)
        assert stored == Note(**{**{f: getattr(note(index), f) for f in Note.__slots__}, "split": stored.split,
                                 "split_key": note(index).instrument})  # fmt: skip
    corpus.verify()


def test_floats_are_stored_to_half_a_step_and_clip_at_full_scale(tmp_path: Path) -> None:
    wave = np.linspace(-1.2, 1.2, SAMPLES)
    corpus = write(tmp_path / "c", wave[None])
    np.testing.assert_allclose(corpus.waves([0])[0], np.clip(wave, -1, 32767 / 32768), atol=0.5 / 32768 + 1e-7)


def test_levels_are_those_of_the_stored_sound(tmp_path: Path) -> None:
    wave = 0.5 * np.sin(2 * np.pi * 8 * np.arange(SAMPLES) / SAMPLES)
    corpus = write(tmp_path / "c", np.stack([wave, np.zeros(SAMPLES)]))
    assert corpus.column("peak_db")[0] == pytest.approx(-6.02, abs=0.01)
    assert corpus.column("rms_db")[0] == pytest.approx(-9.03, abs=0.01)
    assert corpus.column("rms_db")[1] == -120


def test_columns_say_missing_in_their_own_way_and_are_guarded(tmp_path: Path) -> None:
    corpus = write(tmp_path / "c", sounds(8))
    assert corpus.column("pitch").tolist() == [-1, 41, 42, 43, -1, 45, 46, 47]
    assert corpus.column("family").tolist() == ["brass", ""] * 4
    assert corpus.column("tags")[1] == ("bright", "é")
    assert corpus.column("tags")[0] == ()
    with pytest.raises(ValueError, match="read-only"):
        corpus.column("pitch")[0] = 3
    with pytest.raises(UserError, match="no column 'colour'"):
        corpus.column("colour")


def test_rows_of_the_splits_are_a_partition(tmp_path: Path) -> None:
    corpus = write(tmp_path / "c", sounds(200), split="random")
    parts = [corpus.rows(split) for split in ("train", "valid", "test")]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), corpus.rows())
    assert corpus.meta["split"]["notes"] == {"train": len(parts[0]), "valid": len(parts[1]), "test": 0}


def test_any_table_tool_reads_the_table(tmp_path: Path) -> None:
    write(tmp_path / "c", sounds(8))
    table = pq.read_table(tmp_path / "c" / "notes.parquet")
    assert table.column("pitch").to_pylist()[:2] == [None, 41]
    assert [name for name in Note.__slots__ if name not in table.column_names] == []


def test_the_digest_follows_content_and_nothing_else(tmp_path: Path) -> None:
    audio = sounds(5)
    digest = write(tmp_path / "a", audio).digest
    assert write(tmp_path / "elsewhere", audio, name="another name").digest == digest
    other = audio.copy()
    other[3, 7] ^= 1
    assert write(tmp_path / "b", other).digest != digest
    assert write(tmp_path / "c", audio[::-1]).digest != digest
    assert write(tmp_path / "d", audio, split="random", seed=3).digest != digest


def test_notes_without_styles_have_the_digest_that_they_had_before_there_were_styles(tmp_path: Path) -> None:
    assert write(tmp_path / "c", sounds(3)).digest == (
        "c821ef5fb23352b99dffd8a2db817a51028979846965e5406fda169b0e5e1d37"
    )


def test_names_that_are_no_text_are_kept_legible(tmp_path: Path) -> None:
    stray = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    with CorpusWriter(tmp_path / "c", sample_rate=RATE, samples=SAMPLES) as writer:
        writer.add(Note(id=stray, instrument="x", origin=stray, seconds=1.0), np.zeros(SAMPLES))
        writer.reject(stray, 'no samples, "really"')
    assert writer.corpus.note(0).id == "caf\\udce9.wav"
    assert writer.corpus.rejected() == [(stray, 'no samples, "really"')]


def test_a_corpus_travels_to_worker_processes(tmp_path: Path) -> None:
    corpus = write(tmp_path / "c", sounds(10))
    corpus.int16([1])  # maps a file, which must not be copied along
    again = pickle.loads(pickle.dumps(corpus))
    np.testing.assert_array_equal(again.int16([1, 9]), corpus.int16([1, 9]))
    assert len(pickle.dumps(corpus)) < 20_000


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_writer_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    before = write(tmp_path / "c", sounds(3)).digest

    def interrupted() -> None:
        with CorpusWriter(tmp_path / "c", sample_rate=RATE, samples=SAMPLES, overwrite=True) as writer:
            for index in range(1100):
                writer.add(note(index), np.zeros(SAMPLES))
            raise error

    with pytest.raises(error):
        interrupted()
    assert Corpus.open(tmp_path / "c").digest == before
    assert [file.name for file in tmp_path.iterdir()] == ["c"]


def test_what_is_no_corpus_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="no corpus, so it is left alone"):
            check_destination(tmp_path / "thesis", overwrite)
    write(tmp_path / "c", sounds(1))
    with pytest.raises(UserError, match="--force"):
        check_destination(tmp_path / "c", overwrite=False)
    (tmp_path / "empty").mkdir()
    assert len(write(tmp_path / "empty", sounds(2))) == 2
    assert len(write(tmp_path / "c", sounds(4), overwrite=True)) == 4


def test_an_empty_corpus_is_not_made(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"Not one usable sound .* a\.wav: zero bytes"),
        CorpusWriter(tmp_path / "c", sample_rate=RATE, samples=SAMPLES) as writer,
    ):
        writer.reject("a.wav", "zero bytes")
    assert list(tmp_path.iterdir()) == []


def test_mistakes_of_an_importer_are_refused(tmp_path: Path) -> None:
    writer = CorpusWriter(tmp_path / "c", sample_rate=RATE, samples=SAMPLES)
    with writer:
        writer.add(note(0), np.zeros(SAMPLES))
        with pytest.raises(ValueError, match="Two notes"):
            writer.add(note(0), np.zeros(SAMPLES))
        with pytest.raises(ValueError, match="shape"):
            writer.add(note(1), np.zeros(SAMPLES + 1))
        with pytest.raises(ValueError, match="not finite"):
            writer.add(note(1), np.full(SAMPLES, np.nan))
    assert len(writer.corpus) == 1


@pytest.mark.parametrize(
    ("file", "damage", "named"),
    [
        ("audio/00001.npy", None, "00001.npy is damaged: 0 of"),
        ("audio/00001.npy", lambda content: content[:-10], "00001.npy is damaged"),
        ("notes.parquet", lambda content: b"PAR1 not at all", "notes.parquet is damaged"),
        ("corpus.json", lambda content: b"{", "corpus.json cannot be read"),
        ("corpus.json", lambda content: json.dumps({**json.loads(content), "notes": 7}).encode(), "counts 7 notes"),
    ],
)
def test_damage_is_named_on_opening(
    tmp_path: Path, file: str, damage: Callable[[bytes], bytes] | None, named: str
) -> None:
    path = write(tmp_path / "c", sounds(1030)).path / file
    content = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(damage(content))
    with pytest.raises(UserError, match=named):
        Corpus.open(tmp_path / "c")


def test_a_flipped_bit_is_found_by_verify(tmp_path: Path) -> None:
    corpus = write(tmp_path / "c", sounds(1030))
    file = tmp_path / "c" / "audio" / "00001.npy"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(UserError, match=r"00001\.npy is damaged"):
        corpus.verify()
    assert (
        hashlib.sha256((tmp_path / "c" / "audio" / "00000.npy").read_bytes()).hexdigest()
        == corpus.meta["shards"][0]["sha256"]
    )


def test_no_corpus_and_a_newer_corpus_have_their_own_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="darktimbre render"):
        Corpus.open(tmp_path)
    (tmp_path / "corpus.json").write_text('{"format": "darktimbre-corpus-9"}')
    with pytest.raises(UserError, match="darktimbre-corpus-9"):
        Corpus.open(tmp_path)
