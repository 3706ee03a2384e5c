"""Diversity against quality: a collapsed instrument has no diversity, and a verdict has to be clear of chance."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.bundle.tiny import PITCHES, tiny_bundle
from tests.evaluation.band_tones import FAMILIES, BandTagger, band_tones

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.evaluation.conditions import ClassConditions, Conditions, class_names
from darktimbre.evaluation.diversity import Diversity, DiversityStudy
from darktimbre.evaluation.diversity_report import AT_CONDITION, compare, summary
from darktimbre.evaluation.profile import QUICK
from darktimbre.evaluation.results import Estimate
from darktimbre.evaluation.systems import Evaluators, Instrument
from darktimbre.notes.note import Note
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.dataset import class_labels, tree_of

PROFILE = replace(QUICK, notes=48, reference=36, latents=8, conditions=3, pitches=2, subset_size=12, neighbours=3)
PLAIN, VARIED, AGAIN = "plain", "varied", "plain, again"


class Replay(Synthesizer):
    """Real notes of the condition's pitch: always the same one, or one that the latent picks."""

    corpus: Corpus
    choice: int

    def waves(self, condition, latent, batch_size=16):
        pitch = np.asarray(PITCHES)[np.asarray(condition)[:, : len(PITCHES)].argmax(1)]
        picked = (np.abs(np.asarray(latent)[:, 0]) * 1e4).astype(int) % self.choice
        rows = [np.flatnonzero(self.corpus.column("pitch") == one) for one in pitch]
        return self.corpus.waves(np.array([mine[n] for mine, n in zip(rows, picked, strict=True)]))


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Diversity:
    """A collapsed instrument, a varied one, and the collapsed one again."""
    folder = tmp_path_factory.mktemp("study")
    corpus = band_tones(folder / "tones", takes=8)

    def instrument(name: str, weight: float, choice: int) -> Instrument:
        bundle = tiny_bundle(recipe={"objectives": {"mode_seeking": weight}})
        bundle.weights["grid.bias"][0] = len(name)  # features are cached by the weights
        made = Replay(bundle)
        made.corpus, made.choice = corpus, choice
        return Instrument(name, made)

    variants = [instrument(PLAIN, 0.0, 1), instrument(VARIED, 1.0, 64), instrument(AGAIN, 0.0, 1)]
    evaluators = Evaluators(BandTagger(), BandTagger())
    return DiversityStudy(variants, corpus, evaluators, folder / "out", profile=PROFILE, fad=False).compare(AGAIN)


def verdict(found: Diversity, quantity: str = AT_CONDITION) -> str:
    """On the varied instrument."""
    (one,) = (one for one in compare(found) if (one.group, one.quantity) == (VARIED, quantity))
    return one.verdict


def test_a_collapsed_instrument_has_no_diversity_and_one_that_follows_its_latent_has(studied) -> None:
    real, plain, varied, again = studied.rows
    assert plain.at_condition.value == pytest.approx(0, abs=1e-6)
    assert varied.at_condition.value > 0.5
    assert varied.gain.value == pytest.approx(varied.at_condition.value, abs=1e-6)
    assert again.gain.value == pytest.approx(0, abs=1e-6)
    assert real.at_condition.value is None
    assert real.within.value > 0
    assert 0 <= varied.bins.value <= plain.bins.value <= 1
    assert [one.name for one in real.classes] == list(FAMILIES)
    score = {one.name: one.scores["train"].coverage.value for one in studied.evaluation.systems}
    assert score[VARIED] > score[PLAIN]


def test_summary_names_the_diverse_or_says_that_there_is_none(studied) -> None:
    assert verdict(studied) == "better"
    assert f"no loss of quality that could be measured: {VARIED}" in summary(studied) or (
        f"More diverse, but worse in quality: {VARIED}" in summary(studied)
    )
    assert "No variant was trained twice" in summary(replace(studied, again=""))
    real, plain, varied, again = studied.rows
    same = replace(studied, rows=(real, plain, replace(varied, gain=again.gain), again))
    assert verdict(same) == "undecided"
    assert "No setting made the sounds of one condition more diverse" in summary(same)


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (Estimate(0.25, 0.2, 0.3), "undecided"),  # clear of 0, but no further than the same recipe trained again
        (Estimate(0.6, 0.55, 0.65), "undecided"),  # no further from that run
        (Estimate(0.7, 0.65, 0.75), "better"),
        (Estimate(-0.4, -0.45, -0.35), "worse"),
    ],
)
def test_a_gain_has_to_be_beyond_what_another_run_gains(studied, gain, expected) -> None:
    real, plain, varied, again = studied.rows
    rows = (real, plain, replace(varied, gain=gain), replace(again, gain=Estimate(0.3, 0.2, 0.4)))
    assert verdict(replace(studied, rows=rows)) == expected


@pytest.mark.parametrize(
    ("precision", "spread", "expected"),
    [
        ((0.9, 0.8, 0.5, 0.79), 0.01, "worse"),
        ((0.9, 0.8, 0.95, 0.79), 0.01, "better"),
        ((0.9, 0.8, 0.5, 0.79), 0.2, "undecided"),  # within the intervals
        ((0.9, 0.8, 0.5, 0.4), 0.01, "undecided"),
        ((0.9, 0.8, 0.5, 0.6), 0.01, "undecided"),  # worse than either run, but no further than they are apart
    ],
)
def test_quality_differs_only_beyond_intervals_and_another_run(studied, precision, spread, expected) -> None:
    systems = tuple(
        replace(one, scores={"train": replace(one.scores["train"], precision=Estimate(value, spread=spread))})
        for one, value in zip(studied.evaluation.systems, precision, strict=True)
    )
    changed = replace(studied, evaluation=replace(studied.evaluation, systems=systems))
    assert verdict(changed, "precision") == expected


def test_an_instrument_of_classes_is_conditioned_as_in_training(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "kit", sample_rate=8000, samples=2000, name="kit", split="given") as writer:
        for number, (category, subcategory) in enumerate((("drums", "kick"), ("drums", "snare"), ("synth", ""))):
            note = Note(
                id=f"n{number}", instrument=f"i{number}", origin="made", seconds=0.25, category=category,
                subcategory=subcategory, split="train",
            )  # fmt: skip
            writer.add(note, np.full(2000, 0.1 * number, np.float32))
    corpus = Corpus.open(tmp_path / "kit")
    rows, attributes = corpus.rows(), tree_of(corpus, corpus.rows())
    target = Conditions.of(corpus, rows, attributes)
    assert target.condition.tolist() == class_labels(corpus, attributes.names, rows).tolist()
    kind, names, each = class_names(corpus, attributes)
    assert (kind, names, each.tolist()) == ("class", ("drums/kick", "drums/snare", "synth"), [0, 1, 2])


def test_without_categories_the_classes_are_families(tmp_path: Path) -> None:
    corpus, attributes = band_tones(tmp_path / "tones", instruments=3), tiny_bundle().attributes
    kind, names, each = class_names(corpus, attributes)
    assert (kind, names) == ("family", FAMILIES)
    assert (np.array(names)[each] == corpus.column("family")).all()
    target = ClassConditions.chosen(corpus, attributes, conditions=3, pitches=2, seed=1)
    assert all(len(np.unique(corpus.column("pitch")[target.rows[places]])) == 1 for places in target.together)
    assert all(len(np.unique(target.classes[places])) == 1 for places in target.together)
    assert set(target.rows) <= set(corpus.rows("train"))
    assert len(set(target.rows)) == len(target.rows)
