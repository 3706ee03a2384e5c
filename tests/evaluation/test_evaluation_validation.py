"""Quick reports and validation: a perfect instrument scores as the real notes do, an untrained one does not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bundle.tiny import NAMES, tiny_bundle
from tests.evaluation.tones import RATE, ToneTagger, tone_corpus

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.conditions import Conditions, held_out_rows
from darktimbre.evaluation.examples import beside_real
from darktimbre.evaluation.results import Control
from darktimbre.evaluation.scores import in_tune
from darktimbre.evaluation.validation import METRICS, Figures, Validation, better, metrics_of, nearer, steerable
from darktimbre.extractors.extractors import PitchExtractor
from darktimbre.extractors.spectrum import SpectrumEmbedder
from darktimbre.notes.errors import UserError
from darktimbre.report.estimates import Estimate
from darktimbre.synthesizer.synthesizer import Synthesizer

CONSTANT = "Drum"  # the label that does not vary


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return tone_corpus(tmp_path_factory.mktemp("corpora") / "tones")


class Parrot(Synthesizer):
    """Plays back the notes of its conditions, in the order `order`."""

    notes: np.ndarray
    order: np.ndarray

    def waves(self, condition, latent, batch_size=16):
        drawn = self.latents(0, len(self.notes))  # they identify the notes, in portions or as a whole
        place = np.array([np.flatnonzero((drawn == one).all(1))[0] for one in latent])
        assert len(condition) == len(place)
        return self.notes[self.order[place]]


def report_of(instrument: Synthesizer, corpus: Corpus, rows: np.ndarray, **settings: Any) -> dict[str, Any]:
    return Validation(corpus, instrument.attributes, rows, ToneTagger()).report(instrument, **settings)


def parrot(corpus: Corpus, rows: np.ndarray, order: np.ndarray | None = None) -> Parrot:
    instrument = Parrot(tiny_bundle())
    instrument.notes, instrument.order = corpus.waves(rows), np.arange(len(rows)) if order is None else order
    return instrument


def test_an_instrument_that_plays_the_notes_themselves_scores_as_they_do(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    calls: list[tuple[int, int]] = []
    report = report_of(parrot(corpus, rows), corpus, rows, progress=lambda *at: calls.append(at))
    assert report["trained"]["pitch_accuracy"] == report["real"]["pitch_accuracy"] == 1.0
    assert [one["correlation"] for one in report["attributes"]] == [1.0, 1.0, None]
    assert report["trained"]["attribute_correlation"] == 1.0
    assert report["temperature"] == tiny_bundle().attributes.temperature
    assert report["trained"]["attributes_counted"] == 2
    assert report["trained"]["attributes_constant"] == 1
    assert report["attributes"][-1]["name"] == CONSTANT
    assert report["notes"] == len(rows)
    assert report["held_out_instruments"] == 5
    json.dumps(report, allow_nan=False)
    assert calls[-1][0] == calls[-1][1] == 3 * len(rows)
    assert 0.5 < report["real"]["attribute_correlation"] <= 1.0  # after the codec's round trip
    assert report["untrained"]["attribute_correlation"] < 0.9


def test_an_instrument_that_plays_them_in_another_order_does_not(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    order = np.random.default_rng(0).permutation(len(rows))
    report = report_of(parrot(corpus, rows, order), corpus, rows)
    hit = np.mean(corpus.column("pitch")[rows] == corpus.column("pitch")[rows[order]])
    assert report["trained"]["pitch_accuracy"] == pytest.approx(hit, abs=1e-4)
    target = Conditions.of(corpus, rows, tiny_bundle().attributes).logits
    for column in (0, 1):
        # soft labels at the instrument's temperature, 2
        one, other = (1 / (1 + np.exp(-target[index, column].astype(float) / 2)) for index in (slice(None), order))
        found = next(one for one in report["attributes"] if one["name"] == NAMES[column])
        assert found["correlation"] == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-4)
        assert found["logit_correlation"] == pytest.approx(
            np.corrcoef(target[:, column], target[order, column])[0, 1], abs=1e-4
        )


def test_only_the_teacher_of_the_training_labels_is_accepted(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)

    class Other(ToneTagger):
        digest = "0" * 64

    with pytest.raises(UserError, match="Only that teacher can evaluate"):
        Validation(corpus, tiny_bundle().attributes, rows, Other())
    with pytest.raises(UserError, match="given is none:"):
        Validation(corpus, tiny_bundle().attributes, rows, None)


def test_steerable_attributes_do_not_go_along_with_each_other(corpus: Corpus) -> None:
    rows = held_out_rows(corpus, tiny_bundle().attributes)
    attributes = tiny_bundle().attributes
    validation = Validation(corpus, attributes, rows, ToneTagger())
    figures = validation.trained(parrot(corpus, rows))
    two, three, all_ = (steerable(figures, validation.target, attributes, count) for count in (2, 3, 9))
    assert set(two) == {"Singing bowl", "Trumpet"}
    assert three == all_ == [*two, CONSTANT]  # filled up with what is left


def test_in_tune_is_within_a_quarter_tone() -> None:
    time = np.arange(RATE) / RATE
    hertz = np.array([220.0, 220.0, 220.0])
    cents = np.array([0, 45, 55])
    waves = np.sin(2 * np.pi * np.outer(hertz * 2 ** (cents / 1200), time)).astype(np.float32)
    assert in_tune(PitchExtractor(RATE, hertz).extract(waves, RATE)["f0"], hertz).tolist() == [1, 1, 0]


def test_spectrograms_show_as_many_generated_notes_as_real_ones(corpus: Corpus, tmp_path: Path, monkeypatch) -> None:
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
    assert [title.startswith("generated") for title in drawn["titles"]] == [False] * 3 + [True] * 3


def test_validation_takes_the_same_valid_notes_and_agrees_with_the_quick_report(corpus: Corpus) -> None:
    attributes = tiny_bundle().attributes
    validation = Validation.of_valid_notes(corpus, attributes, ToneTagger(), notes=12)
    rows = validation.target.rows
    assert set(corpus.column("split")[rows]) == {"valid"}
    assert np.array_equal(rows, Validation.of_valid_notes(corpus, attributes, ToneTagger(), notes=12).target.rows)
    assert validation.facts()["notes"] == len(rows) == 12
    instrument = Synthesizer(tiny_bundle())
    report = report_of(instrument, corpus, rows)
    for figures, same in (
        (validation.trained(instrument), report["trained"]),
        (validation.untrained(instrument), report["untrained"]),
        (validation.real(instrument), report["real"]),
    ):
        assert figures.to_json().items() <= same.items()
        assert tuple(figures.metrics()) == METRICS == metrics_of(attributes=True, pitches=True)
    assert metrics_of(attributes=True, pitches=False, labelled=False) == ("probe_correlation",)


def test_a_probe_tells_the_notes_themselves_from_others_and_judges_what_no_teacher_labels(corpus: Corpus) -> None:
    rows, attributes = held_out_rows(corpus, tiny_bundle().attributes), tiny_bundle().attributes
    validation = Validation(corpus, attributes, rows, ToneTagger(), SpectrumEmbedder())
    order = np.random.default_rng(1).permutation(len(rows))
    own, others = (validation.trained(parrot(corpus, rows, one)).probe for one in (np.arange(len(rows)), order))
    assert own is not None
    assert others is not None
    assert own > 0.5
    assert own > others + 0.3
    assert Validation(corpus, attributes, rows, ToneTagger()).trained(parrot(corpus, rows)).probe is None


def figures(teacher: float, probe: float | None, pitch: float = 1.0) -> Figures:
    """Of an instrument, by the mean correlations."""
    control = Control(
        notes=9, instruments=3, mean=Estimate(teacher), logit_mean=Estimate(teacher), constant=0, attributes=()
    )
    return Figures(pitch, control, probe)


def test_the_score_is_lowest_of_the_notes_themselves(corpus: Corpus) -> None:
    rows, attributes = held_out_rows(corpus, tiny_bundle().attributes), tiny_bundle().attributes
    validation = Validation(corpus, attributes, rows, ToneTagger(), SpectrumEmbedder())

    class Twice(Parrot):
        def waves(self, condition, latent, batch_size=16):
            drawn = self.latents(0, 2 * len(self.notes))
            place = np.array([np.flatnonzero((drawn == one).all(1))[0] for one in latent]) % len(self.notes)
            return self.notes[self.order[place]]

    instrument = Twice(tiny_bundle())
    instrument.notes, instrument.order = corpus.waves(rows), np.arange(len(rows))
    own = validation.score(instrument)
    instrument.order = np.roll(instrument.order, len(rows) // 2)
    others, untrained = validation.score(instrument), validation.score(Synthesizer(tiny_bundle()))
    assert own == pytest.approx(0, abs=1e-6)
    assert own < others < untrained
    assert nearer(own, others, name="starter", on="9 notes").trained
    assert not nearer(others, others, name="starter", on="9 notes").trained


def test_better_is_who_is_better_by_the_teacher_and_by_the_probe() -> None:
    start, where = figures(0.4, 0.3), {"name": "starter", "on": "9 valid notes"}
    for teacher, probe, kept in ((0.5, 0.35, True), (0.5, 0.29, False), (0.39, 0.4, False), (0.4, 0.3, False)):
        decision = better(figures(teacher, probe), start, **where)
        assert decision.trained == kept
        assert f"the teacher (of logits) {teacher:.3f} instead of 0.400" in decision.why
    assert not better(figures(0.5, None), start, **where).trained  # not measured is not better
    bare = [Figures(pitch, None) for pitch in (0.9, 0.8)]
    assert better(*bare, **where).trained
    assert not better(*bare[::-1], **where).trained


def test_progress_may_stop_validation(corpus: Corpus) -> None:
    validation = Validation.of_valid_notes(corpus, tiny_bundle().attributes, ToneTagger(), notes=18)
    counted: list[int] = []

    def stop(notes: int) -> None:
        counted.append(notes)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        validation.trained(Synthesizer(tiny_bundle()), stop)
    assert counted == [16]
    assert validation.seconds(Synthesizer(tiny_bundle())) > 0


def test_without_a_teacher_there_is_no_attribute_correlation(corpus: Corpus) -> None:
    attributes = replace(tiny_bundle().attributes, names=(), teacher="", teacher_digest="")
    validation = Validation(corpus, attributes, held_out_rows(corpus, attributes), None)
    figures = validation.real(Synthesizer(tiny_bundle()))
    assert figures.control is None
    assert set(figures.metrics()) == {"pitch_accuracy"}
    assert figures.to_json().keys() == {
        "pitch_accuracy", "attribute_correlation", "logit_correlation", "probe_correlation",
        "attributes_counted", "attributes_constant"
    }  # fmt: skip
    assert steerable(figures, validation.target, attributes) == []
