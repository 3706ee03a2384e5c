"""A report's figures → what an instrument's own card tells of them."""

from typing import Any

from darktimbre.evaluation.results import Estimate, Evaluation, System

DIGITS = 4


def card_metrics(system: System, evaluation: Evaluation) -> dict[str, Any]:
    """The figures of one instrument on held-out notes, as the card's `metrics["evaluation"]`.

    `attributes` names every attribute with its correlation, the one it follows best first: the order of sliders.
    """
    facts, scores = evaluation.facts, system.scores["held-out"]
    told: dict[str, Any] = {
        "corpus": f"{facts['corpus']['name']} {facts['corpus']['digest'][:12]}",
        "teacher": f"{facts['teacher']['name']} {facts['teacher']['digest'][:12]}",
        "held_out": facts["held_out"],
        "notes": scores.notes,
        "seed": facts["seed"],
        "pitch_accuracy_by_f0": _told(scores.pitch_by_f0),
        "pitch_accuracy_by_classifier": _told(scores.pitch_by_classifier),
        "pitch_inception_score": _told(scores.pitch_inception),
        "family_inception_score": _told(scores.family_inception),
        f"kernel_inception_distance_{'classifier' if facts['classifier'] else facts['embedding']['name']}": _told(
            scores.kid
        ),
        f"frechet_audio_distance_{facts['embedding']['name']}": _told(scores.fad),
        "coverage": _told(scores.coverage),
    }
    if control := system.control.get("held-out"):
        told["attribute_correlation"] = _told(control.mean)
        told["attribute_logit_correlation"] = _told(control.logit_mean)
        if system.kind == "darkgan":
            each = [(one.name, one.correlation.value) for one in control.attributes]
            known = sorted(((n, v) for n, v in each if v is not None), key=lambda pair: -pair[1])
            told["attributes"] = {name: round(value, DIGITS) for name, value in known}
    if system.timing:
        told["real_time_factor"] = round(system.timing.real_time_factor, DIGITS)
    return {key: value for key, value in told.items() if value is not None}


def _told(estimate: Estimate) -> Any:
    """The figure alone, or with its interval or spread."""
    if estimate.value is None:
        return None
    value = float(f"{estimate.value:.5g}")
    if estimate.low is not None and estimate.high is not None:
        return {"value": value, "from": round(estimate.low, DIGITS), "to": round(estimate.high, DIGITS)}
    return value if estimate.spread is None else {"value": value, "spread": float(f"{estimate.spread:.3g}")}
