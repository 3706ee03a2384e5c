"""Bundles × corpus × evaluators → report and model cards: what `darktimbre evaluate` does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation import in_loss, report
from darktimbre.evaluation.comparison import Compared
from darktimbre.evaluation.profile import PAPER, QUICK
from darktimbre.evaluation.results import Evaluation, System
from darktimbre.evaluation.study import Study, Update
from darktimbre.evaluation.systems import Evaluators, Instrument
from darktimbre.report.estimates import Estimate
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.teachers.tagger import Tagger

DIGITS = 4  # of the figures in a model card


def evaluate(
    bundles: Sequence[tuple[str, Path | str | Synthesizer]],
    corpus: Path | Corpus,
    out: Path,
    *,
    teacher: str | Tagger = "yamnet",
    weights: Path | None = None,
    classifier: Path | str | NoteClassifier | None = None,
    embedding: str | None = None,
    embedding_weights: Path | None = None,
    quick: bool = False,
    counts: Mapping[str, int] | None = None,
    fad: bool = True,
    card: bool = True,
    seed: int = 0,
    device: str = "cpu",
    remarks: Sequence[str] = (),
    warn: Callable[[str], object] = print,
    update: Update = lambda done, whole, stage: None,
) -> Evaluation:
    """Evaluates instruments as the DarkGAN paper does, and writes `report.html`, `report.md` and `report.json`.

    Args:
        bundles: name of the row, and synthesizer, or folder, `starter` or hub id of its bundle; an empty name takes the
            recipe's.
        corpus: real notes, tagged by the teacher.
        out: folder of the report; features are kept in `cache/` below it, so that the same call resumes.
        teacher, weights: the teacher that the instruments were trained on, and its weights file.
        classifier: a bundle by `darktimbre train inception`; without it PIS and IIS are left out.
        embedding, embedding_weights: what FAD is taken in, by default the teacher's embedding.
        quick, counts: fewer notes; counts of `Profile` that are changed.
        fad: whether too few notes for the Fréchet distance are refused.
        card: whether the figures go into the model cards of bundles that are folders.
        seed: of notes, latents, subsets and resamples.
        device: a torch device.
        remarks: reported with what was left out.
        warn: called with a sentence where a card is not replaced.
        update: called with (notes done, notes in all at most, what is being described).

    Raises:
        UserError: they do not go together; the sentence says what to do.
    """
    profile = (QUICK if quick else PAPER).with_counts(counts or {})
    instruments = [Instrument.load(name, place, device) for name, place in bundles]
    evaluators = Evaluators.load(teacher, weights, embedding, embedding_weights, classifier, device)
    out.mkdir(parents=True, exist_ok=True)
    notes = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
    found = Study(instruments, notes, evaluators, out, profile=profile, seed=seed, fad=fad, update=update).run()
    found = replace(found, left_out=(*remarks, *found.left_out))
    report.write(found, out)
    if card:
        write_cards(found, instruments, warn)
    return found


def write_cards(found: Evaluation, instruments: Sequence[Instrument], warn: Callable[[str], object]) -> None:
    """The figures → metrics and model card of every bundle that is a folder here; all else in it stays as it is.

    Figures of fewer notes do not replace those of more.
    """
    places = {one.name: one.path for one in instruments}
    for system in found.systems:
        if (place := places.get(system.name)) is None:
            continue
        bundle, figures = Bundle.from_pretrained(place), card_metrics(system, found)
        metrics = bundle.config.setdefault("metrics", {})
        before = metrics.get("evaluation") or {}
        if before.get("corpus") == figures["corpus"] and before.get("notes", 0) > figures["notes"]:
            warn(f"The card of {system.name} keeps its figures of {before['notes']:,} notes: there are fewer now.")
            continue
        metrics["evaluation"] = figures
        bundle.save_card(place)


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
        figures["attribute_correlation"], figures["logit_correlation"] = control.mean, control.logit_mean
        figures["temperature"] = system.temperature
        if system.kind == "darkgan":
            known = [(one.name, value) for one in control.attributes if (value := one.correlation.value) is not None]
            figures["attributes"] = {n: round(v, DIGITS) for n, v in sorted(known, key=lambda pair: -pair[1])}
    if system.timing:
        figures["real_time_factor"] = round(system.timing.real_time_factor, DIGITS)
    names, independent = in_loss.card(system, Compared(evaluation))
    figures["in the loss"] = names
    figures["independent"] = {key: v for key, one in independent.items() if (v := _plain(one)) is not None}
    plain = {key: _plain(value) if isinstance(value, Estimate) else value for key, value in figures.items()}
    return {key: value for key, value in plain.items() if value is not None}


def _plain(estimate: Estimate) -> Any:
    """The figure alone, or with its interval or standard error."""
    if not estimate.known:
        return None
    value = float(f"{float(estimate):.5g}")
    if estimate.given:
        low, high = (round(end, DIGITS) for end in estimate.given)
        return {"value": value, "from": low, "to": high}
    return value if estimate.spread is None else {"value": value, "spread": float(f"{estimate.spread:.3g}")}
