"""Synthesizer → sounds → the teacher's answer: does an instrument do what its attributes say (DarkGAN §4.4.2)?

Asked for is α, soft labels of real notes at the instrument's temperature T; heard is F, the teacher's answer at the
same T. Rendering and caching stay outside: who calls hands in `hear`, conditions and latents in, logits out.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from darktimbre.evaluation.heldout import HeldOut
from darktimbre.evaluation.increments import (
    curve,
    increment_in_deviations,
    mean_over_attributes,
    raised_correlation,
    resampled_counts,
)
from darktimbre.evaluation.results import AttributeScore, Control, Curve, Estimate
from darktimbre.measures.correlation import bootstrap_correlation
from darktimbre.notes.attributes import Attributes
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.temperature import soft_labels

Floats = NDArray[np.float32]
Hear = Callable[[Floats, Floats, tuple[str, ...]], Floats]
"""Conditions (note, size), latents (note, latent) and some names → the teacher's logits of these (note, name)."""


class Finding(NamedTuple):
    """A curve, or None where there is none; and sentences on what was left out of it and why."""

    curve: Curve | None
    told: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------------------------------------
# ρ^i(α̂, α) = ρ(F^i(G(z, p, α)), α^i)                                                               DarkGAN §4.4.2 (1)
# ---------------------------------------------------------------------------------------------------------------------
def attribute_correlation(
    asked: HeldOut, heard_logits: Floats, attributes: Attributes, *, resamples: int = 400, seed: int = 0
) -> Control:
    """Correlation per attribute of what was asked for and what is heard, of soft labels and of logits.

    It is as well defined for sounds of an instrument without attributes: what pitch alone explains. `attributes` are
    then those it is to be judged on, of the vocabulary and temperature of an instrument beside it.

    Args:
        asked: notes whose conditions the sounds were made of.
        heard_logits: (note, label) of the teacher, for the sounds.
        attributes: names of the labels and their temperature.
        resamples: of the bootstrap over the real instruments that the conditions come from (`asked.groups`).
        seed: of it.
    """
    names, temperature = attributes.names, attributes.temperature
    assert asked.logits.shape == heard_logits.shape == (len(asked.groups), len(names))
    soft, plain = (
        bootstrap_correlation(mine, heard, asked.groups, resamples=resamples, seed=seed)
        for mine, heard in (
            (soft_labels(asked.logits, temperature), soft_labels(heard_logits, temperature)),
            (asked.logits, heard_logits),
        )
    )
    scores = tuple(
        AttributeScore(
            name,
            _estimate(soft.each[index], soft.low[index], soft.high[index]),
            _estimate(plain.each[index], plain.low[index], plain.high[index]),
        )
        for index, name in enumerate(names)
    )
    return Control(
        notes=len(heard_logits),
        instruments=len(np.unique(asked.groups)),
        mean=_estimate(soft.mean, soft.mean_low, soft.mean_high),
        logit_mean=_estimate(plain.mean, plain.mean_low, plain.mean_high),
        constant=sum(score.correlation.value is None for score in scores),
        attributes=scores,
    )


def followed(control: Control, count: int | None = None) -> tuple[str, ...]:
    """Attributes with a correlation above 0 (the paper's S), highest first, at most `count`."""
    ranked = [(one.correlation.value, one.name) for one in control.attributes if one.correlation.value is not None]
    positive = sorted((pair for pair in ranked if pair[0] > 0), key=lambda pair: -pair[0])  # equal ones stay in order
    return tuple(name for _, name in positive[:count])


# ---------------------------------------------------------------------------------------------------------------------
# ρ̄_δ = 1/|S| Σ_{i ∈ S} ρ(F^i(G(z, p, α + δ e_i)), α^i + δ)                                         DarkGAN §4.4.2 (2)
# ---------------------------------------------------------------------------------------------------------------------
def out_of_distribution(
    synthesizer: Synthesizer,
    asked: HeldOut,
    chosen: Sequence[str],
    increments: Sequence[float],
    hear: Hear,
    *,
    resamples: int = 400,
    seed: int = 0,
) -> Finding:
    """Attribute correlation when one attribute at a time is raised above what it ever was, mean over attributes.

    Pitches, latents and the other attributes stay as they are, so that at δ = 0 this is test 1 on the same notes. The
    chosen attributes were found to follow on the same kind of notes, so the curve begins a little too high: small
    correlations that came out positive by chance are among them, those that came out negative are not.

    Args:
        synthesizer: the instrument.
        asked: the notes, told as to this instrument.
        chosen: names, usually `followed(control)`; sounds are asked for in this order.
        increments: δ, usually `increments.shifts()`.
        hear: makes the sounds and listens; called once an attribute, with all notes of the first increment, then all
            of the second, and so on.
        resamples: of the interval, over attributes and over the real instruments that the conditions come from.
        seed: of the latents and the resamples.
    """
    if missing := _nothing_to_raise(synthesizer, chosen):
        return Finding(None, missing)
    soft = asked.condition[:, len(synthesizer.attributes.pitches) :]
    counts = resampled_counts(asked.groups, resamples, seed)
    each = np.empty((len(counts), len(chosen), len(increments)))
    still = 0
    for place, (column, heard) in enumerate(_answers(synthesizer, asked, chosen, increments, hear, seed)):
        each[:, place] = raised_correlation(soft[:, column], heard, counts)
        still += int((np.ptp(heard, axis=1) == 0).sum())
    average = mean_over_attributes(each, len(np.unique(asked.groups)), seed=seed)
    told = _left_out(chosen, each, "what is asked of them does not vary in these notes")
    if still:
        told += (
            f"At {still} of {len(chosen) * len(increments)} attributes and increments the teacher's answer does not "
            "vary at all; these count as correlation 0.",
        )
    if not average.attributes:
        return Finding(None, told)
    return Finding(curve(tuple(increments), average, len(soft)), told)


