"""Does an instrument follow its attributes (DarkGAN §4.4.2)?

The condition is α, soft labels of real notes at the instrument's temperature T; F is the teacher's prediction for the
generated sounds at the same T. Rendering, extracting and caching stay outside: the caller hands in `predict`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from darktimbre.evaluation.conditions import Conditions
from darktimbre.evaluation.results import AttributeScore, Control, Curve, Estimate
from darktimbre.measures.correlation import bootstrap_correlation
from darktimbre.measures.interval import group_index, percentiles
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.temperature import bounded_logits, soft_labels
from darktimbre.synthesizer.synthesizer import Synthesizer

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Predict = Callable[[Floats, Floats, tuple[str, ...]], Floats]
"""Conditions (note, size), latents (note, latent) and some names → the teacher's logits (note, name) of the sounds."""

SMALLEST, DECADES = -3.0, 3.6  # log10 of the first δ of test 2, and how far the last is above it
GREATEST = 5.0  # last δ of test 3
ROUNDING = 1e-13  # a variance below this share of the mean square is nothing but the rounding of equal values


class Finding(NamedTuple):
    """A curve, or None where there is none; and sentences on what was left out of it and why."""

    curve: Curve | None
    remarks: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------------------------------------
# ρ^i(α̂, α) = ρ(F^i(G(z, p, α)), α^i)                                                               DarkGAN §4.4.2 (1)
# ---------------------------------------------------------------------------------------------------------------------
def attribute_correlation(
    target: Conditions, predicted_logits: Floats, attributes: Attributes, *, resamples: int = 0, seed: int = 0
) -> Control:
    """Pearson's correlation per attribute of target and prediction: of soft labels, and of logits.

    Soft labels, σ(logit / T), are those at the instrument's own temperature, `attributes.temperature`, on both sides;
    the correlation of logits, which are bounded, does not depend on T, and in it faint attributes count as much as loud
    ones. Figures named `attribute_correlation`, in quick reports, validation, evaluations and model cards, are the mean
    of the former over the attributes where it is defined; those named `logit_correlation` are the mean of the latter.

    It is as well defined for an instrument without attributes: what pitch alone explains. `attributes` are then those
    of an instrument it is compared with.

    Args:
        target: notes whose conditions the sounds were generated from.
        predicted_logits: (note, label) of the teacher, for the sounds.
        attributes: names of the labels and their temperature.
        resamples: of the bootstrap over the real instruments that the conditions come from (`target.groups`); without
            any there are no intervals.
        seed: of it.
    """
    names, temperature = attributes.names, attributes.temperature
    assert target.logits.shape == predicted_logits.shape == (len(target.groups), len(names))
    soft, logit = (
        bootstrap_correlation(first, second, target.groups, resamples=resamples, seed=seed)
        for first, second in (
            (soft_labels(target.logits, temperature), soft_labels(predicted_logits, temperature)),
            (bounded_logits(target.logits), bounded_logits(predicted_logits)),
        )
    )
    each = [[_estimate(*one) for one in zip(found.each, found.low, found.high, strict=True)] for found in (soft, logit)]
    return Control(
        notes=len(predicted_logits),
        instruments=len(np.unique(target.groups)),
        mean=_estimate(soft.mean, soft.mean_low, soft.mean_high),
        logit_mean=_estimate(logit.mean, logit.mean_low, logit.mean_high),
        constant=sum(one.value is None for one in each[0]),
        attributes=tuple(map(AttributeScore, names, *each)),
    )


def same_instrument_correlation(
    target: Conditions, attributes: Attributes, *, resamples: int = 0, seed: int = 0
) -> Control | None:
    """The same of each note and another one of its real instrument: how far attributes are those of the instrument.

    None without attributes, or where fewer than two notes have another one. The predictions are the corpus's tags.
    """
    another, plain = target.another_note(), replace(attributes, pitches=())
    has = another >= 0
    if not attributes.names or has.sum() < 2:
        return None
    mine, other = (Conditions.of(target.corpus, rows[has], plain) for rows in (target.rows, another))
    return attribute_correlation(mine, other.logits, attributes, resamples=resamples, seed=seed)


def followed(control: Control, count: int | None = None) -> tuple[str, ...]:
    """Attributes with a correlation above 0 (the paper's S), highest first, at most `count`."""
    ranked = [(one.correlation.value, one.name) for one in control.attributes if one.correlation.value is not None]
    positive = sorted((pair for pair in ranked if pair[0] > 0), key=lambda pair: -pair[0])  # equal ones stay in order
    return tuple(name for _, name in positive[:count])


