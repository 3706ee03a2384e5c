"""The control tests, on instruments whose answer is known: heard is a matrix times what was asked, and noise."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest

from darktimbre.evaluation.control import (
    Finding,
    RaisedAttributes,
    attribute_correlation,
    even_steps,
    followed,
    shifts,
)
from darktimbre.evaluation.results import AttributeScore, Control, Estimate
from darktimbre.notes.attributes import Attributes
from darktimbre.synthesizer.controls import latents
from darktimbre.tagging.temperature import soft_labels

NAMES = ("Bell", "Horn", "Drum", "Flute")
PITCHES = (60, 61)
TEMPERATURE = 2.0
NOTES, PER_INSTRUMENT = 600, 10
GAIN = 0.1  # heard = GAIN · asked (+ noise) stays within (0, 1) up to δ = 5


def logits_of(soft: np.ndarray) -> np.ndarray:
    """Inverse of eq. 1."""
    soft = np.asarray(soft, np.float64)
    return (TEMPERATURE * np.log(soft / (1 - soft))).astype(np.float32)


@dataclass
class Asked:
    """Stands for `Conditions`: only what is told to instruments."""

    logits: np.ndarray
    groups: np.ndarray
    condition: np.ndarray


def asked_notes(attributes: Attributes, soft: np.ndarray) -> Asked:
    logits, classes = logits_of(soft), np.arange(len(soft)) % max(1, len(attributes.pitches))
    condition = attributes.condition(classes, soft_labels(logits, TEMPERATURE))
    return Asked(logits, np.arange(len(soft)) // PER_INSTRUMENT, condition)


@dataclass
class Toy:
    """An instrument together with its teacher: heard = asked · matrix + offset + noise · (latent as long as needed)."""

    matrix: np.ndarray
    offset: float = 0.1
    noise: float = 0.0
    top: float = 0.99
    names: tuple[str, ...] = NAMES
    calls: list[np.ndarray] = field(default_factory=list)

    @property
    def attributes(self) -> Attributes:
        return Attributes(pitches=PITCHES, names=self.names, temperature=TEMPERATURE)

    def latents(self, seed: int, count: int) -> np.ndarray:
        return latents(seed, count, len(NAMES))

    def hear(self, condition: np.ndarray, latent: np.ndarray, names: tuple[str, ...] | None = None) -> np.ndarray:
        self.calls.append(condition)
        soft = condition[:, len(PITCHES) :].astype(np.float64)
        heard = soft @ self.matrix + self.offset + self.noise * latent[:, : len(self.names)]
        columns = [self.names.index(name) for name in names or self.names]
        return logits_of(np.clip(heard[:, columns], 0.01, self.top))


def out_of_distribution(toy, asked, chosen, increments, predict, **settings) -> Finding:
    return RaisedAttributes(toy, asked, predict, **settings).out_of_distribution(chosen, increments)


def increment_consistency(toy, asked, chosen, increments, predict, *, unraised=None, **settings) -> Finding:
    return RaisedAttributes(toy, asked, predict, **settings).increment_consistency(chosen, increments, unraised)


@pytest.fixture
def soft() -> np.ndarray:
    return np.random.default_rng(5).uniform(0.2, 0.8, (NOTES, len(NAMES)))


def run(toy: Toy, asked: Asked, resamples: int = 50) -> Control:
    heard = toy.hear(asked.condition, toy.latents(0, len(asked.condition)))
    return attribute_correlation(asked, heard, toy.attributes, resamples=resamples, seed=0)


def test_correlation_of_a_linear_instrument_is_the_closed_form(soft: np.ndarray) -> None:
    """heard = g·α + σ·z has correlation g·s / √(g²s² + σ²), with s the deviation of α."""
    toy = Toy(0.5 * np.eye(4), noise=0.05)
    control = run(toy, asked_notes(toy.attributes, soft), resamples=200)
    signal = 0.5 * soft.std(axis=0)
    expected = signal / np.hypot(signal, 0.05)
    found = [one.correlation.value for one in control.attributes]
    assert found == pytest.approx(expected, abs=0.02)
    assert control.mean.value == pytest.approx(np.mean(found))
    assert all(one.correlation.low < one.correlation.value < one.correlation.high for one in control.attributes)
    assert (control.notes, control.instruments, control.constant) == (NOTES, NOTES // PER_INSTRUMENT, 0)
    assert [one.name for one in control.attributes] == list(NAMES)
    json.dumps([one.logit_correlation.value for one in control.attributes], allow_nan=False)


def test_both_sides_go_through_the_temperature_and_logits_do_not(soft: np.ndarray) -> None:
    toy = Toy(np.eye(4) * 0.3 + 0.1, noise=0.03)
    asked = asked_notes(toy.attributes, soft)
    heard = toy.hear(asked.condition, toy.latents(0, NOTES))
    warm = Attributes(names=NAMES, temperature=5.0)
    cold, hot = (attribute_correlation(asked, heard, one, resamples=20) for one in (toy.attributes, warm))
    for column in range(4):
        pair = asked.logits[:, column], heard[:, column]
        assert hot.attributes[column].correlation.value == pytest.approx(
            np.corrcoef(*(soft_labels(one, 5.0).astype(float) for one in pair))[0, 1], abs=1e-9
        )
        same = np.corrcoef(*(one.astype(float) for one in pair))[0, 1]
        assert cold.attributes[column].logit_correlation.value == pytest.approx(same, abs=1e-9)
        assert hot.attributes[column].logit_correlation.value == pytest.approx(same, abs=1e-9)


def test_an_attribute_that_does_not_vary_is_counted_and_has_no_figure(soft: np.ndarray) -> None:
    soft[:, 1] = 0.5
    toy = Toy(0.5 * np.eye(4), noise=0.01)
    control = run(toy, asked_notes(toy.attributes, soft))
    assert control.constant == 1
    assert control.attributes[1].correlation == Estimate(None)
    assert control.mean.value == pytest.approx(np.mean([control.attributes[i].correlation.value for i in (0, 2, 3)]))
    assert "Horn" not in followed(control)


def test_an_instrument_without_attributes_explains_what_pitch_explains(soft: np.ndarray) -> None:
    soft[:, 0] = np.where(np.arange(NOTES) % 2, 0.7, 0.3)  # this label goes with the pitch, the others do not
    judged = Attributes(names=NAMES, temperature=TEMPERATURE)
    asked = asked_notes(Attributes(pitches=PITCHES, names=NAMES, temperature=TEMPERATURE), soft)
    random = np.random.default_rng(0)
    heard = logits_of(np.clip(0.3 + 0.4 * asked.condition[:, 1:2] + 0.02 * random.standard_normal((NOTES, 4)), 0.1, 1))
    control = attribute_correlation(asked, heard, judged, resamples=100)
    assert control.attributes[0].correlation.value > 0.95
    for one in control.attributes[1:]:
        assert abs(one.correlation.value) < 0.15
    bare = Toy(np.eye(0), names=())
    for test, increments in ((out_of_distribution, shifts(3)), (increment_consistency, even_steps(3))):
        finding = test(bare, asked, (), increments, bare.hear)
        assert finding == Finding(None, ("It has no attributes to raise.",))
    assert not bare.calls


def test_followed_are_the_positive_ones_highest_first() -> None:
    values = (0.2, None, -0.3, 0.0, 0.7, 0.2)
    scores = tuple(AttributeScore(f"a{i}", Estimate(value)) for i, value in enumerate(values))
    control = Control(10, 2, Estimate(0.1), Estimate(0.1), 1, scores)
    assert followed(control) == ("a4", "a0", "a5")
    assert followed(control, 2) == ("a4", "a0")
    assert followed(control, 50) == followed(control)


def test_at_no_increment_the_second_test_is_the_first(soft: np.ndarray) -> None:
    toy = Toy(0.2 * np.eye(4) + 0.05, noise=0.04)
    asked = asked_notes(toy.attributes, soft[:100])
    control = run(toy, asked)
    for name, score in zip(NAMES, control.attributes, strict=True):
        finding = out_of_distribution(toy, asked, [name], (0.0, 1e-7), toy.hear, resamples=5)
        assert finding.curve.mean[0] == pytest.approx(score.correlation.value, abs=1e-12)
        assert finding.curve.mean[1] == pytest.approx(score.correlation.value, abs=1e-4)
    whole = out_of_distribution(toy, asked, NAMES, (0.0,), toy.hear, resamples=5)
    assert whole.curve.mean[0] == pytest.approx(control.mean.value, abs=1e-12)


def test_a_linear_instrument_follows_however_far_it_is_raised_and_a_clipping_one_stops(soft: np.ndarray) -> None:
    asked = asked_notes(Toy(np.eye(4)).attributes, soft[:200])
    linear = Toy(GAIN * np.eye(4), noise=0.01)
    flat = out_of_distribution(linear, asked, NAMES, shifts(6), linear.hear, resamples=30)
    assert np.ptp(flat.curve.mean) < 1e-3  # the same noise at every increment
    assert flat.remarks == ()
    assert flat.curve.increment == shifts(6)
    assert (flat.curve.attributes, flat.curve.notes) == (4, 200)
    assert (np.asarray(flat.curve.low) <= flat.curve.mean).all()
    assert (np.asarray(flat.curve.mean) <= flat.curve.high).all()
    clipping = Toy(GAIN * np.eye(4), noise=0.01, top=0.3)
    falls = out_of_distribution(clipping, asked, NAMES, shifts(6), clipping.hear, resamples=30)
    assert falls.curve.mean[0] == pytest.approx(flat.curve.mean[0], abs=1e-3)
    assert falls.curve.mean[-1] == 0.0
    assert "count as correlation 0" in falls.remarks[0]


def test_the_interval_is_wider_with_fewer_instruments(soft: np.ndarray) -> None:
    toy = Toy(GAIN * np.eye(4), noise=0.03)
    many = asked_notes(toy.attributes, soft)
    few = Asked(many.logits[:50], many.groups[:50], many.condition[:50])
    widths = []
    for asked in (many, few):
        found = out_of_distribution(toy, asked, NAMES, (1.0,), toy.hear, resamples=200).curve
        widths.append(found.high[0] - found.low[0])
    assert 1.5 * widths[0] < widths[1]


def test_increments_of_a_linear_instrument_are_the_closed_form(soft: np.ndarray) -> None:
    """heard = g·α without noise moves by g·δ, which is δ / s deviations."""
    toy = Toy(GAIN * np.eye(4))
    asked = asked_notes(toy.attributes, soft[:100])
    finding = increment_consistency(toy, asked, NAMES, even_steps(), toy.hear, resamples=50)
    slope = np.mean(1 / soft[:100].std(axis=0))
    assert finding.curve.mean == pytest.approx([slope * delta for delta in even_steps()], rel=1e-3)
    assert finding.curve.mean[0] == finding.curve.low[0] == finding.curve.high[0] == 0.0
    assert finding.curve.low[-1] < finding.curve.mean[-1] < finding.curve.high[-1]
    assert (finding.curve.attributes, finding.curve.notes) == (4, 100)


def test_deviations_can_be_taken_of_more_sounds_than_are_raised(soft: np.ndarray) -> None:
    toy = Toy(GAIN * np.eye(4))
    many, few = asked_notes(toy.attributes, soft), asked_notes(toy.attributes, soft[:10])
    unraised = toy.hear(many.condition, toy.latents(0, NOTES))
    found = increment_consistency(toy, few, NAMES, (0.0, 2.0), toy.hear, unraised=unraised, resamples=20).curve
    assert found.mean == pytest.approx((0.0, 2 * np.mean(1 / soft.std(axis=0))), rel=1e-3)
    own = toy.hear(few.condition, toy.latents(0, 10))
    one, other = (
        increment_consistency(toy, few, NAMES, (0.0, 2.0), toy.hear, unraised=each, resamples=20).curve
        for each in (own, None)
    )
    assert one.mean == pytest.approx(other.mean, rel=1e-9)


def test_a_deaf_instrument_moves_nowhere(soft: np.ndarray) -> None:
    deaf = Toy(np.zeros((4, 4)), offset=0.5, noise=0.05)
    asked = asked_notes(deaf.attributes, soft[:100])
    moved = increment_consistency(deaf, asked, NAMES, even_steps(5), deaf.hear, resamples=20)
    assert moved.curve.mean == (0.0,) * 6
    control = run(deaf, asked)
    assert all(abs(one.correlation.value) < 0.4 for one in control.attributes)


def test_one_attribute_alone_is_raised_with_pitch_and_latents_as_before(soft: np.ndarray) -> None:
    toy = Toy(GAIN * np.eye(4))
    asked = asked_notes(toy.attributes, soft[:6])
    drawn: list[np.ndarray] = []

    def hear(condition: np.ndarray, latent: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        drawn.append(latent)
        return toy.hear(condition, latent, names)

    increment_consistency(toy, asked, ["Drum", "Bell"], (0.0, 1.0, 2.0), hear, resamples=3)
    before, drum, bell = toy.calls
    assert np.array_equal(before, asked.condition)
    for call, column in ((drum, 2), (bell, 0)):
        change = call.reshape(2, 6, -1) - asked.condition
        place = len(PITCHES) + column
        assert np.allclose(change[0, :, place], 1.0)
        assert np.allclose(change[1, :, place], 2.0)
        assert (np.delete(change, place, axis=2) == 0).all()
    assert all(np.array_equal(block, drawn[0]) for call in drawn for block in call.reshape(-1, 6, 4))
    toy.calls.clear()
    increment_consistency(toy, asked, ["Drum", "Bell"], (0.0, 1.0, 2.0), hear, resamples=3)
    assert np.array_equal(toy.calls[1], drum)  # the same questions in the same order, for a cache


def test_what_cannot_be_told_is_told_in_a_sentence(soft: np.ndarray) -> None:
    toy = Toy(GAIN * np.eye(4))
    asked = asked_notes(toy.attributes, soft[:20])
    for test in (out_of_distribution, increment_consistency):
        finding = test(toy, asked, (), (0.0, 1.0), toy.hear)
        assert finding.curve is None
        assert "No attribute correlates positively" in finding.remarks[0]
    still = Toy(np.zeros((4, 4)))
    finding = increment_consistency(still, asked, NAMES, (0.0, 1.0), still.hear, resamples=3)
    assert finding.curve is None
    assert "4 of 4 attributes" in finding.remarks[0]
    half = Toy(np.diag([GAIN, 0.0, GAIN, GAIN]))
    finding = increment_consistency(half, asked, NAMES, (0.0, 1.0), half.hear, resamples=3)
    assert finding.curve.attributes == 3
    assert finding.remarks == (
        "Left out, because the teacher's prediction for their unraised sounds does not vary: Horn (1 of 4 attributes).",
    )
    flat = soft[:20].copy()
    flat[:, 3] = 0.5
    finding = out_of_distribution(toy, asked_notes(toy.attributes, flat), NAMES, (0.1,), toy.hear, resamples=3)
    assert finding.curve.attributes == 3
    assert "their targets do not vary" in finding.remarks[0]
    assert "Flute" in finding.remarks[0]


def test_an_attribute_that_carries_the_mean_alone_is_named(soft: np.ndarray) -> None:
    soft = soft[:30].copy()
    soft[:, 1] = 0.5 + 1e-3 * (soft[:, 1] - 0.5)  # its answers hardly vary, so that it moves by thousands of deviations
    toy = Toy(GAIN * np.eye(4))
    finding = increment_consistency(toy, asked_notes(toy.attributes, soft), NAMES, (0.0, 5.0), toy.hear, resamples=3)
    assert finding.remarks[0].startswith("At δ = 5, Horn alone moves by")
    assert "without it the mean" in finding.remarks[0]
