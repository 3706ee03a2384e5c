"""An evaluation → what its curves, its analysis of variance and its clock say, in a sentence each."""

from darktimbre.evaluation.report.numbers import finite, interval, told
from darktimbre.evaluation.report.wording import of_kind, value
from darktimbre.evaluation.results import Curve, Estimate, Evaluation


def _points(curve: Curve) -> list[tuple[float, Estimate]]:
    every = zip(curve.increment, curve.mean, curve.low, curve.high, strict=True)
    return [(x, Estimate(m, low, high)) for x, m, low, high in every if finite(m)]


def nearest_point(curve: Curve, increment: float) -> tuple[float, Estimate] | None:
    """The point of a curve that is nearest to an increment; None where the curve has none."""
    points = _points(curve)
    return min(points, key=lambda point: abs(point[0] - increment)) if points else None


def out_of_distribution(evaluation: Evaluation) -> list[str]:
    """Figure 2 at its ends."""
    each = []
    for one in of_kind(evaluation, "darkgan"):
        points = _points(one.out_of_distribution) if one.out_of_distribution else []
        if len(points) > 1:
            (x, start), (far, end) = points[0], min(points, key=lambda point: abs(point[0] - 1.0))
            half = [d for d, e in points if 2 * value(e) < value(start)] if value(start) > 0 else []
            tail = f" (below half from δ = {min(half):.2g})" if half else ""
            first, last = told(start, decimals=2), told(end, decimals=2)
            each.append(f"{one.name}: {first} at δ = {x:.2g} and {last} at δ = {far:.2g}{tail}")
    return [f"Mean correlation when an attribute is raised by δ: {'; '.join(each)}."] if each else []


def increments(evaluation: Evaluation) -> list[str]:
    """Figure 3 at δ = 1."""
    each = []
    for one in of_kind(evaluation, "darkgan"):
        found = nearest_point(one.increments, 1.0) if one.increments else None
        if found is None:
            continue
        span, sure = interval(found[1]), ""
        if span is not None and span[0] <= 0 <= span[1]:
            sure = ", which cannot be told from no effect"
        elif value(found[1]) < 0:
            sure = ", the wrong way"
        each.append(f"{one.name}: {told(found[1], decimals=2)} at δ = {found[0]:.2g}{sure}")
    return [f"Mean rise heard, in standard deviations, when δ more is asked for: {'; '.join(each)}."] if each else []


def variation(evaluation: Evaluation) -> list[str]:
    """What moves the sound."""
    each = []
    for one in of_kind(evaluation, "darkgan"):
        if one.variation:
            shares = (one.variation.attributes, one.variation.latent, one.variation.both)
            attributes, latent, both = (f"{100 * share:.0f}\u00a0%" for share in shares)
            each.append(f"{one.name}: {attributes} attributes, {latent} z, {both} both together")
    return [f"What varies in the sound at one pitch follows: {'; '.join(each)}."] if each else []


def timing(evaluation: Evaluation) -> list[str]:
    """The slowest instrument."""
    timed = [(one.name, one.timing) for one in evaluation.systems if one.timing]
    if not timed:
        return []
    name, slow = max(timed, key=lambda pair: pair[1].real_time_factor)
    network, inversion = (f"{100 * part / slow.total:.0f}\u00a0%" for part in (slow.network, slow.inversion))
    slowest = f"{name} is the slowest: it computes" if len(timed) > 1 else f"{name} computes"
    live = "too slow to play live" if slow.real_time_factor >= 1 else "fast enough to play live"
    return [
        f"{slowest} {slow.real_time_factor:.2g} s for a second of sound on {slow.device} with {slow.threads} "
        f"thread{'s' * (slow.threads != 1)} ({network} network, {inversion} inversion), {live}."
    ]
