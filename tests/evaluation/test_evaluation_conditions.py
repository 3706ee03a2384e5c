"""Which notes an instrument is evaluated on: known pitches of given splits, none again before all were drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import PITCHES, tiny_bundle
from tests.evaluation.tones import RATE, SAMPLES, ToneTagger, tone_corpus

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.evaluation.conditions import Conditions, draw_rows, held_out_rows
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return tone_corpus(tmp_path_factory.mktemp("corpora") / "tones")


@pytest.mark.parametrize("splits", [("train",), ("test",), ("valid", "test")])
def test_rows_are_of_the_given_splits_and_of_known_pitches(corpus: Corpus, splits: tuple[str, ...]) -> None:
    rows = draw_rows(corpus, tiny_bundle().attributes, splits, 9, seed=0)
    assert set(corpus.column("split")[rows]) <= set(splits)
    assert set(corpus.column("pitch")[rows]) <= set(PITCHES)
    assert len(set(rows.tolist())) == len(rows) == 9


def test_more_than_there_are_comes_in_whole_passes_each_in_another_order(corpus: Corpus) -> None:
    attributes = tiny_bundle().attributes
    there = len(held_out_rows(corpus, attributes, count=1000))
    rows = draw_rows(corpus, attributes, ("valid", "test"), 2 * there + 5, seed=4)
    first, second, rest = rows[:there], rows[there : 2 * there], rows[2 * there :]
    assert np.array_equal(np.sort(first), np.sort(second))
    assert not np.array_equal(first, second)
    assert len(set(rest.tolist())) == 5
    drawn, times = np.unique(rows, return_counts=True)
    assert len(drawn) == there
    assert set(times.tolist()) == {2, 3}


def test_a_larger_draw_begins_with_the_smaller_one_and_the_seed_decides(corpus: Corpus) -> None:
    attributes = tiny_bundle().attributes
    few, many = (draw_rows(corpus, attributes, ("valid",), count, seed=1) for count in (7, 40))
    assert np.array_equal(few, many[:7])
    assert not np.array_equal(many, draw_rows(corpus, attributes, ("valid",), 40, seed=2))
    assert len(draw_rows(corpus, attributes, ("valid",), 0, seed=1)) == 0


def test_held_out_rows_are_the_same_draw_in_ascending_order(corpus: Corpus) -> None:
    attributes = tiny_bundle().attributes
    drawn = draw_rows(corpus, attributes, ("valid", "test"), 12, seed=5)
    assert np.array_equal(held_out_rows(corpus, attributes, count=12, seed=5), np.sort(drawn))


def test_an_instrument_whose_pitches_are_nowhere_is_refused(corpus: Corpus) -> None:
    config = tiny_bundle(pitch_comb=False).config
    attributes = tiny_bundle(pitch_comb=False, attributes={**config["attributes"], "pitches": [30, 31, 32]}).attributes
    with pytest.raises(UserError, match="no note in train with a pitch this instrument knows"):
        draw_rows(corpus, attributes, ("train",), 3, seed=0)
    with pytest.raises(UserError, match=r"holds back no note \(splits valid and test\)"):
        draw_rows(corpus, attributes, ("valid", "test"), 3, seed=0)


def test_groups_number_the_instruments_of_the_notes_at_hand(corpus: Corpus) -> None:
    rows = draw_rows(corpus, tiny_bundle().attributes, ("valid", "test"), 60, seed=0)
    groups = Conditions.of(corpus, rows, tiny_bundle().attributes).groups
    names = corpus.column("instrument")[rows]
    assert set(groups.tolist()) == set(range(len(set(names.tolist()))))
    assert (np.equal.outer(groups, groups) == np.equal.outer(names, names)).all()


def test_repeated_rows_repeat_their_conditions(corpus: Corpus, tmp_path: Path) -> None:
    rows = draw_rows(corpus, tiny_bundle().attributes, ("valid",), 50, seed=0)
    target = Conditions.of(corpus, rows, tiny_bundle().attributes)
    same = np.equal.outer(rows, rows)
    alike = (target.condition[:, None] == target.condition[None]).all(axis=2)
    assert len(target.condition) == 50
    assert alike[same].all()


def test_held_out_rows_are_of_other_splits_and_known_pitches(corpus: Corpus) -> None:
    attributes = tiny_bundle().attributes
    rows = held_out_rows(corpus, attributes, count=1000)
    assert set(corpus.column("split")[rows]) == {"valid", "test"}
    assert set(corpus.column("pitch")[rows]) == set(PITCHES)
    assert len(rows) == 4 * 9 + 1
    some = held_out_rows(corpus, attributes, count=10)
    assert np.array_equal(some, held_out_rows(corpus, attributes, count=10))
    assert len(some) == 10
    assert set(some) < set(rows)
    assert (np.diff(some) > 0).all()
    assert not np.array_equal(some, held_out_rows(corpus, attributes, count=10, seed=1))


def test_a_corpus_that_holds_nothing_back_is_refused(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "c", sample_rate=RATE, samples=SAMPLES, split="given", name="c") as writer:
        note = Note(id="a", instrument="a", origin="a", seconds=0.25, pitch=60, split="train")
        writer.add(note, np.full(SAMPLES, 0.1, np.float32))
    with pytest.raises(UserError, match="holds back no note"):
        held_out_rows(writer.corpus, tiny_bundle().attributes)


def test_conditions_are_the_stored_logits_at_the_bundles_temperature(corpus: Corpus) -> None:
    attributes = tiny_bundle().attributes
    rows = held_out_rows(corpus, attributes)
    target = Conditions.of(corpus, rows, attributes)
    logits = (
        ToneTagger().logits(torch.from_numpy(corpus.waves(rows)))[:, 1:].numpy().astype(np.float16).astype(np.float64)
    )
    assert np.allclose(target.condition[:, 3:], 1 / (1 + np.exp(-logits / 2.0)), atol=1e-6)
    assert np.array_equal(np.asarray(PITCHES)[target.condition[:, :3].argmax(1)], corpus.column("pitch")[rows])
    assert (target.condition[:, :3].sum(1) == 1).all()


def test_another_note_is_of_the_same_instrument_and_never_the_note_itself(corpus: Corpus) -> None:
    rows = np.arange(len(corpus))
    others = Conditions(corpus, rows, np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0))).another_note()
    names = corpus.column("instrument")
    alone = names == "i7"
    assert (others[alone] == -1).all()
    assert (others[~alone] >= 0).all()
    assert (names[others[~alone]] == names[~alone]).all()
    assert (others[~alone] != rows[~alone]).all()
