"""The embedded teacher in training: notes + another teacher's stored logits → a small tagger's weights and report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from darktimbre.measures.correlation import mean_pearson
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.store import Tags
from darktimbre.teachers import logmel
from darktimbre.teachers.compress import compress
from darktimbre.teachers.embedded import EmbeddedNetwork
from darktimbre.teachers.embedded import save as save_embedded
from darktimbre.teachers.weights import locate
from darktimbre.teachers.yamnet import YamnetTagger
from darktimbre.training.checkpoint import module_tensors, optimiser_tensors, restore_module, restore_optimiser
from darktimbre.training.dataset import NoteDataset
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.sampling import RowSampler, uniform
from darktimbre.training.schedule import StepState
from darktimbre.training.steps.tagger import tagger_step

FEWEST, MOST = 1200, 8000  # notes: more than the widest layer's 1024 inputs; 8000 take some 6 GB


class TaggerTraining:
    """A small tagger learning a large one's answers.

    Attributes:
        plan: what was decided at the start of the run.
        material: the notes that are learned from.
        network: the tagger.
    """

    def __init__(self, plan: Any, material: NoteDataset, hardware: DistributedContext) -> None:
        self.plan, self.material, self.hardware = plan, material, hardware
        recipe, corpus = plan.recipe, material.corpus
        if corpus.sample_rate != logmel.RATE:
            raise UserError(f"The tagger listens at {logmel.RATE} Hz, {corpus.path} has {corpus.sample_rate} Hz.")
        self.stream = RowSampler(len(material.rows), recipe.seed)
        tags = Tags.open(corpus.path, recipe.data.teacher)
        self.teacher_digest = tags.digest
        self.logits = torch.from_numpy(tags.logits(material.rows))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.network = EmbeddedNetwork()
        if self.logits.shape[1] != self.network.head.out_features:
            raise UserError(f"The tagger answers with YAMNet's classes; tags of {recipe.data.teacher} have others.")
        if recipe.tagger.start == "compressed":
            self.network = compressed(material, recipe.seed)
        self.network.fit_labels(self.logits)
        self.network.to(hardware.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.adam = torch.optim.AdamW(
            self.network.parameters(), weight_decay=recipe.tagger.weight_decay, betas=recipe.optimiser.betas
        )

    def step(self, moment: StepState) -> dict[str, Tensor]:
        """One step on notes at random gain."""
        recipe, seen = self.plan.recipe, moment.notes_seen
        part = self.hardware.rank_slice(moment.batch)
        index = self.stream.rows(seen, moment.batch)[part]
        decibels = (2 * uniform(recipe.seed, "gain", seen, (moment.batch, 1))[part] - 1) * recipe.tagger.gain_db
        waves = self.material.waves(index) * 10 ** (decibels / 20)
        for group in self.adam.param_groups:
            group["lr"] = recipe.optimiser.lr * moment.rate
        device = self.hardware.device
        losses = tagger_step(
            self.network, waves.to(device), self.logits[index].to(device), recipe.tagger, self.hardware.autocast
        )
        self.hardware.average_gradients(self.network)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return losses

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a step reads or writes."""
        return module_tensors("tagger", self.network) | optimiser_tensors("adam-tagger", self.adam, self.network)

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        restore_module("tagger", self.network, tensors)
        restore_optimiser("adam-tagger", self.adam, self.network, tensors)

    def costs(self) -> dict[int, float]:
        """All notes cost the same."""
        return {0: 1.0}

    def preview(self, moment: StepState) -> Synthesizer | None:
        """A tagger makes no sound."""
        return None

    def save(self, folder: Path, moment: StepState, losses: dict[str, float], *, half: bool) -> Path:
        """Writes `embedded.safetensors` and how it does on the notes of the other splits."""
        folder.mkdir(parents=True, exist_ok=True)
        facts = {
            "notes_seen": moment.notes_seen,
            "distilled_from": self.plan.recipe.data.teacher,
            "teacher_digest": self.teacher_digest,
            "corpus": self.plan.corpus,
            "losses": losses,
            "held_out": self.held_out(),
        }
        save_embedded(folder / "embedded.safetensors", self.network, {"training": json.dumps(facts)})
        (folder / "report.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        return folder

    @torch.no_grad()
    def held_out(self) -> dict[str, float | int]:
        """Correlation with the teacher on held-out instruments, mean over the classes: of logits, and of probabilities
        (which a few loud notes decide)."""
        corpus = self.material.corpus
        rows = np.concatenate([corpus.rows("valid"), corpus.rows("test")])
        found: dict[str, float | int] = {"notes": len(rows)}
        if len(rows) < 3:
            return found
        wanted = Tags.open(corpus.path, self.plan.recipe.data.teacher).logits(rows)
        parts = np.array_split(rows, -(-len(rows) // 256))
        heard = np.concatenate([self._logits(corpus.waves(part)) for part in parts])
        found["logits"], found["classes"], _ = mean_pearson(wanted, heard)
        found["probabilities"], _, _ = mean_pearson(expit(wanted), expit(heard))
        return found

    def _logits(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        patches = logmel.patches(torch.from_numpy(waves).to(self.hardware.device))
        answers = self.network.restore(self.network(patches.flatten(0, 1))).view(*patches.shape[:2], -1).mean(1)
        return answers.cpu().numpy()


def compressed(material: NoteDataset, seed: int) -> EmbeddedNetwork:
    """YAMNet made narrow for the notes of the run.

    Raises:
        UserError: YAMNet's weights are not on this machine, or the notes are too few to solve for the matrices.
    """
    count = len(material.rows)
    if count < FEWEST:
        raise UserError(
            f"Compressing YAMNet needs at least {FEWEST} notes, there are {count}: add --set tagger.start=scratch."
        )
    teacher = YamnetTagger.load(locate("yamnet"))
    chosen = RowSampler(count, seed).rows(0, min(count, MOST))
    parts = np.array_split(chosen, -(-len(chosen) // 256))
    patches = [logmel.patches(material.waves(part)).flatten(0, 1) for part in parts]
    return compress(teacher.body, torch.cat(patches)[:MOST])
