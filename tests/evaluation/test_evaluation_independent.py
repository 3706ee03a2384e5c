"""Independent figures: the notes themselves reach every aim, other sounds do not; what a loss held is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import tiny_bundle
from tests.evaluation.band_tones import BandTagger, band_tones
from tests.evaluation.test_evaluation_study import SMALL, perfect

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation import in_loss
from darktimbre.evaluation.comparison import Compared
from darktimbre.evaluation.conditions import Conditions
from darktimbre.evaluation.evaluate import card_metrics
from darktimbre.evaluation.independent import IndependentReference
from darktimbre.evaluation.results import Control, Evaluation, Independent, Scores, System
from darktimbre.evaluation.study import HELD_OUT, TRAIN, Study
from darktimbre.evaluation.systems import Evaluators, Instrument
from darktimbre.extractors.sources import ROUND_TRIP
from darktimbre.report.estimates import Estimate

FACTS = {"embedding": {"name": "yamnet", "digest": "d1"}}


class Spectra:
    """An evaluator that no training used: levels of 24 bands, which say what `BandTagger` says and more."""

    name, digest, sample_rate = "spectra", "5" * 64, BandTagger.sample_rate

    def embed(self, waves: torch.Tensor) -> torch.Tensor:
        power = torch.fft.rfft(waves).abs().square()[:, 1:]
        width = power.shape[1] // 24
        return torch.log10(power[:, : 24 * width].unflatten(1, (24, width)).mean(2) + 1e-6)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return band_tones(tmp_path_factory.mktemp("corpora") / "tones")


@pytest.fixture(scope="module")
def found(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    evaluators = Evaluators(BandTagger(), BandTagger(), independent=Spectra())
    folder = tmp_path_factory.mktemp("report")
    return Study([Instrument("perfect", perfect(corpus))], corpus, evaluators, folder, profile=SMALL, fad=False).run()


def system(found: Evaluation, name: str) -> System:
    return next(one for one in found.systems if one.name == name)


def test_the_notes_themselves_reach_every_aim(found: Evaluation) -> None:
    mine, untrained = (system(found, name).independent[HELD_OUT] for name in ("perfect", "untrained"))
    assert float(mine.level) == pytest.approx(0, abs=1e-4)
    assert float(mine.probe) > 0.8
    assert float(mine.probe) > float(untrained.probe) + 0.3
    train = system(found, "perfect").independent[TRAIN]
    assert float(train.kid) < float(system(found, "untrained").independent[TRAIN].kid)
    assert float(train.coverage) > 0.8


def test_sounds_are_compared_with_the_real_notes_of_their_conditions(corpus: Corpus) -> None:
    """Half as uneven, 3 dB quieter, a third modulated; notes where one of both has no pitch do not count."""
    target = Conditions.of(corpus, np.arange(0, 108, 9), replace(tiny_bundle().attributes, pitches=()))
    random = np.random.default_rng(0)
    real = {name: random.uniform(1, 5, 12) for name in ("level", "unevenness", "modulation")}
    mine = {"level": real["level"] - 3, "unevenness": real["unevenness"] / 2, "modulation": real["modulation"] / 3}
    real["unevenness"][0] = mine["unevenness"][1] = np.nan
    reference = IndependentReference({}, target.logits, target.groups, SMALL, 0)
    attributes = replace(tiny_bundle().attributes, pitches=())
    found = reference.score({"fundamental": mine}, target, attributes, columns=[], real=real)
    assert float(found.level) == pytest.approx(-3)
    assert float(found.unevenness) == pytest.approx(0.5, abs=0.05)
    assert float(found.modulation) == pytest.approx(1 / 3)
    assert found.level.given is not None
    assert not found.probe.known


def test_the_probe_has_its_ceilings_and_real_notes_are_not_measured_by_themselves(found: Evaluation) -> None:
    trip, another = (system(found, name).independent[HELD_OUT] for name in (ROUND_TRIP, "held-out notes"))
    assert float(trip.probe) > 0.5
    assert another.probe.known
    assert not another.level.known
    assert not system(found, "real notes").independent[TRAIN].probe.known  # the probe was fitted on notes of these


def test_table_and_card_hold_both_kinds(found: Evaluation) -> None:
    table = in_loss.table(Compared(found))
    groups = {one.heading.rstrip("\u00a0↑↓"): one.group for one in table.columns}
    assert groups["ρ of logits, teacher"] == "in the loss"
    assert groups["ρ of logits, probe"] == groups["coverage, fake"] == "independent"
    assert table.headings == [one.name for one in found.systems]
    figures = card_metrics(system(found, "perfect"), found)
    assert figures["in the loss"] == "ρ of logits, teacher"
    assert {"ρ of logits, probe", "ρ of logits, probe, of another note", "level beside real notes, dB"} <= set(
        figures["independent"]
    )
    assert Evaluation.from_json(found.to_json()).systems[0].independent == found.systems[0].independent


def test_what_is_absent_is_said(corpus: Corpus, tmp_path: Path) -> None:
    study = Study(
        [Instrument("perfect", perfect(corpus))], corpus, Evaluators(BandTagger(), BandTagger()), tmp_path,
        profile=SMALL, fad=False,
    )  # fmt: skip
    said = " ".join(study.left_out)
    assert "weights fetch musicnn" in said
    assert "darktimbre[evaluate]" in said
    assert set(study.extractors) == {"teacher", "embedder", "fundamental"}


def steered(name: str, teacher: float, probe: float, **facts: object) -> System:
    control = Control(9, 3, Estimate(teacher), Estimate(teacher), 0, ())
    scores = {TRAIN: Scores(9, fad=Estimate(3.0)), HELD_OUT: Scores(9)}
    independent = {HELD_OUT: Independent(probe=Estimate(probe))}
    return System(name, "darkgan", facts=facts, scores=scores, control={HELD_OUT: control}, independent=independent)


def test_yamnets_distances_are_in_the_loss_once_yamnet_is() -> None:
    for held, group in (({"name": "yamnet", "digest": "d1"}, "in the loss"), (None, "independent")):
        table = in_loss.table(Compared(Evaluation((steered("a", 0.5, 0.4, teacher_in_loss=held),), FACTS, {})))
        assert {one.heading: one.group for one in table.columns}["FAD, yamnet\u00a0↓"] == group


def test_a_gain_that_only_the_teacher_sees_is_doubted() -> None:
    trip = replace(steered(ROUND_TRIP, 0.8, 0.5), kind="real")

    def doubts(*systems: System) -> tuple[str, ...]:
        return in_loss.doubts(Compared(Evaluation((trip, *systems), FACTS, {})))

    first = steered("starter", 0.4, 0.4)
    assert doubts(first) == ()
    assert doubts(first, steered("both", 0.6, 0.5), steered("less", 0.2, 0.1)) == ()
    (sentence,) = doubts(first, steered("fooled", 0.6, 0.41))  # gains of 0.25 and 0.02
    assert "fooled may be adversarial: against starter" in sentence
    (sentence,) = doubts(steered("alone", 0.5, 0.01))
    assert "against no control" in sentence
    assert doubts(first, steered("unknown", 0.6, np.nan)) == ()
