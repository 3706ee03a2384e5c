"""The quick report: a perfect instrument scores as the real notes do, a deaf one does not."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import PITCHES, tiny_bundle
from tests.evaluation.tones import RATE, SAMPLES, Ear, tone_corpus

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.evaluation.heldout import HeldOut, held_out_rows
from darktimbre.evaluation.picture import beside_real
from darktimbre.evaluation.quick import pitch_accuracy, quick_report
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.synthesizer.synthesizer import Synthesizer

DEAF = "Drum"  # the label that this teacher never hears


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return tone_corpus(tmp_path_factory.mktemp("corpora") / "tones")


class Parrot(Synthesizer):
    """Plays back the notes it is asked for, in the order `order`."""

    notes: np.ndarray
    order: np.ndarray

    def waves(self, condition, latent, batch_size=16):
        drawn = self.latents(0, len(self.notes))  # they tell which notes are asked for, in portions or as a whole
        place = np.array([np.flatnonzero((drawn == one).all(1))[0] for one in latent])
        assert len(condition) == len(place)
        return self.notes[self.order[place]]


def parrot(corpus: Corpus, rows: np.ndarray, order: np.ndarray | None = None) -> Parrot:
    instrument = Parrot(tiny_bundle())
    instrument.notes, instrument.order = corpus.waves(rows), np.arange(len(rows)) if order is None else order
    return instrument


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
    asked = HeldOut.of(corpus, rows, attributes)
    logits = Ear().logits(torch.from_numpy(corpus.waves(rows)))[:, 1:].numpy().astype(np.float16).astype(np.float64)
    assert np.allclose(asked.condition[:, 3:], 1 / (1 + np.exp(-logits / 2.0)), atol=1e-6)
    assert np.array_equal(np.asarray(PITCHES)[asked.condition[:, :3].argmax(1)], corpus.column("pitch")[rows])
    assert (asked.condition[:, :3].sum(1) == 1).all()


def test_an_instrument_that_plays_the_notes_themselves_scores_as_they_do(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    calls: list[tuple[int, int]] = []
    report = quick_report(parrot(corpus, rows), corpus, rows, Ear(), progress=lambda *at: calls.append(at))
    assert report.trained.pitch_accuracy == report.real.pitch_accuracy == 1.0
    assert np.allclose(report.trained.correlation[:2], 1.0)
    assert np.isnan(report.trained.correlation[2])
    told = report.to_json()
    assert told["trained"]["attribute_correlation"] == 1.0
    assert told["trained"]["attributes_counted"] == 2
    assert told["trained"]["attributes_constant"] == 1
    assert told["attributes"][-1]["name"] == DEAF
    assert told["notes"] == len(rows)
    assert told["held_out_instruments"] == 5
    json.dumps(told, allow_nan=False)
    assert calls[-1][0] == calls[-1][1] == 3 * len(rows)
    assert 0.5 < told["real"]["attribute_correlation"] <= 1.0  # through the picture and back
    assert told["untrained"]["attribute_correlation"] < 0.9


def test_an_instrument_that_plays_them_in_another_order_does_not(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    order = np.random.default_rng(0).permutation(len(rows))
    report = quick_report(parrot(corpus, rows, order), corpus, rows, Ear())
    hit = np.mean(corpus.column("pitch")[rows] == corpus.column("pitch")[rows[order]])
    assert report.trained.pitch_accuracy == pytest.approx(hit)
    asked = HeldOut.of(corpus, rows, tiny_bundle().attributes).logits
    for column in (0, 1):
        one, other = (1 / (1 + np.exp(-asked[index, column].astype(float))) for index in (slice(None), order))
        assert report.trained.correlation[column] == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-4)
        assert report.trained.logit_correlation[column] == pytest.approx(
            np.corrcoef(asked[:, column], asked[order, column])[0, 1], abs=1e-6
        )


def test_only_the_teacher_that_was_learnt_from_may_judge(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)

    class Other(Ear):
        digest = "0" * 64

    with pytest.raises(UserError, match="only that teacher can judge"):
        quick_report(parrot(corpus, rows), corpus, rows, Other())
    with pytest.raises(UserError, match="given is none"):
        quick_report(parrot(corpus, rows), corpus, rows, None)


def test_another_take_is_of_the_same_instrument_and_never_the_note_itself(corpus: Corpus) -> None:
    rows = np.arange(len(corpus))
    takes = HeldOut(corpus, rows, np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0))).another_take()
    names = corpus.column("instrument")
    alone = names == "i7"
    assert (takes[alone] == -1).all()
    assert (takes[~alone] >= 0).all()
    assert (names[takes[~alone]] == names[~alone]).all()
    assert (takes[~alone] != rows[~alone]).all()


def test_steerable_attributes_do_not_go_along_with_each_other(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    report = quick_report(parrot(corpus, rows), corpus, rows, Ear())
    assert set(report.steerable(2)) == {"Singing bowl", "Trumpet"}
    assert report.steerable(3)[2] == DEAF  # filled up with what is left
    assert report.steerable(9) == [*report.steerable(2), DEAF]


def test_pitch_is_judged_within_a_quarter_tone() -> None:
    time = np.arange(RATE) / RATE
    hertz = np.array([220.0, 220.0, 220.0])
    cents = np.array([0, 45, 55])
    waves = np.sin(2 * np.pi * np.outer(hertz * 2 ** (cents / 1200), time)).astype(np.float32)
    assert pitch_accuracy(waves, hertz, RATE) == pytest.approx(2 / 3)


def test_the_picture_shows_as_many_generated_notes_as_real_ones(corpus: Corpus, tmp_path: Path, monkeypatch) -> None:
    from darktimbre.evaluation import picture

    drawn: dict[str, list[str]] = {}
    original = picture.spectrogram_grid

    def grid(waves, rate, titles, path, **more):
        drawn["titles"] = list(titles)
        return original(waves, rate, titles, path, **more)

    monkeypatch.setattr(picture, "spectrogram_grid", grid)
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    path = beside_real(Synthesizer(tiny_bundle()), corpus, tmp_path / "p.png", rows=rows, columns=3)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [title.split(":")[0][:4] for title in drawn["titles"]] == ["real"] * 3 + ["made"] * 3
