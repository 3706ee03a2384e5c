"""Augmented corpora: pitch, level, split and licence are kept, timbres are not; same seed, same bytes."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import Run

from darktimbre.audio.pitch import yin
from darktimbre.corpus.augment import AUGMENTED, augment, recorded_instruments
from darktimbre.corpus.builtin import render_builtin
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.evaluation.conditions import Conditions
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    out = tmp_path_factory.mktemp("corpora") / "plain"
    return render_builtin(out, pitches=(52, 60), velocities=(60, 100), sample_rate=16_000, seconds=0.5)


@pytest.fixture(scope="module")
def made(source: Corpus) -> Corpus:
    return augment(source.path.parent / "made", source, copies=2, seed=3)


def origin_rows(source: Corpus, made: Corpus) -> list[int]:
    """Of each copy, the row of its note in the source."""
    place = {name: row for row, name in enumerate(source.column("id"))}
    return [place[name.rpartition("+")[0]] for name in made.column("id")[len(source) :]]


def test_all_notes_stay_and_train_notes_have_copies(source: Corpus, made: Corpus) -> None:
    train = source.rows("train")
    left_out = made.meta["counts"].get("off_pitch", 0)
    assert len(made) == len(source) + 2 * len(train) - left_out
    assert left_out < 0.1 * len(train)
    assert len(made.rejected()) == left_out
    np.testing.assert_array_equal(made.int16(made.rows()[: len(source)]), source.int16(source.rows()))
    assert [made.note(row) for row in range(len(source))] == [source.note(row) for row in range(len(source))]
    assert set(origin_rows(source, made)) <= set(train)
    for part in ("valid", "test"):
        assert len(made.rows(part)) == len(source.rows(part))
    assert made.meta["counts"][AUGMENTED] == len(made) - len(source)
    assert made.meta["licence"] == source.meta["licence"]
    assert made.meta["provenance"][AUGMENTED]["digest"] == source.digest


def test_copies_keep_level_pitch_and_what_they_are(source: Corpus, made: Corpus) -> None:
    rows, copies = origin_rows(source, made), np.arange(len(source), len(made))
    for name in ("peak_db", "pitch", "velocity", "family", "split_key", "split", "category"):
        before, after = source.column(name)[rows], made.column(name)[copies]
        if name == "peak_db":
            np.testing.assert_allclose(after, before, atol=0.02)
        else:
            assert after.tolist() == before.tolist(), name
    (f0, sure), (again, surely) = (
        yin(corpus.waves(which), corpus.sample_rate) for corpus, which in ((source, rows), (made, copies))
    )
    known = (sure > 0.9) & (surely > 0.9)
    cents = 1200 * np.log2(again[known] / f0[known])
    assert known.mean() > 0.5
    assert (np.abs(cents) < 50).mean() > 0.98
    assert np.median(np.abs(cents)) < 3


def test_a_copy_of_an_instrument_is_one_instrument_with_a_timbre_of_its_own(source: Corpus, made: Corpus) -> None:
    of, words = defaultdict(set), defaultdict(set)
    for row in range(len(source), len(made)):
        note = made.note(row)
        of[note.instrument].add((note.split, note.split_key))
        words[note.instrument].add(note.tags[note.tags.index(AUGMENTED) :])
    assert all(len(found) == 1 for found in of.values())
    assert all(len({frozenset(one) - {"layered"} for one in found}) == 1 for found in words.values())
    assert not of.keys() & set(source.column("instrument"))
    effects = {effect for found in words.values() for each in found for effect in each}
    assert effects == {AUGMENTED, "layered", "enveloped", "driven"}
    before, after = source.waves(origin_rows(source, made)), made.waves(np.arange(len(source), len(made)))
    shape = [np.log(np.abs(np.fft.rfft(wave)) + 1e-2) for wave in (before, after)]
    assert (np.abs(shape[0] - shape[1]).mean(axis=1) > 0.02).all()


def test_copies_count_as_the_instrument_that_was_recorded(source: Corpus, made: Corpus) -> None:
    names = recorded_instruments(made)
    assert set(names) == set(source.column("instrument")) < set(made.column("instrument"))
    assert list(names[len(source) :]) == [source.column("instrument")[row] for row in origin_rows(source, made)]
    assert list(recorded_instruments(source)) == list(source.column("instrument"))
    target = Conditions.of(made, np.arange(len(made)), Attributes())
    assert len(np.unique(target.groups)) == len(set(source.column("instrument")))


def test_layers_never_cross_splits(source: Corpus, made: Corpus, tmp_path: Path) -> None:
    """With other splits silenced, the copies of a split are the same: nothing of others is in them."""
    with CorpusWriter(
        tmp_path / "hushed", sample_rate=source.sample_rate, samples=source.samples, split="given"
    ) as writer:
        for row in range(len(source)):
            note = source.note(row)
            writer.add(note, source.int16(row)[0] * np.int16(note.split == "train"))
    hushed = augment(tmp_path / "out", writer.corpus, copies=2, seed=3)
    copies = np.arange(len(source), len(made))
    np.testing.assert_array_equal(hushed.int16(copies), made.int16(copies))


def test_the_same_seed_gives_the_same_bytes_and_more_copies_begin_alike(
    source: Corpus, made: Corpus, tmp_path: Path
) -> None:
    again = augment(tmp_path / "again", source, copies=2, seed=3)
    assert again.digest == made.digest
    more = augment(tmp_path / "more", source, copies=3, seed=3)
    first = np.arange(len(made))
    assert more.column("id")[first].tolist() == made.column("id").tolist()
    np.testing.assert_array_equal(more.int16(first), made.int16(first))
    other = augment(tmp_path / "other", source, copies=1, seed=4)
    same = {name: row for row, name in enumerate(made.column("id"))}
    pairs = [(same[name], row) for row, name in enumerate(other.column("id")) if "+" in name and name in same]
    assert len(pairs) > 50
    assert all((made.int16(one) != other.int16(two)).any() for one, two in pairs)


def test_every_split_can_be_copied_and_layers_left_out(source: Corpus, tmp_path: Path) -> None:
    made = augment(tmp_path / "all", source, copies=1, of="all", layers=False)
    assert not any("layered" in tags for tags in made.column("tags"))
    copies = made.column("split")[len(source) :].tolist()
    assert copies == source.column("split")[origin_rows(source, made)].tolist()
    assert {"train", "valid", "test"} <= {*copies, *source.column("split")}
    assert set(copies) == set(source.column("split"))


def test_what_cannot_be_augmented_is_refused_in_a_sentence(source: Corpus, made: Corpus, tmp_path: Path) -> None:
    for changes, sentence in (
        ({"copies": 0}, "1 to 100 times, not 0"),
        ({"copies": 1, "of": "tset"}, "no notes of 'tset' to copy: choose one of train, valid, test, all"),
    ):
        with pytest.raises(UserError, match=sentence):
            augment(tmp_path / "none", source, **changes)
    with pytest.raises(UserError, match="augmented already"):
        augment(tmp_path / "none", made, copies=1)
    with pytest.raises(UserError, match="already holds a corpus"):
        augment(made.path, source, copies=1)
    assert not list(tmp_path.iterdir())


def test_the_verb_makes_the_same_corpus_and_info_counts_its_copies(
    run: Run, source: Corpus, made: Corpus, tmp_path: Path
) -> None:
    run("augment", source.path, tmp_path / "made", "--copies", 2, "--seed", 3, "--name", "made")
    assert Corpus.open(tmp_path / "made").digest == made.digest
    facts = json.loads(run("info", tmp_path / "made", "--json"))
    assert facts["counts"][AUGMENTED] == len(made) - len(source)