class RaisedAttributes:
    """Tests 2 and 3: sounds of an instrument in which one attribute at a time is raised.

    Pitches, latents and the other attributes stay as they are.
    """

    def __init__(
        self, synthesizer: Synthesizer, target: Conditions, predict: Predict, *, resamples: int = 400, seed: int = 0
    ) -> None:
        """Draws the latents and the resamples, of attributes and of the real instruments that `target` comes from.

        `predict` renders sounds and runs the teacher: once an attribute, with all notes of the first increment, then
        all of the second, and so on.
        """
        self.target, self.predict, self.seed = target, predict, seed
        self.attributes = synthesizer.attributes
        self.latent = synthesizer.latents(seed, len(target.condition))
        self.counts = resampled_counts(target.groups, resamples, seed)

    # -----------------------------------------------------------------------------------------------------------------
    # ρ̄_δ = 1/|S| Σ_{i ∈ S} ρ(F^i(G(z, p, α + δ e_i)), α^i + δ)                                     DarkGAN §4.4.2 (2)
    # -----------------------------------------------------------------------------------------------------------------
    def out_of_distribution(self, chosen: Sequence[str], increments: Sequence[float]) -> Finding:
        """Attribute correlation when an attribute is raised above what it ever was, mean over the chosen attributes.

        At δ = 0 this is test 1 on the same notes. The chosen attributes, usually `followed(control)`, correlated on the
        same kind of notes, so the curve starts a little too high: small correlations that are positive by chance are
        among them, negative ones are not.
        """
        if missing := self._nothing_to_raise(chosen):
            return Finding(None, missing)
        soft = self.target.condition[:, len(self.attributes.pitches) :]
        each, constant = [], 0
        for column, predicted in self._raised(chosen, increments):
            each.append(raised_correlation(soft[:, column], predicted, self.counts))
            constant += int((np.ptp(predicted, axis=1) == 0).sum())
        found = self._mean(each, chosen, increments, "their targets do not vary in these notes")
        sentence = (
            f"At {constant} of {len(chosen) * len(increments)} attributes and increments the teacher's prediction does "
            "not vary at all; these count as correlation 0."
        )
        return Finding(found.curve, (*found.remarks, sentence)) if constant else found

    # -----------------------------------------------------------------------------------------------------------------
    # ΔF̄_δ = Σ_i Σ_j [F^i(G(z_j, p_j, α_j + δ e_i)) − F^i(G(z_j, p_j, α_j))] / (I · J · std F^i(G(z, p, α)))
    #                                                                                                DarkGAN §4.4.2 (3)
    # -----------------------------------------------------------------------------------------------------------------
    def increment_consistency(
        self, chosen: Sequence[str], increments: Sequence[float], unraised: Floats | None = None
    ) -> Finding:
        """How far raising an attribute moves its prediction, in standard deviations of sounds it was not raised in.

        Exactly 0 at δ = 0, whose sounds are rendered once, before all attributes. The deviation is that of `unraised`,
        logits (note, label) of more sounds that nothing was raised in, as of test 1, else of the sounds of `target`:
        among few notes there may be none of the kind that an attribute is for, and the deviation is then a small
        fraction of what it is among many. The paper's std(F(G(z, p, α))) can be read both ways.
        """
        if missing := self._nothing_to_raise(chosen):
            return Finding(None, missing)
        names, temperature = self.attributes.names, self.attributes.temperature
        before = soft_labels(self.predict(self.target.condition, self.latent, names), temperature)
        more = None if unraised is None else soft_labels(unraised, temperature)
        each = []
        for column, predicted in self._raised(chosen, [delta for delta in increments if delta != 0]):
            start, after = before[:, column], iter(predicted)
            whole = np.stack([start if delta == 0 else next(after) for delta in increments])
            each.append(increment_in_deviations(start, whole, self.counts, None if more is None else more[:, column]))
        why = "the teacher's prediction for their unraised sounds does not vary"
        found = self._mean(each, chosen, increments, why)
        dominated = _dominated(chosen, np.stack([one[0] for one in each]), increments) if found.curve else ()
        return Finding(found.curve, found.remarks + dominated)

    def _raised(self, chosen: Sequence[str], increments: Sequence[float]) -> Iterator[tuple[int, Floats]]:
        """Column of each chosen attribute among the labels, and the soft labels (increment, note) predicted of it."""
        count = len(self.target.condition)
        latent = np.tile(self.latent, (len(increments), 1))
        for name in chosen:
            column = self.attributes.names.index(name)
            condition = np.tile(self.target.condition, (len(increments), 1))
            condition[:, len(self.attributes.pitches) + column] += np.repeat(np.asarray(increments, np.float32), count)
            logits = self.predict(condition, latent, (name,)) if len(condition) else np.zeros((0, 1), np.float32)
            assert logits.shape == (len(condition), 1)
            yield column, soft_labels(logits[:, 0], self.attributes.temperature).reshape(len(increments), count)

    def _mean(self, each: list[Array], chosen: Sequence[str], increments: Sequence[float], why: str) -> Finding:
        """The mean over attributes, each (draw, increment), as a curve, and a sentence on those left out of it."""
        table = np.stack(each, axis=1)
        lost = [name for name, row in zip(chosen, table[0], strict=True) if not np.isfinite(row).all()]
        more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
        sentence = f"Left out, because {why}: {', '.join(lost[:4])}{more} ({len(lost)} of {len(chosen)} attributes)."
        average = mean_over_attributes(table, len(np.unique(self.target.groups)), seed=self.seed)
        mean, low, high = (tuple(map(float, values)) for values in average[:3])
        curve = Curve(tuple(increments), mean, low, high, average.attributes, notes=len(self.target.condition))
        return Finding(curve if average.attributes else None, (sentence,) if lost else ())

    def _nothing_to_raise(self, chosen: Sequence[str]) -> tuple[str, ...]:
        if not self.attributes.names:
            return ("It has no attributes to raise.",)
        return () if chosen else ("No attribute correlates positively, so there is none to raise.",)


