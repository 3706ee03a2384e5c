"""A whole evaluation: a perfect instrument scores as real notes do, an untrained one does not; luck decides nothing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.bundle.tiny import NAMES, PITCHES, tiny_bundle
from tests.evaluation.band_tones import CONSTANT, SAMPLES, BandTagger, band_tones

from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.evaluate import card_metrics
from darktimbre.evaluation.examples import SoundFolder
from darktimbre.evaluation.profile import PAPER, QUICK, Profile
from darktimbre.evaluation.results import Evaluation
from darktimbre.evaluation.study import HELD_OUT, TRAIN, Study
from darktimbre.evaluation.systems import Evaluators, Instrument
from darktimbre.models.progressive import Generator
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

SMALL = Profile(
    notes=40, reference=18, shift_notes=12, shift_steps=3, shift_attributes=2, increment_notes=10, increment_steps=4,
    increment_attributes=2, latents=3, conditions=3, pitches=2, subsets=5, subset_size=12, neighbours=3, resamples=30,
    repeats=2, sounds=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return band_tones(tmp_path_factory.mktemp("corpora") / "tones")


class Perfect(Synthesizer):
    """Plays the note of the corpus that is nearest to the condition."""

    corpus: Corpus
    conditions: np.ndarray

    def waves(self, condition, latent, batch_size=16):
        away = np.square(np.asarray(condition)[:, None] - self.conditions[None]).sum(2)
        return self.corpus.waves(away.argmin(1))


def perfect(corpus: Corpus) -> Perfect:
    from darktimbre.evaluation.conditions import Conditions

    instrument = Perfect(tiny_bundle())
    instrument.corpus = corpus
    instrument.conditions = Conditions.of(corpus, np.arange(len(corpus)), instrument.attributes).condition
    return instrument


def pitch_alone() -> Synthesizer:
    """The same small network without attributes."""
    bundle = tiny_bundle()
    attributes = Attributes(pitches=PITCHES, names=(), teacher="", teacher_digest="", temperature=1.0)
    config = {**bundle.config, "attributes": attributes.to_json()}
    plan = {**config["network"], "condition": attributes.size, "heads": {"pitch": len(PITCHES), "attributes": 0}}
    config["network"] = plan
    return Synthesizer(Bundle(config, Generator(Bundle(config, {}).network).state_dict()))


def study(corpus: Corpus, folder: Path, *instruments: Instrument, **changes: Any) -> Study:
    settings = {"profile": SMALL, "evaluators": Evaluators(BandTagger(), BandTagger()), **changes}
    return Study(
        instruments or (Instrument("tiny", Synthesizer(tiny_bundle())),),
        corpus,
        settings.pop("evaluators"),
        folder,
        **settings,
    )


@pytest.fixture(scope="module")
def found(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    instruments = Instrument("perfect", perfect(corpus)), Instrument("alone", pitch_alone())
    return study(corpus, tmp_path_factory.mktemp("evaluated"), *instruments).run()


def plain(evaluation: Evaluation) -> dict[str, Any]:
    """All figures but the seconds."""
    found_ = evaluation.to_json()
    for system in found_["systems"]:
        system["timing"] = None
    return found_


def test_rows_are_real_notes_first_then_no_training_then_the_instruments(found: Evaluation) -> None:
    rows = [(system.name, system.kind) for system in found.systems]
    assert rows == [
        ("real notes", "real"), ("held-out notes", "real"), ("codec round trip", "real"), ("untrained", "untrained"),
        ("perfect", "darkgan"), ("alone", "baseline"),
    ]  # fmt: skip
    by_name = {system.name: system for system in found.systems}
    assert set(by_name["perfect"].scores) == set(by_name["perfect"].control) == {TRAIN, HELD_OUT}
    assert set(by_name["alone"].scores) == set(by_name["untrained"].scores) == {TRAIN, HELD_OUT}
    assert by_name["alone"].temperature is None
    assert by_name["alone"].out_of_distribution is None
    assert by_name["perfect"].temperature == 2.0
    timing = by_name["perfect"].timing
    assert timing.sound == pytest.approx(0.25)
    assert timing.real_time_factor == pytest.approx(timing.total / 0.25)
    assert (timing.threads, timing.device) == (torch.get_num_threads(), "cpu")


def test_an_instrument_that_plays_real_notes_scores_as_they_do(found: Evaluation) -> None:
    by_name = {system.name: system for system in found.systems}
    perfect, untrained = by_name["perfect"], by_name["untrained"]
    for split in (TRAIN, HELD_OUT):
        control = {one.name: one.correlation.value for one in perfect.control[split].attributes}
        assert control[CONSTANT] is None
        assert min(control[name] for name in NAMES if name != CONSTANT) > 0.999
        assert perfect.control[split].mean.value == pytest.approx(1.0, abs=1e-3)
        assert perfect.scores[split].pitch_by_f0.value == 1.0
    real = by_name["real notes"].scores[TRAIN]
    assert abs(perfect.scores[TRAIN].kid.value) < 3 * real.kid.spread
    assert untrained.scores[HELD_OUT].fad.value > 5 * perfect.scores[HELD_OUT].fad.value
    assert untrained.scores[HELD_OUT].kid.value > 5 * perfect.scores[HELD_OUT].kid.value
    assert untrained.scores[HELD_OUT].pitch_by_f0.value < 0.9
    assert perfect.scores[TRAIN].coverage.value > untrained.scores[HELD_OUT].coverage.value
    # The nearest note to a raised condition is one that has more of it, so raising goes the right way.
    assert perfect.increments.mean[0] == 0
    assert perfect.increments.mean[-1] > 0.5
    assert perfect.variation.latent == pytest.approx(0, abs=1e-9)  # it ignores z
    assert perfect.variation.attributes == pytest.approx(1)
    assert perfect.variation.diversity == 0


def test_what_pitch_alone_explains_is_reported_of_an_instrument_without_attributes(found: Evaluation) -> None:
    alone = next(system for system in found.systems if system.name == "alone")
    assert [one.name for one in alone.control[HELD_OUT].attributes] == list(NAMES)
    assert alone.control[HELD_OUT].mean.value < 0.6
    assert alone.variation.latent == pytest.approx(1)  # nothing else differs at one pitch


def test_the_report_names_its_evaluators_and_what_was_reduced(found: Evaluation, corpus: Corpus) -> None:
    facts = found.facts
    assert facts["corpus"]["digest"] == corpus.digest
    assert facts["teacher"] == {"name": "fake", "digest": BandTagger.digest}
    assert facts["embedding"]["dimension"] == 4
    assert facts["held_out"] == "valid and test"
    assert facts["classifier"] is None
    assert any("--classifier" in sentence for sentence in found.left_out)
    assert "notes: 40 instead of 10,000" in found.reduced
    assert found.counts == {
        "scored": 18, "reference": 18, "other_real_notes": 18, "held_out_notes": 18, "held_out_instruments": 6,
    }  # fmt: skip
    assert found.asked["reference"] == SMALL.reference
    assert all(s.notes == 18 for system in found.systems for s in system.scores.values())
    assert any("is evaluator and teacher" in sentence for sentence in found.cautions)
    assert sum("was trained on another corpus" in sentence for sentence in found.cautions) == 2
    json.dumps(found.to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(json.dumps(found.to_json()))).to_json() == found.to_json()


def test_real_notes_are_in_disjoint_sets(corpus: Corpus, tmp_path: Path) -> None:
    real = study(corpus, tmp_path).real
    split = corpus.column("split")
    assert not set(real.reference) & set(real.others)
    assert set(split[real.reference]) == set(split[real.others]) == {"train"}
    assert set(split[real.held_out]) == {"valid", "test"}
    assert len(real.reference) == len(real.others)
    for rows in (real.reference, real.others, real.held_out):  # the first few are scored: not the first instruments
        assert (np.diff(rows) < 0).any()


def test_a_seed_decides_everything_and_a_cache_nothing(corpus: Corpus, tmp_path: Path, monkeypatch: Any) -> None:
    first = plain(study(corpus, tmp_path / "a").run())
    assert plain(study(corpus, tmp_path / "b").run()) == first
    assert plain(study(corpus, tmp_path / "b", seed=1).run()) != first
    rendered = []
    whole = Synthesizer.waves

    def counting(self: Synthesizer, condition: Any, latent: Any, batch_size: int = 16) -> np.ndarray:
        rendered.append(len(condition))
        return whole(self, condition, latent, batch_size)

    monkeypatch.setattr(Synthesizer, "waves", counting)
    assert plain(study(corpus, tmp_path / "a").run()) == first
    assert sum(rendered) <= 2 * SMALL.sounds + 3 + SMALL.sounds  # only the examples are rendered again


def test_rows_whose_names_differ_in_punctuation_alone_have_sounds_of_their_own(tmp_path: Path) -> None:
    folder, waves = SoundFolder(tmp_path, 8000), np.zeros((2, 100), np.float32)
    files = [sound.file for name in ("A b", "a-b") for sound in folder.write(name, waves, ["group"] * 2)]
    assert len(set(files)) == 4
    assert all((tmp_path / file).is_file() for file in files)


def test_progress_ends_at_most_at_the_workload_given_before(corpus: Corpus, tmp_path: Path) -> None:
    calls: list[tuple[int, int, str]] = []
    one = study(corpus, tmp_path, update=lambda *at: calls.append(at))
    one.run()
    done, whole, _ = calls[-1]
    assert 0.5 * whole < done <= whole == one.workload
    assert calls[0][1:] == (whole, "held-out notes")


def test_a_checkpoint_chosen_by_valid_notes_is_reported_on_the_others(corpus: Corpus, tmp_path: Path) -> None:
    provenance = {"chosen_by": {"metric": "attribute_correlation", "split": "valid", "notes_seen": 8}}
    chosen = Instrument("chosen", Synthesizer(tiny_bundle(provenance=provenance)))
    one = study(corpus, tmp_path, chosen, Instrument("other", Synthesizer(tiny_bundle())))
    assert set(corpus.column("split")[one.real.held_out]) == {"test"}


def test_cards_hold_the_figures_and_name_what_is_followed_first(found: Evaluation) -> None:
    system = next(one for one in found.systems if one.name == "perfect")
    found_ = card_metrics(system, found)
    assert found_["attribute_correlation"]["value"] == pytest.approx(1.0, abs=1e-3)
    values = list(found_["attributes"].values())
    assert values == sorted(values, reverse=True)
    assert CONSTANT not in found_["attributes"]
    assert found_["frechet_audio_distance_fake"]["value"] == pytest.approx(system.scores[HELD_OUT].fad.value, rel=1e-4)
    assert "family_inception_score" not in found_  # there is no classifier


class Stranger(BandTagger):
    name, digest = "stranger", "1" * 64


class Retrained(BandTagger):
    digest = "0" * 64


def test_mismatches_are_refused_in_a_sentence(corpus: Corpus, tmp_path: Path) -> None:
    tiny = Synthesizer(tiny_bundle())
    for evaluators, sentence in (
        (
            Evaluators(Stranger(), BandTagger()),
            "trained on labels by fake .* the teacher given is stranger .* Give --teacher fake",
        ),
        (Evaluators(Retrained(), BandTagger()), "with the right --weights"),
    ):
        with pytest.raises(UserError, match=sentence):
            study(corpus, tmp_path, evaluators=evaluators)
    with pytest.raises(UserError, match="Two instruments are called 'a'"):
        study(corpus, tmp_path, Instrument("a", tiny), Instrument("a", tiny))
    with pytest.raises(UserError, match=r"needs at least 5 notes on either side .* there are 3 generated ones"):
        study(corpus, tmp_path, profile=replace(SMALL, notes=3))
    few = study(corpus, tmp_path, profile=replace(SMALL, notes=3), fad=False)
    assert any("too few notes for the 4 dimensions" in sentence for sentence in few.left_out)


@pytest.mark.parametrize(
    ("rate", "samples", "sentence"), [(16000, 4000, "8000 Hz"), (8000, 2 * SAMPLES, "as short as its own")]
)
def test_a_corpus_of_another_rate_or_longer_notes_is_refused(
    tmp_path: Path, rate: int, samples: int, sentence: str
) -> None:
    from darktimbre.corpus.writer import CorpusWriter
    from darktimbre.notes.note import Note

    with CorpusWriter(tmp_path / "c", sample_rate=rate, samples=samples, split="given", name="c") as writer:
        for split in ("train", "test"):
            note = Note(id=split, instrument=split, origin="a", seconds=0.25, pitch=60, split=split)
            writer.add(note, np.full(samples, 0.1, np.float32))
    with pytest.raises(UserError, match=sentence):
        study(writer.corpus, tmp_path / "e")


def test_counts_are_the_papers_or_fewer_and_wrong_ones_are_refused() -> None:
    assert PAPER.reduced() == ()
    assert (PAPER.notes, PAPER.shift_notes, PAPER.shift_steps) == (10_000, 1_000, 50)
    assert (PAPER.increment_notes, PAPER.increment_attributes, PAPER.increment_steps) == (100, 50, 25)
    assert len(QUICK.reduced()) > 8
    assert QUICK.with_counts({"notes": 3000}).notes == 3000
    with pytest.raises(UserError, match="did you mean notes"):
        QUICK.with_counts({"note": 3000})
    with pytest.raises(UserError, match="at least 2"):
        QUICK.with_counts({"notes": 1})
