"""Bundles × corpus × evaluators → report and model cards: what `darktimbre evaluate` does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.classifier import Classifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation import report
from darktimbre.evaluation.card import card_metrics
from darktimbre.evaluation.profile import PAPER, QUICK
from darktimbre.evaluation.results import Evaluation
from darktimbre.evaluation.study import Study, Update
from darktimbre.evaluation.systems import Evaluators, Instrument
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.teachers.tagger import Tagger

Say = Callable[[str], object]


def evaluate(
    bundles: Sequence[tuple[str, Path | str | Synthesizer]],
    corpus: Path | Corpus,
    out: Path,
    *,
    teacher: str | Tagger = "yamnet",
    weights: Path | None = None,
    classifier: Path | str | Classifier | None = None,
    embedding: str | None = None,
    embedding_weights: Path | None = None,
    quick: bool = False,
    counts: Mapping[str, int] | None = None,
    fad: bool = True,
    card: bool = True,
    seed: int = 0,
    device: str = "cpu",
    remarks: Sequence[str] = (),
    warn: Say = print,
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
        quick: fewer notes.
        counts: of `Profile` that are changed.
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
    corpus = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
    study = Study(instruments, corpus, evaluators, out, profile=profile, seed=seed, fad=fad, update=update)
    found = study.run()
    found = replace(found, left_out=(*remarks, *found.left_out))
    report.write(found, out)
    if card:
        write_cards(found, instruments, warn)
    return found


def write_cards(found: Evaluation, instruments: Sequence[Instrument], warn: Say) -> None:
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
