"""Bundles with encoders × corpus → figures, pictures, a page and animations of their latents: one report."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from darktimbre import teachers
from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation import latent_report
from darktimbre.evaluation.autoencoders import EncodingInstrument, Floats, StyledNotes, StyleEvaluator
from darktimbre.evaluation.examples import file_name
from darktimbre.evaluation.inversions import compare_inversions
from darktimbre.evaluation.latent_figures import LatentFigures
from darktimbre.evaluation.latent_pictures import Snapshot, animate, snapshots
from darktimbre.evaluation.latents import QUICK_COUNTS, LatentCounts, LatentStudy
from darktimbre.extractors.extractors import EmbeddingExtractor
from darktimbre.notes.errors import UserError
from darktimbre.pipelines.steps import Reporter

MOST = 4  # models side by side
EMBEDDING = "embedded"  # the network that ships, in whose embedding the Fréchet distance is taken


def measure_latents(
    bundles: Sequence[tuple[str, str]],
    corpus: Path,
    out: Path,
    reporter: Reporter,
    *,
    classifiers: Sequence[Path] = (),
    split: str = "test",
    inversion: str | None = None,
    inversions: Sequence[tuple[str, str]] = (),
    quick: bool = False,
    pictures: bool = True,
    seed: int = 0,
) -> list[LatentFigures]:
    """Measures and draws the latents of some bundles; returns the figures.

    Args:
        bundles: (name, or "" for that of its recipe; folder, shipped name or hub id), four at most.
        corpus: of notes with styles, as they were trained on.
        out: folder of the report.
        reporter: receives a line on each part.
        classifiers: folders of ones trained on the corpus (`darktimbre train inception --set data.families=styles`);
            without them nothing is predicted of what the condition does.
        split: whose notes count as held out.
        inversion: instead of the bundles' own.
        inversions: ways from magnitudes to sound that are compared: name, and inversion or folder of a trained one.
        quick: fewer notes.
        pictures: whether a report is written, or figures are returned alone.
        seed: of what is drawn.

    Raises:
        UserError: there are none or too many, one has no encoder, or corpus and classifiers do not fit.
    """
    if not 1 <= len(bundles) <= MOST:
        raise UserError(f"From one to {MOST} instruments are shown side by side, not {len(bundles)}.")
    models = [EncodingInstrument.load(name, place, inversion) for name, place in bundles]
    names = [one.name for one in models]
    if len(set(names)) < len(names):
        raise UserError("Two instruments have one name: give them names, as in `first=PATH second=PATH`.")
    if len({one.source for one in models}) > 1:
        raise UserError("The instruments take their styles from different columns: look at them one by one.")
    study = study_of(corpus, classifiers, models[0].source, split=split, quick=quick, seed=seed, reporter=reporter)
    found = [measured(model, study, inversions) for model in models]
    for text in dict.fromkeys(text for one in found for text in one.warnings):
        reporter.warn(text)
    if not pictures:
        return found
    reporter.say("Drawing.")
    clouds = [latent_report.cloud_of(model, study, one) for model, one in zip(models, found, strict=True)]
    latent_report.write(found, models, clouds, study, out, animations=animated(models, study, out))
    return found


def animated(models: Sequence[EncodingInstrument], study: LatentStudy, out: Path) -> list[str]:
    """Animations over training of those models whose bundles lie in their runs' folders: names of files in a folder."""
    return [
        file.name
        for model in models
        if (taken := _taken(model))
        for file in animate(
            study.notes, taken, out / f"training-{file_name(model.name)}", name=model.name, seed=study.seed
        )
    ]


def study_of(
    corpus: Path | Corpus,
    classifiers: Sequence[Path],
    source: str = "styles",
    *,
    split: str = "test",
    quick: bool = False,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> LatentStudy:
    """What measures models on a corpus: its notes, the classifiers, the embedding of the Fréchet distance."""
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
    found = [
        StyleEvaluator.of(f"{place.parent.name}/{place.name}", NoteClassifier.from_pretrained(place))
        for place in classifiers
    ]
    extractor = EmbeddingExtractor(teachers.load_embedder(EMBEDDING))

    def embed(waves: Floats) -> Floats:
        return extractor.extract(waves, opened.sample_rate)["embedding"]

    return LatentStudy(
        StyledNotes.of(opened, source), found, split=split, counts=QUICK_COUNTS if quick else LatentCounts(),
        embed=embed if classifiers else None, seed=seed, say=reporter.say if reporter else lambda text: None,
    )  # fmt: skip


def measured(
    model: EncodingInstrument, study: LatentStudy, inversions: Sequence[tuple[str, str]] = ()
) -> LatentFigures:
    """All figures of a model, with facts of its bundle."""
    bundle = model.synthesizer.bundle
    provenance = bundle.config.get("provenance") or {}
    facts = {"notes_seen": provenance.get("notes_seen"), "recipe": (bundle.config.get("recipe") or {}).get("name")}
    found = study.measure(model, digest=bundle.digest, facts=facts)
    return replace(found, inversions=compare_inversions(model, study, inversions)) if inversions else found


def _taken(model: EncodingInstrument) -> list[Snapshot]:
    """Snapshots in the run's folder that a bundle lies in; none where it lies elsewhere, or too few."""
    place = Path(model.synthesizer.bundle.origin)
    found = snapshots(place.parent) if place.is_dir() else []
    return found if len(found) > 1 else []
