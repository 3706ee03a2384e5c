"""The quick report: a perfect instrument scores as the real notes do, a deaf one does not."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import NAMES, PITCHES, tiny_bundle
from tests.evaluation.tones import RATE, SAMPLES, Ear, tone_corpus

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.evaluation.conditions import Conditions, held_out_rows
from darktimbre.evaluation.examples import beside_real
from darktimbre.evaluation.scores import in_tune
from darktimbre.evaluation.validation import METRICS, Validation, metrics_of, quick_report, steerable
from darktimbre.extractors.extractors import PitchExtractor
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
    asked = Conditions.of(corpus, rows, attributes)
    logits = Ear().logits(torch.from_numpy(corpus.waves(rows)))[:, 1:].numpy().astype(np.float16).astype(np.float64)
    assert np.allclose(asked.condition[:, 3:], 1 / (1 + np.exp(-logits / 2.0)), atol=1e-6)
    assert np.array_equal(np.asarray(PITCHES)[asked.condition[:, :3].argmax(1)], corpus.column("pitch")[rows])
    assert (asked.condition[:, :3].sum(1) == 1).all()


def test_an_instrument_that_plays_the_notes_themselves_scores_as_they_do(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    calls: list[tuple[int, int]] = []
    report = quick_report(parrot(corpus, rows), corpus, rows, Ear(), progress=lambda *at: calls.append(at))
    assert report["trained"]["pitch_accuracy"] == report["real"]["pitch_accuracy"] == 1.0
    assert [one["correlation"] for one in report["attributes"]] == [1.0, 1.0, None]
    assert report["trained"]["attribute_correlation"] == 1.0
    assert report["trained"]["attributes_counted"] == 2
    assert report["trained"]["attributes_constant"] == 1
    assert report["attributes"][-1]["name"] == DEAF
    assert report["notes"] == len(rows)
    assert report["held_out_instruments"] == 5
    json.dumps(report, allow_nan=False)
    assert calls[-1][0] == calls[-1][1] == 3 * len(rows)
    assert 0.5 < report["real"]["attribute_correlation"] <= 1.0  # through the picture and back
    assert report["untrained"]["attribute_correlation"] < 0.9


def test_an_instrument_that_plays_them_in_another_order_does_not(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    order = np.random.default_rng(0).permutation(len(rows))
    report = quick_report(parrot(corpus, rows, order), corpus, rows, Ear())
    hit = np.mean(corpus.column("pitch")[rows] == corpus.column("pitch")[rows[order]])
    assert report["trained"]["pitch_accuracy"] == pytest.approx(hit, abs=1e-4)
    asked = Conditions.of(corpus, rows, tiny_bundle().attributes).logits
    for column in (0, 1):
        one, other = (1 / (1 + np.exp(-asked[index, column].astype(float) / 2)) for index in (slice(None), order))
        found = next(
            one for one in report["attributes"] if one["name"] == NAMES[column]
        )  # at the instrument's temperature, 2
        assert found["correlation"] == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-4)
        assert found["logit_correlation"] == pytest.approx(
            np.corrcoef(asked[:, column], asked[order, column])[0, 1], abs=1e-4
        )


def test_only_the_teacher_that_was_learnt_from_may_judge(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)

    class Other(Ear):
        digest = "0" * 64

    with pytest.raises(UserError, match="Only that teacher can evaluate"):
        quick_report(parrot(corpus, rows), corpus, rows, Other())
    with pytest.raises(UserError, match="given is none:"):
        quick_report(parrot(corpus, rows), corpus, rows, None)


def test_another_note_is_of_the_same_instrument_and_never_the_note_itself(corpus: Corpus) -> None:
    rows = np.arange(len(corpus))
    takes = Conditions(corpus, rows, np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0))).another_note()
    names = corpus.column("instrument")
    alone = names == "i7"
    assert (takes[alone] == -1).all()
    assert (takes[~alone] >= 0).all()
    assert (names[takes[~alone]] == names[~alone]).all()
    assert (takes[~alone] != rows[~alone]).all()


def test_steerable_attributes_do_not_go_along_with_each_other(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    attributes = tiny_bundle().attributes
    validation = Validation(corpus, attributes, rows, Ear())
    figures = validation.trained(parrot(corpus, rows))
    two, three, all_ = (steerable(figures, validation.target, attributes, count) for count in (2, 3, 9))
    assert set(two) == {"Singing bowl", "Trumpet"}
    assert three == all_ == [*two, DEAF]  # filled up with what is left


def test_in_tune_is_within_a_quarter_tone() -> None:
    time = np.arange(RATE) / RATE
    hertz = np.array([220.0, 220.0, 220.0])
    cents = np.array([0, 45, 55])
    waves = np.sin(2 * np.pi * np.outer(hertz * 2 ** (cents / 1200), time)).astype(np.float32)
    assert in_tune(PitchExtractor(RATE, hertz).extract(waves, RATE)["f0"], hertz).tolist() == [1, 1, 0]


def test_the_picture_shows_as_many_generated_notes_as_real_ones(corpus: Corpus, tmp_path: Path, monkeypatch) -> None:
    from darktimbre.evaluation import examples

    drawn: dict[str, list[str]] = {}
    original = examples.spectrogram_grid

    def grid(waves, rate, titles, path, **more):
        drawn["titles"] = list(titles)
        return original(waves, rate, titles, path, **more)

    monkeypatch.setattr(examples, "spectrogram_grid", grid)
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    path = beside_real(Synthesizer(tiny_bundle()), corpus, tmp_path / "p.png", rows=rows, columns=3)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [title.split(":")[0][:4] for title in drawn["titles"]] == ["real"] * 3 + ["made"] * 3


def test_validation_takes_the_same_valid_notes_and_agrees_with_the_quick_report(corpus: Corpus) -> None:
    attributes = tiny_bundle().attributes
    validation = Validation.of_valid_notes(corpus, attributes, Ear(), 12)
    rows = validation.target.rows
    assert set(corpus.column("split")[rows]) == {"valid"}
    assert np.array_equal(rows, Validation.of_valid_notes(corpus, attributes, Ear(), 12).target.rows)
    assert validation.facts()["notes"] == len(rows) == 12
    instrument = Synthesizer(tiny_bundle())
    report = quick_report(instrument, corpus, rows, Ear())
    for figures, same in (
        (validation.trained(instrument), report["trained"]),
        (validation.untrained(instrument), report["untrained"]),
        (validation.real(instrument), report["real"]),
    ):
        assert figures.to_json().items() <= same.items()
        assert tuple(figures.metrics()) == METRICS == metrics_of(attributes=True, pitches=True)


def test_progress_may_stop_validation(corpus: Corpus) -> None:
    validation = Validation.of_valid_notes(corpus, tiny_bundle().attributes, Ear(), 18)
    counted: list[int] = []

    def stop(notes: int) -> None:
        counted.append(notes)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        validation.trained(Synthesizer(tiny_bundle()), stop)
    assert counted == [16]
    assert validation.seconds(Synthesizer(tiny_bundle())) > 0
