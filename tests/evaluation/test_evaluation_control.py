"""The control tests, on instruments whose response is known: predicted is a matrix times the target, and noise."""

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
    increment_in_deviations,
    mean_over_attributes,
    raised_correlation,
    resampled_counts,
    shifts,
)
from darktimbre.evaluation.results import AttributeScore, Control, Estimate
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.temperature import soft_labels
from darktimbre.synthesizer.controls import latents

NAMES = ("Bell", "Horn", "Drum", "Flute")
PITCHES = (60, 61)
TEMPERATURE = 2.0
NOTES, PER_INSTRUMENT = 600, 10
GAIN = 0.1  # predicted = GAIN · target (+ noise) stays within (0, 1) up to δ = 5


def logits_of(soft: np.ndarray) -> np.ndarray:
    """Inverse of eq. 1."""
    soft = np.asarray(soft, np.float64)
    return (TEMPERATURE * np.log(soft / (1 - soft))).astype(np.float32)


@dataclass
class Targets:
    """Stands for `Conditions`: only what instruments are given."""

    logits: np.ndarray
    groups: np.ndarray
    condition: np.ndarray


def target_notes(attributes: Attributes, soft: np.ndarray) -> Targets:
    logits, classes = logits_of(soft), np.arange(len(soft)) % max(1, len(attributes.pitches))
    condition = attributes.condition(classes, soft_labels(logits, TEMPERATURE))
    return Targets(logits, np.arange(len(soft)) // PER_INSTRUMENT, condition)


@dataclass
class Toy:
    """An instrument and its teacher: predicted = target · matrix + offset + noise · (latent as long as needed)."""

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

    def predict(self, condition: np.ndarray, latent: np.ndarray, names: tuple[str, ...] | None = None) -> np.ndarray:
        self.calls.append(condition)
        soft = condition[:, len(PITCHES) :].astype(np.float64)
        predicted = soft @ self.matrix + self.offset + self.noise * latent[:, : len(self.names)]
        columns = [self.names.index(name) for name in names or self.names]
        return logits_of(np.clip(predicted[:, columns], 0.01, self.top))


def out_of_distribution(toy, target, chosen, increments, predict, **settings) -> Finding:
    return RaisedAttributes(toy, target, predict, **settings).out_of_distribution(chosen, increments)


def increment_consistency(toy, target, chosen, increments, predict, *, unraised=None, **settings) -> Finding:
    return RaisedAttributes(toy, target, predict, **settings).increment_consistency(chosen, increments, unraised)


@pytest.fixture
def soft() -> np.ndarray:
    return np.random.default_rng(5).uniform(0.2, 0.8, (NOTES, len(NAMES)))


def run(toy: Toy, target: Targets, resamples: int = 50) -> Control:
    predicted = toy.predict(target.condition, toy.latents(0, len(target.condition)))
    return attribute_correlation(target, predicted, toy.attributes, resamples=resamples, seed=0)


def test_a_few_certain_notes_do_not_decide_the_correlation_of_logits():
    attributes, random = Attributes(pitches=PITCHES, names=NAMES), np.random.default_rng(0)
    target = target_notes(attributes, random.uniform(0.01, 0.99, (NOTES, len(NAMES))))
    predicted = target.logits + random.normal(0, 2, target.logits.shape).astype(np.float32)
    plain = attribute_correlation(target, predicted, attributes).logit_mean.value
    predicted[::100] = -285.0  # as YAMNet's of a nearly pure low tone
    assert abs(attribute_correlation(target, predicted, attributes).logit_mean.value - plain) < 0.15
    unbounded = np.corrcoef(target.logits[:, 0], predicted[:, 0])[0, 1]
    assert abs(unbounded - plain) > 0.5


def test_correlation_of_a_linear_instrument_is_the_closed_form(soft: np.ndarray) -> None:
    """predicted = g·α + σ·z has correlation g·s / √(g²s² + σ²), with s the deviation of α."""
    toy = Toy(0.5 * np.eye(4), noise=0.05)
    control = run(toy, target_notes(toy.attributes, soft), resamples=200)
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
    target = target_notes(toy.attributes, soft)
    predicted = toy.predict(target.condition, toy.latents(0, NOTES))
    warm = Attributes(names=NAMES, temperature=5.0)
    cold, hot = (attribute_correlation(target, predicted, one, resamples=20) for one in (toy.attributes, warm))
    for column in range(4):
        pair = target.logits[:, column], predicted[:, column]
        assert hot.attributes[column].correlation.value == pytest.approx(
            np.corrcoef(*(soft_labels(one, 5.0).astype(float) for one in pair))[0, 1], abs=1e-9
        )
        same = np.corrcoef(*(one.astype(float) for one in pair))[0, 1]
        assert cold.attributes[column].logit_correlation.value == pytest.approx(same, abs=1e-9)
        assert hot.attributes[column].logit_correlation.value == pytest.approx(same, abs=1e-9)


def test_an_attribute_that_does_not_vary_is_counted_and_has_no_figure(soft: np.ndarray) -> None:
    soft[:, 1] = 0.5
    toy = Toy(0.5 * np.eye(4), noise=0.01)
    control = run(toy, target_notes(toy.attributes, soft))
    assert control.constant == 1
    assert control.attributes[1].correlation == Estimate(None)
    assert control.mean.value == pytest.approx(np.mean([control.attributes[i].correlation.value for i in (0, 2, 3)]))
    assert "Horn" not in followed(control)


def test_an_instrument_without_attributes_shows_what_pitch_explains(soft: np.ndarray) -> None:
    soft[:, 0] = np.where(np.arange(NOTES) % 2, 0.7, 0.3)  # this label goes with the pitch, the others do not
    compared = Attributes(names=NAMES, temperature=TEMPERATURE)
    target = target_notes(Attributes(pitches=PITCHES, names=NAMES, temperature=TEMPERATURE), soft)
    random = np.random.default_rng(0)
    predicted = logits_of(
        np.clip(0.3 + 0.4 * target.condition[:, 1:2] + 0.02 * random.standard_normal((NOTES, 4)), 0.1, 1)
    )
    control = attribute_correlation(target, predicted, compared, resamples=100)
    assert control.attributes[0].correlation.value > 0.95
    for one in control.attributes[1:]:
        assert abs(one.correlation.value) < 0.15
    bare = Toy(np.eye(0), names=())
    for test, increments in ((out_of_distribution, shifts(3)), (increment_consistency, even_steps(3))):
        finding = test(bare, target, (), increments, bare.predict)
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
    target = target_notes(toy.attributes, soft[:100])
    control = run(toy, target)
    for name, score in zip(NAMES, control.attributes, strict=True):
        finding = out_of_distribution(toy, target, [name], (0.0, 1e-7), toy.predict, resamples=5)
        assert finding.curve.mean[0] == pytest.approx(score.correlation.value, abs=1e-12)
        assert finding.curve.mean[1] == pytest.approx(score.correlation.value, abs=1e-4)
    whole = out_of_distribution(toy, target, NAMES, (0.0,), toy.predict, resamples=5)
    assert whole.curve.mean[0] == pytest.approx(control.mean.value, abs=1e-12)


def test_a_linear_instrument_follows_however_far_it_is_raised_and_a_clipping_one_stops(soft: np.ndarray) -> None:
    target = target_notes(Toy(np.eye(4)).attributes, soft[:200])
    linear = Toy(GAIN * np.eye(4), noise=0.01)
    flat = out_of_distribution(linear, target, NAMES, shifts(6), linear.predict, resamples=30)
    assert np.ptp(flat.curve.mean) < 1e-3  # the same noise at every increment
    assert flat.remarks == ()
    assert flat.curve.increment == shifts(6)
    assert (flat.curve.attributes, flat.curve.notes) == (4, 200)
    assert (np.asarray(flat.curve.low) <= flat.curve.mean).all()
    assert (np.asarray(flat.curve.mean) <= flat.curve.high).all()
    clipping = Toy(GAIN * np.eye(4), noise=0.01, top=0.3)
    falls = out_of_distribution(clipping, target, NAMES, shifts(6), clipping.predict, resamples=30)
    assert falls.curve.mean[0] == pytest.approx(flat.curve.mean[0], abs=1e-3)
    assert falls.curve.mean[-1] == 0.0
    assert "count as correlation 0" in falls.remarks[0]


def test_the_interval_is_wider_with_fewer_instruments(soft: np.ndarray) -> None:
    toy = Toy(GAIN * np.eye(4), noise=0.03)
    many = target_notes(toy.attributes, soft)
    few = Targets(many.logits[:50], many.groups[:50], many.condition[:50])
    widths = []
    for target in (many, few):
        found = out_of_distribution(toy, target, NAMES, (1.0,), toy.predict, resamples=200).curve
        widths.append(found.high[0] - found.low[0])
    assert 1.5 * widths[0] < widths[1]


def test_increments_of_a_linear_instrument_are_the_closed_form(soft: np.ndarray) -> None:
    """predicted = g·α without noise moves by g·δ, which is δ / s deviations."""
    toy = Toy(GAIN * np.eye(4))
    target = target_notes(toy.attributes, soft[:100])
    finding = increment_consistency(toy, target, NAMES, even_steps(), toy.predict, resamples=50)
    slope = np.mean(1 / soft[:100].std(axis=0))
    assert finding.curve.mean == pytest.approx([slope * delta for delta in even_steps()], rel=1e-3)
    assert finding.curve.mean[0] == finding.curve.low[0] == finding.curve.high[0] == 0.0
    assert finding.curve.low[-1] < finding.curve.mean[-1] < finding.curve.high[-1]
    assert (finding.curve.attributes, finding.curve.notes) == (4, 100)


def test_deviations_can_be_taken_of_more_sounds_than_are_raised(soft: np.ndarray) -> None:
    toy = Toy(GAIN * np.eye(4))
    many, few = target_notes(toy.attributes, soft), target_notes(toy.attributes, soft[:10])
    unraised = toy.predict(many.condition, toy.latents(0, NOTES))
    found = increment_consistency(toy, few, NAMES, (0.0, 2.0), toy.predict, unraised=unraised, resamples=20).curve
    assert found.mean == pytest.approx((0.0, 2 * np.mean(1 / soft.std(axis=0))), rel=1e-3)
    own = toy.predict(few.condition, toy.latents(0, 10))
    one, other = (
        increment_consistency(toy, few, NAMES, (0.0, 2.0), toy.predict, unraised=each, resamples=20).curve
        for each in (own, None)
    )
    assert one.mean == pytest.approx(other.mean, rel=1e-9)


def test_an_unresponsive_instrument_moves_nowhere(soft: np.ndarray) -> None:
    unresponsive = Toy(np.zeros((4, 4)), offset=0.5, noise=0.05)
    target = target_notes(unresponsive.attributes, soft[:100])
    moved = increment_consistency(unresponsive, target, NAMES, even_steps(5), unresponsive.predict, resamples=20)
    assert moved.curve.mean == (0.0,) * 6
    control = run(unresponsive, target)
    assert all(abs(one.correlation.value) < 0.4 for one in control.attributes)


def test_one_attribute_alone_is_raised_with_pitch_and_latents_as_before(soft: np.ndarray) -> None:
    toy = Toy(GAIN * np.eye(4))
    target = target_notes(toy.attributes, soft[:6])
    drawn: list[np.ndarray] = []

    def predict(condition: np.ndarray, latent: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        drawn.append(latent)
        return toy.predict(condition, latent, names)

    increment_consistency(toy, target, ["Drum", "Bell"], (0.0, 1.0, 2.0), predict, resamples=3)
    before, drum, bell = toy.calls
    assert np.array_equal(before, target.condition)
    for call, column in ((drum, 2), (bell, 0)):
        change = call.reshape(2, 6, -1) - target.condition
        place = len(PITCHES) + column
        assert np.allclose(change[0, :, place], 1.0)
        assert np.allclose(change[1, :, place], 2.0)
        assert (np.delete(change, place, axis=2) == 0).all()
    assert all(np.array_equal(block, drawn[0]) for call in drawn for block in call.reshape(-1, 6, 4))
    toy.calls.clear()
    increment_consistency(toy, target, ["Drum", "Bell"], (0.0, 1.0, 2.0), predict, resamples=3)
    assert np.array_equal(toy.calls[1], drum)  # the same questions in the same order, for a cache


def test_what_is_left_out_is_reported_in_a_sentence(soft: np.ndarray) -> None:
    toy = Toy(GAIN * np.eye(4))
    target = target_notes(toy.attributes, soft[:20])
    for test in (out_of_distribution, increment_consistency):
        finding = test(toy, target, (), (0.0, 1.0), toy.predict)
        assert finding.curve is None
        assert "No attribute correlates positively" in finding.remarks[0]
    still = Toy(np.zeros((4, 4)))
    finding = increment_consistency(still, target, NAMES, (0.0, 1.0), still.predict, resamples=3)
    assert finding.curve is None
    assert "4 of 4 attributes" in finding.remarks[0]
    half = Toy(np.diag([GAIN, 0.0, GAIN, GAIN]))
    finding = increment_consistency(half, target, NAMES, (0.0, 1.0), half.predict, resamples=3)
    assert finding.curve.attributes == 3
    assert finding.remarks == (
        "Left out, because the teacher's prediction for their unraised sounds does not vary: Horn (1 of 4 attributes).",
    )
    flat = soft[:20].copy()
    flat[:, 3] = 0.5
    finding = out_of_distribution(toy, target_notes(toy.attributes, flat), NAMES, (0.1,), toy.predict, resamples=3)
    assert finding.curve.attributes == 3
    assert "their targets do not vary" in finding.remarks[0]
    assert "Flute" in finding.remarks[0]


def test_an_attribute_that_carries_the_mean_alone_is_named(soft: np.ndarray) -> None:
    soft = soft[:30].copy()
    soft[:, 1] = 0.5 + 1e-3 * (soft[:, 1] - 0.5)  # its answers hardly vary, so that it moves by thousands of deviations
    toy = Toy(GAIN * np.eye(4))
    finding = increment_consistency(
        toy, target_notes(toy.attributes, soft), NAMES, (0.0, 5.0), toy.predict, resamples=3
    )
    assert finding.remarks[0].startswith("At δ = 5, Horn alone moves by")
    assert "without it the mean" in finding.remarks[0]


# ── of arrays ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_increments_are_the_papers() -> None:
    assert len(shifts()) == 51
    assert shifts()[0] == pytest.approx(1e-3)
    assert shifts()[-1] == pytest.approx(10**0.6)
    assert np.allclose(np.diff(np.log10(shifts())), 3.6 / 50)
    assert even_steps() == pytest.approx([k / 5 for k in range(26)])
    assert even_steps(10)[0] == 0.0
    assert even_steps(10)[-1] == 5.0
    assert shifts(9)[::9] == pytest.approx([shifts()[0], shifts()[-1]])  # fewer steps, the same ends


def plain(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return raised_correlation(target, predicted, np.ones((1, len(target))))[0]


def in_deviations(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return increment_in_deviations(before, after, np.ones((1, len(before))))[0]


def test_correlation_of_a_raised_attribute_is_numpys_and_ignores_gain_and_offset() -> None:
    random = np.random.default_rng(0)
    target = random.random(40)
    predicted = 0.3 * target + 0.1 * random.standard_normal((5, 40))
    found = plain(target, predicted)
    assert found == pytest.approx([np.corrcoef(target, row)[0, 1] for row in predicted], abs=1e-12)
    assert plain(target + 4.0, 7 * predicted - 2) == pytest.approx(found, abs=1e-12)
    assert plain(target, -predicted) == pytest.approx(-found, abs=1e-12)
    assert plain(1e-200 * target, 1e200 * predicted) == pytest.approx(found, abs=1e-12)


def test_a_count_is_as_good_as_repeating_the_note() -> None:
    random = np.random.default_rng(4)
    target, predicted = random.random(12), random.random((3, 12))
    counts = random.integers(0, 4, (6, 12)).astype(float)
    for row, found, moved in zip(
        counts,
        raised_correlation(target, predicted, counts),
        increment_in_deviations(target, predicted, counts),
        strict=True,
    ):
        notes = np.repeat(np.arange(12), row.astype(int))
        assert found == pytest.approx([np.corrcoef(target[notes], one[notes])[0, 1] for one in predicted], abs=1e-12)
        difference = (predicted - target)[:, notes].mean(axis=1)
        assert moved == pytest.approx(difference / target[notes].std(), rel=1e-12)


def test_faint_labels_keep_their_digits_under_a_great_increment() -> None:
    target = np.linspace(1e-9, 2e-9, 20).astype(np.float32)
    predicted = np.stack([target + np.float32(0.5), target])  # the first is rounded flat
    assert np.ptp(predicted[0]) == 0
    assert plain(target, predicted) == pytest.approx([0.0, 1.0])


def test_constant_predictions_follow_nothing_and_constant_targets_define_nothing() -> None:
    target = np.arange(5.0)
    assert plain(target, np.full((2, 5), 0.1)).tolist() == [0.0, 0.0]
    assert np.isnan(plain(np.full(5, 0.1), np.stack([target, target]))).all()
    counts = np.array([[1.0, 1, 1, 1, 1], [3, 2, 0, 0, 0], [1, 1, 0, 0, 1]])
    some = np.array([0.1, 0.1, 0.2, 0.3, 0.7])  # in the second draw all values are one
    assert np.isnan(raised_correlation(some, target[None], counts)[:, 0]).tolist() == [False, True, False]
    assert raised_correlation(target, some[None], counts)[1, 0] == 0.0
    assert np.isnan(increment_in_deviations(some, target[None], counts)[:, 0]).tolist() == [False, True, False]


def test_an_increment_is_in_deviations_of_predictions_without_it() -> None:
    before = np.array([0.1, 0.2, 0.3, 0.4])
    after = np.stack([before, before + 0.25, before[::-1]])
    expected = [0.0, 0.25 / np.std(before), 0.0]
    assert in_deviations(before, after) == pytest.approx(expected, abs=1e-12)
    assert in_deviations(10 * before, 10 * after) == pytest.approx(expected, abs=1e-12)
    assert in_deviations(before, before[None])[0] == 0.0
    assert np.isnan(in_deviations(np.full(4, 0.1), after)).all()


def test_resamples_take_whole_instruments() -> None:
    groups = np.array([4, 7, 4, 4, 9, 9])
    counts = resampled_counts(groups, 50, seed=0)
    assert counts.shape == (51, 6)
    assert (counts[0] == 1).all()
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 0] == counts[:, 3]).all()
    assert (counts[:, 4] == counts[:, 5]).all()
    assert (counts[:, [0, 1, 4]].sum(axis=1) == 3).all()  # as many instruments as there are
    assert len(np.unique(counts, axis=0)) > 5
    assert np.array_equal(counts, resampled_counts(groups, 50, seed=0))


def test_the_mean_is_over_attributes_that_are_defined_and_the_interval_holds_it() -> None:
    random = np.random.default_rng(1)
    each = random.standard_normal((200, 6, 3)) * 0.1 + np.array([0.0, 1.0, 2.0])
    each[:, 4] = np.nan
    found = mean_over_attributes(each, 30, seed=0)
    assert found.attributes == 5
    assert found.mean == pytest.approx(each[0, [0, 1, 2, 3, 5]].mean(axis=0))
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()


def test_the_interval_is_as_wide_as_theory_says() -> None:
    """Over attributes alone the standard error of a mean of n is s / √n; over notes alone it is that of the draws."""
    random = np.random.default_rng(2)
    values = random.standard_normal(50)
    over_attributes = mean_over_attributes(np.tile(values[None, :, None], (2000, 1, 1)), 100, seed=0)
    half = 1.96 * values.std() / np.sqrt(50)
    assert (over_attributes.high - over_attributes.low)[0] / 2 == pytest.approx(half, rel=0.1)
    draws = 0.3 * random.standard_normal(2000)
    over_notes = mean_over_attributes(np.tile(draws[:, None, None], (1, 50, 1)), 100, seed=0)
    assert (over_notes.high - over_notes.low)[0] / 2 == pytest.approx(1.96 * 0.3, rel=0.1)


def test_without_attributes_or_resamples_there_is_no_interval() -> None:
    assert np.isnan(mean_over_attributes(np.full((5, 2, 3), np.nan), 9, seed=0).mean).all()
    assert mean_over_attributes(np.zeros((5, 0, 3)), 9, seed=0).attributes == 0
    alone = mean_over_attributes(np.ones((1, 2, 3)), 9, seed=0)
    assert alone.mean.tolist() == [1.0, 1.0, 1.0]
    assert np.isnan(alone.low).all()


def test_of_what_there_is_one_the_interval_does_not_cover() -> None:
    random = np.random.default_rng(3)
    one_attribute = mean_over_attributes(random.standard_normal((400, 1, 1)), 40, seed=0)
    assert one_attribute.low < one_attribute.high
    one_of_each = mean_over_attributes(random.standard_normal((400, 1, 1)), 1, seed=0)
    assert np.isnan([one_of_each.low, one_of_each.high]).all()
    values = np.tile(random.standard_normal((1, 40, 1)), (400, 1, 1))
    few, many = (mean_over_attributes(values, groups, seed=0) for groups in (3, 40))
    assert few.high - few.low > many.high - many.low  # few instruments: wider