# ── of arrays ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def shifts(steps: int = 50) -> tuple[float, ...]:
    """δ_l = 10^(−3 + 3.6 l / L), l = 0 … L (the paper's L is 50): dense within [0, 1], the last is 10^0.6 = 3.98."""
    return tuple(float(10 ** (SMALLEST + DECADES * step / steps)) for step in range(steps + 1))


def even_steps(steps: int = 25) -> tuple[float, ...]:
    """δ_k = 5 k / K, k = 0 … K (the paper's K is 25)."""
    return tuple(float(GREATEST * step / steps) for step in range(steps + 1))


def raised_correlation(target: NDArray[np.floating], predicted: NDArray[np.floating], counts: Array) -> Array:
    """ρ(F^i(G(z, p, α + δ e_i)), α^i + δ) of one attribute, for each δ.

    A correlation is the same for α and α + δ; taking α keeps the digits that adding δ to a faint label would cost.

    Args:
        target: (note,) values before they are raised.
        predicted: (increment, note) by the teacher.
        counts: (draw, note) how often each note counts: 1 for the notes as they are.

    Returns:
        (draw, increment) in [-1, 1]; 0 where the predictions do not vary, NaN where the targets do not.
    """
    x, y, weights = _standard(target[None]), _standard(predicted), counts / counts.sum(axis=1, keepdims=True)
    mean_x, mean_y = weights @ x.T, weights @ y.T
    square_x, square_y = weights @ np.square(x).T, weights @ np.square(y).T
    xx, yy = square_x - np.square(mean_x), square_y - np.square(mean_y)
    moves_x, moves_y = xx > ROUNDING * square_x, yy > ROUNDING * square_y
    each = np.zeros(mean_y.shape)
    defined = moves_x & moves_y
    together = weights @ (x * y).T - mean_x * mean_y
    each[defined] = together[defined] / np.sqrt(xx * yy)[defined]
    each[~moves_x[:, 0]] = np.nan
    return np.asarray(np.clip(each, -1.0, 1.0))


