"""The embedded teacher: notes + another teacher's stored logits → a small tagger's weights and report."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeFloat
from scipy.special import expit
from torch import Tensor
from torch.nn import functional as F

from darktimbre.audio.atomic import atomic_folder
from darktimbre.corpus.corpus import Corpus
from darktimbre.measures.correlation import mean_pearson
from darktimbre.notes.errors import UserError
from darktimbre.notes.temperature import soft_labels
from darktimbre.objectives.distillation import distillation_loss
from darktimbre.tagging.store import Tags
from darktimbre.teachers import logmel
from darktimbre.teachers.compress import compress
from darktimbre.teachers.embedded import EmbeddedNetwork
from darktimbre.teachers.embedded import save as save_embedded
from darktimbre.teachers.weights import locate
from darktimbre.teachers.yamnet import YamnetTagger
from darktimbre.training.dataset import NoteDataset, choose_attributes, note_dataset
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import Recipe, Section
from darktimbre.training.sampling import RowSampler
from darktimbre.training.schedule import StepState
from darktimbre.training.tasks.base import Plan
from darktimbre.training.tasks.supervised import SupervisedTask

FEWEST, MOST = 1200, 8000  # notes: more than the widest layer's 1024 inputs; 8000 take some 6 GB
BLOCK = 256  # notes whose patches are computed at once


class TaggerSettings(Section):
    """The section `tagger`."""

    # `compressed` (YAMNet's weights, which must be on this machine, made narrow in closed form) or `scratch`
    start: Literal["compressed", "scratch"] = "compressed"
    # weight of the cross-entropy of probabilities, beside the squared error of standardised logits
    cross_entropy: NonNegativeFloat = 5.0
    weight_decay: NonNegativeFloat = 1e-4  # decoupled decay of AdamW
    gain_db: NonNegativeFloat = 6.0  # random gain within ± this many dB, so that the tagger does not depend on loudness


class TaggerRecipe(Recipe):
    """A recipe of task `tagger`."""

    task: Literal["tagger"]
    tagger: TaggerSettings = TaggerSettings()


class TaggerTask(SupervisedTask):
    """A small tagger distilled from a large one: squared error of standardised logits and cross-entropy."""

    Recipe = TaggerRecipe
    key, noun, draws, weighted = "tagger", "tagger", ("gain", 1), ("cross_entropy",)
    dataset: NoteDataset
    network: EmbeddedNetwork

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        if corpus.sample_rate != logmel.RATE:
            raise UserError(f"The tagger takes sound at {logmel.RATE} Hz, {corpus.path} has {corpus.sample_rate} Hz.")
        self.tags = Tags.open(corpus.path, self.recipe.data.teacher)
        self.logits = torch.from_numpy(self.tags.logits(self.dataset.rows))
        if self.logits.shape[1] != self.network.head.out_features:
            raise UserError(f"The tagger predicts YAMNet's classes; tags of {self.recipe.data.teacher} have others.")

    @classmethod
    def make_plan(cls, recipe: TaggerRecipe, corpus: Corpus) -> Plan:
        return Plan.of(recipe, corpus, choose_attributes(recipe.data, corpus))

    @classmethod
    def shrunk(cls, recipe: TaggerRecipe, **sections: Any) -> Any:
        return super().shrunk(recipe, tagger=recipe.tagger.model_copy(update={"start": "scratch"}), **sections)

    @classmethod
    def build_dataset(cls, plan: Plan, corpus: Corpus) -> NoteDataset:
        return note_dataset(plan.recipe.data, corpus, plan.attributes)

    @classmethod
    def build_network(cls, settings: TaggerSettings, dataset: NoteDataset | None) -> EmbeddedNetwork:
        return EmbeddedNetwork()

    def initialise(self) -> None:
        """Mean and spread of the labels; where the recipe says so, YAMNet made narrow for the notes of the run.

        Raises:
            UserError: YAMNet's weights are not on this machine, or the notes are too few to solve for the matrices.
        """
        if self.settings.start == "compressed":
            count = len(self.dataset.rows)
            if count < FEWEST:
                raise UserError(
                    f"Compressing YAMNet needs at least {FEWEST} notes, there are {count}: add "
                    "--set tagger.start=scratch."
                )
            teacher = YamnetTagger.load(locate("yamnet"))
            chosen = RowSampler(count, self.recipe.seed).rows(0, min(count, MOST))
            parts = np.array_split(chosen, -(-len(chosen) // BLOCK))
            patches = [logmel.patches(self.dataset.waves(part)).flatten(0, 1) for part in parts]
            self.network.load_state_dict(compress(teacher.network, torch.cat(patches)[:MOST]).state_dict())
        self.network.fit_labels(self.logits)

    def losses(self, index: NDArray[np.int64], draws: Tensor) -> dict[str, Tensor]:
        device = self.context.device
        decibels = (2 * draws - 1) * self.settings.gain_db
        waves = self.dataset.waves(index) * 10 ** (decibels / 20)
        patches, teacher_logits = logmel.patches(waves.to(device)), self.logits[index].to(device)
        with self.context.autocast():
            predicted = self._standardised(patches)
        return {
            "squared": F.mse_loss(predicted, self.network.standardise(teacher_logits)),
            "cross_entropy": distillation_loss(
                student_logits=self.network.restore(predicted),
                soft_labels=soft_labels(teacher_logits, 1.0),
                temperature=1.0,
            ),
        }

    def _standardised(self, patches: Tensor) -> Tensor:
        """Standardised logits of notes, the mean over their patches (note, patch, frame, band) → (note, class)."""
        logits: Tensor = self.network(patches.flatten(0, 1))
        return logits.float().view(*patches.shape[:2], -1).mean(1)

    def save(self, folder: Path, state: StepState, losses: dict[str, float], *, half: bool) -> Path:
        """Writes `embedded.safetensors`, and `report.json` with how well it does on the notes of the other splits."""
        facts = self.provenance(state, losses) | {
            "distilled_from": self.recipe.data.teacher,
            "teacher_digest": self.tags.digest,
            "held_out": self.held_out(),
        }
        with atomic_folder(folder) as temporary:
            save_embedded(temporary / "embedded.safetensors", self.network, {"training": json.dumps(facts)})
            (temporary / "report.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        return folder

    @torch.no_grad()
    def held_out(self) -> dict[str, float | int]:
        """Correlation with the teacher on held-out instruments, mean over the classes: of logits, and of probabilities
        (which a few loud notes decide)."""
        corpus, network = self.corpus, self.network
        rows = np.concatenate([corpus.rows("valid"), corpus.rows("test")])
        if len(rows) < 3:
            return {"notes": len(rows)}
        target = self.tags.logits(rows)
        waves = (torch.from_numpy(corpus.waves(part)) for part in np.array_split(rows, -(-len(rows) // BLOCK)))
        parts = [network.restore(self._standardised(logmel.patches(part.to(self.context.device)))) for part in waves]
        predicted = torch.cat(parts).cpu().numpy()
        logits, classes, _ = mean_pearson(target, predicted)
        probabilities, _, _ = mean_pearson(expit(target), expit(predicted))
        return {"notes": len(rows), "logits": logits, "classes": classes, "probabilities": probabilities}
