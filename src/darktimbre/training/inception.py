"""The classifier in training: notes with pitch, family and stored tags → a network that evaluation listens through."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from darktimbre.bundle.classifier import Classifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.inception import Inception
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.accuracy import accuracies
from darktimbre.training.checkpoint import module_tensors, optimiser_tensors, restore_module, restore_optimiser
from darktimbre.training.classes import (
    choose_classes,
    families_of,
    family_classes,
    family_names,
    gather_classes,
)
from darktimbre.training.dataset import NoteDataset
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.sampling import RowSampler, uniform
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.steps.inception import Lesson, inception_step


class InceptionTraining:
    """A network that learns what notes are.

    Attributes:
        plan: what was decided at the start of the run.
        material: the notes that are learned from.
        families: names of the instrument families, in the order of the logits.
        network: the classifier.
    """

    def __init__(self, plan: Any, material: NoteDataset, hardware: DistributedContext) -> None:
        self.plan, self.material, self.hardware = plan, material, hardware
        recipe, corpus, pitches = plan.recipe, material.corpus, plan.attributes.pitches
        if min(stage.batch for stage in recipe.schedule) < 2 * hardware.world:
            raise UserError("A classifier's batch norms need two notes a process: raise schedule.0.batch.")
        self.families = families_of(recipe.data, corpus)
        data = recipe.data
        leaves = family_names(corpus, data.families)[material.rows] if data.balance else None
        self.stream = RowSampler(len(material.rows), recipe.seed, leaves, data.balance)
        self.pitch_class = torch.from_numpy(material.pitch_class)
        self.family = torch.from_numpy(family_classes(corpus, material.rows, self.families, recipe.data.families))
        self.soft = torch.from_numpy(material.soft_labels)
        self.midi_of = torch.tensor(pitches, dtype=torch.int64, device=hardware.device)
        self.class_at = torch.full((128,), -1, dtype=torch.int64, device=hardware.device)
        self.class_at[self.midi_of] = torch.arange(len(pitches), device=hardware.device)
        config = recipe.inception.config(
            sample_rate=corpus.sample_rate,
            pitches=len(pitches),
            families=len(self.families),
            attributes=len(plan.attributes.names),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.network = Inception(config)
        self.network.to(hardware.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.adam = torch.optim.AdamW(
            self.network.parameters(), weight_decay=recipe.inception.weight_decay, betas=recipe.optimiser.betas
        )

    def step(self, moment: StepState) -> dict[str, Tensor]:
        """One step on notes that are moved a little."""
        recipe, seen, device = self.plan.recipe, moment.notes_seen, self.hardware.device
        part = self.hardware.rank_slice(moment.batch)
        index = self.stream.rows(seen, moment.batch)[part]
        lesson = Lesson(
            waves=self.material.waves(index).to(device),
            pitch_class=self.pitch_class[index].to(device),
            family=self.family[index].to(device),
            soft=self.soft[index].to(device),
            moves=uniform(recipe.seed, "augment", seen, (moment.batch, 3))[part].to(device),
            temperature=self.plan.attributes.temperature,
        )
        for group in self.adam.param_groups:
            group["lr"] = recipe.optimiser.lr * moment.rate
        self.network.train()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(recipe.seed + 1 + moment.step)  # the dropout's numbers: of this step, whatever was before
            losses = inception_step(
                self.network, lesson, self.class_at, self.midi_of, recipe.inception, self.hardware.autocast
            )
        self.hardware.average_gradients(self.network)
        self._average_statistics()
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return losses

    def _average_statistics(self) -> None:
        """Batch norms of all processes keep the same running mean and variance."""
        if self.hardware.world == 1:
            return
        buffers = [tensor for name, tensor in self.network.named_buffers() if "running_" in name]
        flat = self.hardware.mean(torch.cat([buffer.flatten() for buffer in buffers]))
        for buffer, mean in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(mean.view_as(buffer))

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a step reads or writes."""
        return module_tensors("inception", self.network) | optimiser_tensors("adam-inception", self.adam, self.network)

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        restore_module("inception", self.network, tensors)
        restore_optimiser("adam-inception", self.adam, self.network, tensors)

    def costs(self) -> dict[int, float]:
        """All notes cost the same."""
        return {0: 1.0}

    def preview(self, moment: StepState) -> Synthesizer | None:
        """A classifier makes no sound."""
        return None

    def classifier(self, **facts: Any) -> Classifier:
        """What is learned so far, frozen; `facts` go into its configuration."""
        attributes = self.plan.attributes
        config: dict[str, Any] = {
            "network": self.network.config.model_dump(mode="json"),
            "samples": self.material.corpus.samples,
            "pitches": list(attributes.pitches),
            "families": list(self.families),
            "attributes": list(attributes.names),
        }
        if attributes.names:
            config["teacher"] = {
                "name": attributes.teacher,
                "digest": attributes.teacher_digest,
                "temperature": attributes.temperature,
            }
        state = {name: tensor.detach().cpu().clone() for name, tensor in self.network.state_dict().items()}
        return Classifier({**config, **facts}, state)

    def save(self, folder: Path, moment: StepState, losses: dict[str, float], *, half: bool) -> Path:
        """Writes the classifier, with how often it is right on each split."""
        recipe = self.plan.recipe
        metrics = accuracies(
            self.classifier(), self.material.corpus, self.plan.attributes, families=recipe.data.families
        )
        provenance = {
            "corpus": self.plan.corpus,
            "trained on": f"the {recipe.data.split} split: {len(self.material.rows)} notes",
            "notes_seen": moment.notes_seen,
            "losses": losses,
        }
        shown = recipe.model_dump(
            mode="json", include={"name", "task", "data", "inception", "optimiser", "schedule", "seed"}
        )
        return self.classifier(recipe=shown, provenance=provenance, metrics=metrics).save_pretrained(folder)


def dry_run_lines(recipe: Any, corpus: Corpus | None) -> list[str]:
    """What `--dry-run` says of a classifier: what it would learn, and its size."""
    lines, counts, rate = [], {"pitches": 0, "families": 0, "attributes": 0}, 16_000
    if corpus is not None:
        attributes, said = choose_classes(recipe.data, corpus)
        families = families_of(recipe.data, corpus)
        rows = gather_classes(recipe.data, corpus, attributes).rows
        lines += [*said, f"corpus: {len(rows):,} of {len(corpus):,} notes of {corpus.name} are trained on"]
        counts = {"pitches": len(attributes.pitches), "families": len(families), "attributes": len(attributes.names)}
        lines.append(", ".join(f"{count} {name}" for name, count in counts.items()))
        rate = corpus.sample_rate
    with torch.device("meta"):
        network = Inception(recipe.inception.config(sample_rate=rate, **counts))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    schedule = Schedule(recipe)
    return [
        *lines,
        f"network: {parameters:,} parameters, {np.int64(recipe.inception.embedding)} numbers before the heads",
        f"{schedule.total:,} notes in {schedule.steps:,} steps",
    ]