# ---------------------------------------------------------------------------------------------------------------------
# ΔF̄_δ = Σ_i Σ_j [F^i(G(z_j, p_j, α_j + δ e_i)) − F^i(G(z_j, p_j, α_j))] / (I · J · std F^i(G(z, p, α)))
#                                                                                                    DarkGAN §4.4.2 (3)
# ---------------------------------------------------------------------------------------------------------------------
def increment_consistency(
    synthesizer: Synthesizer,
    asked: HeldOut,
    chosen: Sequence[str],
    increments: Sequence[float],
    hear: Hear,
    *,
    unraised: Floats | None = None,
    resamples: int = 400,
    seed: int = 0,
) -> Finding:
    """How far raising an attribute moves what is heard of it, in deviations of the sounds it was not raised in.

    Exactly 0 at δ = 0, which is asked for once, before all attributes. Other arguments as in `out_of_distribution`;
    usual are `followed(control, 50)` and `increments.even_steps()`.

    Args:
        unraised: logits (note, label) of more sounds that nothing was raised in, as of test 1, to take the deviation
            of: among few notes there may be none of the kind that an attribute is for, and the deviation is then a
            small fraction of what it is among many. The paper's std(F(G(z, p, α))) can be read both ways. By default
            that of the sounds of `asked`.
    """
    if missing := _nothing_to_raise(synthesizer, chosen):
        return Finding(None, missing)
    temperature = synthesizer.attributes.temperature
    counts = resampled_counts(asked.groups, resamples, seed)
    latent = synthesizer.latents(seed, len(asked.condition))
    before = soft_labels(hear(asked.condition, latent, synthesizer.attributes.names), temperature)
    more = None if unraised is None else soft_labels(unraised, temperature)
    above = [delta for delta in increments if delta != 0]
    each = np.empty((len(counts), len(chosen), len(increments)))
    for place, (column, heard) in enumerate(_answers(synthesizer, asked, chosen, above, hear, seed)):
        start, after = before[:, column], iter(heard)
        whole = np.stack([start if delta == 0 else next(after) for delta in increments])
        usual = None if more is None else more[:, column]
        each[:, place] = increment_in_deviations(start, whole, counts, usual)
    average = mean_over_attributes(each, len(np.unique(asked.groups)), seed=seed)
    told = _left_out(chosen, each, "the teacher's answer to the conditions as they are does not vary")
    if not average.attributes:
        return Finding(None, told)
    return Finding(curve(tuple(increments), average, len(before)), told + _carried_by_one(chosen, each[0], increments))


def _answers(
    synthesizer: Synthesizer,
    asked: HeldOut,
    chosen: Sequence[str],
    increments: Sequence[float],
    hear: Hear,
    seed: int,
) -> Iterator[tuple[int, Floats]]:
    """Column of each chosen attribute among the labels, and what is heard of it: soft labels (increment, note)."""
    attributes, count = synthesizer.attributes, len(asked.condition)
    latent = np.tile(synthesizer.latents(seed, count), (len(increments), 1))
    for name in chosen:
        column = attributes.names.index(name)
        condition = np.tile(asked.condition, (len(increments), 1))
        condition[:, len(attributes.pitches) + column] += np.repeat(np.asarray(increments, np.float32), count)
        logits = hear(condition, latent, (name,)) if len(condition) else np.zeros((0, 1), np.float32)
        assert logits.shape == (len(condition), 1)
        yield column, soft_labels(logits[:, 0], attributes.temperature).reshape(len(increments), count)


def _nothing_to_raise(synthesizer: Synthesizer, chosen: Sequence[str]) -> tuple[str, ...]:
    if not synthesizer.attributes.names:
        return ("It has no attributes to raise.",)
    return () if chosen else ("No attribute correlates positively, so there is none to raise.",)


def _left_out(chosen: Sequence[str], each: NDArray[np.float64], why: str) -> tuple[str, ...]:
    lost = [name for name, row in zip(chosen, each[0], strict=True) if not np.isfinite(row).all()]
    if not lost:
        return ()
    more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
    return (f"Left out, for {why}: {', '.join(lost[:4])}{more} ({len(lost)} of {len(chosen)} attributes).",)


def _carried_by_one(chosen: Sequence[str], plain: NDArray[np.float64], increments: Sequence[float]) -> tuple[str, ...]:
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


def _estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(*(float(one) if np.isfinite(one) else None for one in (value, low, high)))
