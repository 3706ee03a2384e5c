"""The ablation of autoencoders: an experiment whose end measures latents, model by model, and reports rows over seeds.

What was measured of a trained model is kept beside its run, under a digest of all that it follows from, so that a
report takes minutes only for models that are new. Where training is cut short, those that are trained are reported.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path

from darktimbre.audio.atomic import write_json
from darktimbre.bundle.bundle import LEARNED, Bundle
from darktimbre.bundle.inverter import InverterFolder, codec_difference
from darktimbre.bundle.where import SHIPPED_INVERTER, has_shipped
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation import ablation_report, latent_report
from darktimbre.evaluation.ablation_report import Trained
from darktimbre.evaluation.autoencoders import EncodingInstrument, StyledNotes
from darktimbre.evaluation.latent_figures import LatentFigures
from darktimbre.evaluation.latents import QUICK_COUNTS, LatentCounts, LatentStudy
from darktimbre.notes.errors import UserError
from darktimbre.pipelines.experiment import ExperimentPipeline
from darktimbre.pipelines.experiment_plans import Request
from darktimbre.pipelines.experiment_runs import Run
from darktimbre.pipelines.latents import animated, measured, study_of
from darktimbre.pipelines.steps import recorded
from darktimbre.teachers.tagger import Tagger

FIXED = ("griffin-lim", "phase-gradient")  # inversions that need no training
MEASURED = "latents-{}.json"  # in a run's folder


class AblationPipeline(ExperimentPipeline):
    """One call of the ablation."""

    def check_counts(self, request: Request) -> None:
        counts = QUICK_COUNTS if request.quick else LatentCounts()
        known = [one.name for one in fields(counts)]
        for name, value in request.counts.items():
            if name not in known or value < 2:
                raise UserError(f"--set takes counts of 2 or more of {', '.join(known)}, not {name}={value}.")
        self.counts = replace(counts, **request.counts)

    def load_tagger(self) -> None:
        return  # styles are the corpus's own

    def find_runs(self, corpora: Mapping[str, Corpus | None], tagger: Tagger | None = None) -> None:
        """As an experiment's; a corpus without styles, or with too few held-out notes of them, is refused before."""
        super().find_runs(corpora, tagger)
        if all(corpora.values()):
            self.check_corpus()

    def check_corpus(self) -> None:
        """Requires of the corpus what the evaluation will require of it.

        Raises:
            UserError: it has no styles, or too few held-out notes of them.
        """
        LatentStudy(StyledNotes.of(self.corpus, self.request.styles), counts=self.counts)

    def time_is_up(self, waiting: str) -> None:
        super().time_is_up(waiting)
        if self.classifiers and any(run.done() for run in self.instruments):
            self.reporter.say("Until then, those that are trained are reported.")
            self.evaluate()

    @property
    def classifiers(self) -> list[Path]:
        """Classifiers that are trained: the one given, or those of the experiment; none before all of these are."""
        if self.request.classifier is not None:
            return [self.request.classifier]
        runs = [run for run in self.runs if run.variant.role == "classifier"]
        return [run.bundle for run in runs] if all(run.done() for run in runs) else []

    @property
    def corpus(self) -> Corpus:
        corpus = self.runs[0].corpus
        assert corpus is not None
        return corpus

    # ------------------------------------------------------------------------
    # The report

    @cached_property
    def study(self) -> LatentStudy:
        """What measures every model."""
        found = study_of(self.corpus, self.classifiers, self.request.styles, seed=self.request.seed)
        return LatentStudy(
            found.notes, found.evaluators, counts=self.counts, embed=found.embed, seed=self.request.seed,
            say=self.reporter.say,
        )  # fmt: skip

    def evaluate(self) -> None:
        """Measures every model that is trained and was not measured, and writes the report of all."""
        done = [run for run in self.instruments if run.done()]
        trained = [Trained(run.variant.row, run.variant.title, self.figures_of(run)) for run in done]
        rows = list(dict.fromkeys(one.row for one in trained))
        first = [next(n for n, one in enumerate(trained) if one.row == row) for row in rows]
        shown = [n for n in first if trained[n].figures.latent == self.request.latents[0]]
        models = [EncodingInstrument.load(trained[n].row, done[n].bundle, self.inversion) for n in shown]
        clouds = [
            latent_report.cloud_of(model, self.study, trained[n].figures)
            for model, n in zip(models, shown, strict=True)
        ]
        animations = animated(models, self.study, self.request.out)
        waiting = [run.variant.title for run in self.instruments if not run.done()]
        ablation_report.write(
            trained, models, clouds, self.study, self.request.out, remarks=self.experiment.remarks, waiting=waiting,
            facts={run.variant.title: {"folder": str(run.folder), "notes": run.total} for run in done},
            animations=animations, inversion=self.inversion or "the models' own",
        )  # fmt: skip

    def figures_of(self, run: Run) -> LatentFigures:
        """What was measured of a trained model, measured now if it was not."""
        assert run.folder is not None
        inversions = self.inversions(run)
        digest = self.digest_of(run, inversions)
        file = run.folder / MEASURED.format(digest[:12])
        if recorded(file, "digest") == digest:
            return LatentFigures.from_json(json.loads(file.read_text(encoding="utf-8"))["figures"])
        model = EncodingInstrument.load(run.variant.title, run.bundle, self.inversion)
        found = measured(model, self.study, inversions)
        write_json(file, {"digest": digest, "figures": found.to_json()})
        return found

    @cached_property
    def inversion(self) -> str | None:
        """What all sounds but those of the comparison are made by: the shipped network, where it is for the models'
        spectrograms; None for the models' own."""
        if not has_shipped(SHIPPED_INVERTER):
            return None
        network = InverterFolder.from_pretrained(SHIPPED_INVERTER).network
        codecs = [Bundle.from_pretrained(run.bundle).codec().config for run in self.instruments if run.done()]
        return None if any(codec_difference(network, one) for one in codecs) else LEARNED

    def inversions(self, run: Run) -> Sequence[tuple[str, str]]:
        """What is compared, of the first seed alone: the fixed ones, the shipped network, and those of the user."""
        if not run.variant.title.endswith("seed 0"):
            return ()
        learned = [(LEARNED, LEARNED)] if self.inversion else []
        return [*((name, name) for name in FIXED), *learned, *self.request.inversions]

    def digest_of(self, run: Run, inversions: Sequence[tuple[str, str]]) -> str:
        """SHA-256 of all that a model's figures follow from."""
        trained = {LEARNED: SHIPPED_INVERTER}
        made = [
            InverterFolder.from_pretrained(trained.get(place, place)).digest
            if place == LEARNED or Path(place).is_dir()
            else place
            for _, place in (*inversions, *([("", self.inversion)] if self.inversion else []))
        ]
        evaluators = [evaluator.extractor.digest for evaluator in self.study.evaluators]
        weights = recorded(run.bundle / "config.json", "provenance")
        parts = (run.digest, weights, self.corpus.digest, evaluators, repr(self.counts), self.request.seed, made)
        return hashlib.sha256(json.dumps([*parts, _code()], sort_keys=True).encode()).hexdigest()


def _code() -> str:
    """Digest of the files that measure."""
    package = Path(latent_report.__file__).parents[1]
    mine = ("autoencoders", "inversions", "latent_figures", "latents")
    files = [*(package / "measures").glob("*.py"), *(package / "evaluation" / f"{one}.py" for one in mine)]
    return hashlib.sha256(b"".join(one.read_bytes() for one in sorted(files))).hexdigest()
