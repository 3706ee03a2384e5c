"""Figures of a report → the metrics of an instrument's model card."""

from typing import Any

from darktimbre.evaluation.results import Evaluation, System
from darktimbre.report.estimates import Estimate

DIGITS = 4


def card_metrics(system: System, evaluation: Evaluation) -> dict[str, Any]:
    """The figures of one instrument on held-out notes, as the card's `metrics["evaluation"]`.

    `attributes` names every attribute with its correlation, the one it follows best first: the order of sliders.
    Soft labels are compared at the instrument's own temperature.
    """
    facts, scores, control = evaluation.facts, system.scores["held-out"], system.control.get("held-out")
    embedder = facts["embedding"]["name"]
    figures: dict[str, Any] = {
        "corpus": f"{facts['corpus']['name']} {facts['corpus']['digest'][:12]}",
        "teacher": f"{facts['teacher']['name']} {facts['teacher']['digest'][:12]}",
        "held_out": facts["held_out"],
        "notes": scores.notes,
        "seed": facts["seed"],
        "pitch_accuracy_by_f0": scores.pitch_by_f0,
        "pitch_accuracy_by_classifier": scores.pitch_by_classifier,
        "pitch_inception_score": scores.pitch_inception,
        "family_inception_score": scores.family_inception,
        f"kernel_inception_distance_{'classifier' if facts['classifier'] else embedder}": scores.kid,
        f"frechet_audio_distance_{embedder}": scores.fad,
        "coverage": scores.coverage,
    }
    if control:
        figures["attribute_correlation"], figures["attribute_logit_correlation"] = control.mean, control.logit_mean
        if system.kind == "darkgan":
            known = [(one.name, value) for one in control.attributes if (value := one.correlation.value) is not None]
            figures["attributes"] = {n: round(v, DIGITS) for n, v in sorted(known, key=lambda pair: -pair[1])}
    if system.timing:
        figures["real_time_factor"] = round(system.timing.real_time_factor, DIGITS)
    plain = {key: _plain(value) if isinstance(value, Estimate) else value for key, value in figures.items()}
    return {key: value for key, value in plain.items() if value is not None}


def _plain(estimate: Estimate) -> Any:
    """The figure alone, or with its interval or standard error."""
    if estimate.value is None:
        return None
    value = float(f"{estimate.value:.5g}")
    if estimate.low is not None and estimate.high is not None:
        return {"value": value, "from": round(estimate.low, DIGITS), "to": round(estimate.high, DIGITS)}
    return value if estimate.spread is None else {"value": value, "spread": float(f"{estimate.spread:.3g}")}