def increment_in_deviations(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    counts: Array,
    unraised: NDArray[np.floating] | None = None,
) -> Array:
    """mean_j [F^i(G(z_j, p_j, α_j + δ e_i)) − F^i(G(z_j, p_j, α_j))] / std_j F^i(G(z_j, p_j, α_j)) of one attribute.

    Args:
        before: (note,) predictions without increment.
        after: (increment, note) predictions with it.
        counts: (draw, note) how often each note counts: 1 for the notes as they are.
        unraised: (any note,) predictions without increment to take the deviation of, the same for all draws; by default
            it is that of `before` in the same draw.

    Returns:
        (draw, increment); NaN where the predictions without increment do not vary.
    """
    weights = counts / counts.sum(axis=1, keepdims=True)
    rows, shares = (before[None], weights) if unraised is None else (unraised[None], np.ones((1, len(unraised))))
    start, shares = _standard(rows), shares / shares.sum(axis=1, keepdims=True)
    mean, square = shares @ start.T, shares @ np.square(start).T
    variance = square - np.square(mean)
    deviation = np.sqrt(np.where(variance > ROUNDING * square, variance, np.nan)) * _scale(rows)
    moved = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    return np.asarray(weights @ moved.T / deviation)


def resampled_counts(groups: NDArray[np.integer], resamples: int, seed: int) -> Array:
    """How often each note counts (draw, note): first once each, then in resamples of whole groups with replacement.

    Notes of one group (one real instrument) are not independent, and a resample of single notes would treat them as so.
    """
    random = np.random.default_rng(seed)
    index, count = group_index(groups, len(groups))
    drawn = [np.bincount(random.integers(count, size=count), minlength=count)[index] for _ in range(resamples)]
    return np.stack([np.ones(len(groups)), *drawn])


class Average(NamedTuple):
    """Mean over attributes (increment,); NaN without any, the interval also where nothing can be resampled."""

    mean: Array
    low: Array
    high: Array
    attributes: int  # that it is over


def mean_over_attributes(each: NDArray[np.floating], groups: int, *, seed: int) -> Average:
    """The mean over attributes, and its interval when attributes and notes are both resampled (Owen 2007).

    Args:
        each: (draw, attribute, increment); draw 0 is of the notes as they are, the others of resampled notes. An
            attribute with NaN in draw 0 is left out; one with NaN in another draw only from that draw's mean.
        groups: how many groups of notes were resampled. The interval is widened for the fewer of groups and attributes
            (`measures.interval.percentiles`); of what there is only one of, it says nothing.
        seed: of the draws of attributes.
    """
    defined = np.isfinite(each[0]).all(axis=1)
    each, count = np.asarray(each, np.float64)[:, defined], int(defined.sum())
    nothing = np.full(each.shape[2], np.nan)
    if not count:
        return Average(nothing, nothing, nothing, 0)
    random = np.random.default_rng(seed)
    means = np.full((len(each) - 1, each.shape[2]), np.nan)
    for row, draw in zip(means, each[1:], strict=True):
        taken = draw[random.integers(count, size=count)]
        taken = taken[np.isfinite(taken).all(axis=1)]
        if len(taken):
            row[:] = taken.mean(axis=0)
    fewest = min((many for many in (count, groups) if many > 1), default=1)
    low, high = percentiles(means, fewest)
    return Average(each[0].mean(axis=0), low, high, count)


def _dominated(chosen: Sequence[str], plain: Array, increments: Sequence[float]) -> tuple[str, ...]:
    """A sentence where one attribute makes most of a mean of several: in its own deviations a faint one can go far."""
    defined = np.isfinite(plain[:, -1])
    last, names = plain[defined, -1], [name for name, is_there in zip(chosen, defined, strict=True) if is_there]
    if len(last) < 3:
        return ()
    first = int(np.argmax(np.abs(last)))
    mean, without = float(last.mean()), float(np.delete(last, first).mean())
    if abs(without) >= abs(mean) / 2:
        return ()
    return (
        f"At δ = {increments[-1]:g}, {names[first]} alone moves by {last[first]:.3g} deviations; without it the mean "
        f"of {mean:.3g} would be {without:.3g}.",
    )


def _standard(rows: NDArray[np.floating]) -> Array:
    """Rows (row, note) centred and within ±1, so that squares neither overflow nor underflow; 0 for constant ones."""
    wide = np.asarray(rows, np.float64)
    varies = np.ptp(wide, axis=1, keepdims=True) > 0  # of constant ones, the mean's rounding would be left
    return np.where(varies, (wide - wide.mean(axis=1, keepdims=True)) / _scale(wide), 0.0)


def _scale(rows: NDArray[np.floating]) -> Array:
    """Range of each row (row, 1); 1 for a constant row."""
    spans = np.ptp(np.asarray(rows, np.float64), axis=1, keepdims=True)
    return np.where(spans > 0, spans, 1.0)


def _estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(*(float(one) if np.isfinite(one) else None for one in (value, low, high)))
