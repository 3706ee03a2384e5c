"""The digit classifier in training: real pictures and their classes → what judges generated ones."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre import __version__
from darktimbre.bundle.pictures import PictureClassifier
from darktimbre.bundle.weights import state_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.splits import SPLITS
from darktimbre.models.digit_classifier import DigitClassifier
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.checkpoint import module_tensors, optimiser_tensors, restore_module, restore_optimiser
from darktimbre.training.dataset import PictureDataset, picture_dataset, picture_labels
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.sampling import RowSampler, uniform
from darktimbre.training.schedule import Schedule, StepState


class PictureClassifierTraining:
    """A network that learns what pictures show.

    Attributes:
        plan: what was decided at the start of the run.
        material: the pictures that are learned from.
        network: the classifier.
    """

    def __init__(self, plan: Any, material: PictureDataset, hardware: DistributedContext) -> None:
        self.plan, self.material, self.hardware = plan, material, hardware
        recipe, corpus = plan.recipe, material.corpus
        assert corpus.picture is not None
        self.stream = RowSampler(len(material.rows), recipe.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            config = recipe.classifier.config(picture=corpus.picture, classes=len(material.classes))
            self.network = DigitClassifier(config)
        self.network.to(hardware.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.adam = torch.optim.AdamW(
            self.network.parameters(), weight_decay=recipe.classifier.weight_decay, betas=recipe.optimiser.betas
        )

    def step(self, moment: StepState) -> dict[str, Tensor]:
        """One step on pictures that are moved a little."""
        recipe, seen, device = self.plan.recipe, moment.notes_seen, self.hardware.device
        part = self.hardware.rank_slice(moment.batch)
        index = self.stream.rows(seen, moment.batch)[part]
        reach = recipe.classifier.shift
        moves = uniform(recipe.seed, "augment", seen, (moment.batch, 2))[part]
        moved = shifted(self.material.pictures(index), ((2 * reach + 1) * moves).floor().long() - reach)
        for group in self.adam.param_groups:
            group["lr"] = recipe.optimiser.lr * moment.rate
        self.network.train()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(recipe.seed + 1 + moment.step)  # the dropout's numbers: of this step alone
            with self.hardware.autocast():
                seen_in = self.network(moved.to(device).contiguous(memory_format=torch.channels_last))
            label = torch.from_numpy(self.material.label[index]).to(device)
            loss = F.cross_entropy(seen_in.logits.float(), label)
            loss.backward()
        self.hardware.average_gradients(self.network)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return {"class": loss}

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a step reads or writes."""
        kept = module_tensors("classifier", self.network)
        return kept | optimiser_tensors("adam-classifier", self.adam, self.network)

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        restore_module("classifier", self.network, tensors)
        restore_optimiser("adam-classifier", self.adam, self.network, tensors)

    def costs(self) -> dict[int, float]:
        """All pictures cost the same."""
        return {0: 1.0}

    def preview(self, moment: StepState) -> Synthesizer | None:
        """A classifier makes no sound."""
        return None

    def save(self, folder: Path, moment: StepState, losses: dict[str, float], *, half: bool) -> Path:
        """Writes the classifier, with how often it is right on each split."""
        config: dict[str, Any] = {
            "network": self.network.config.model_dump(mode="json"),
            "classes": list(self.material.classes),
            "recipe": self.plan.recipe.model_dump(
                mode="json",
                include={"name", "task", "classifier", "objectives", "optimiser", "schedule", "averaging", "seed"},
            ),
            "provenance": {
                "corpus": self.plan.corpus,
                "trained on": f"the {self.plan.recipe.data.split} split: {len(self.material.rows):,} pictures",
                "notes_seen": moment.notes_seen,
                "darktimbre": __version__,
                "losses": losses,
            },
        }
        made = PictureClassifier(config, state_of(self.network))
        metrics = accuracies(made, self.material.corpus)
        return PictureClassifier({**config, "metrics": metrics}, made.weights).save_pretrained(folder)


def accuracies(classifier: PictureClassifier, corpus: Corpus) -> dict[str, Any]:
    """Of each split: how many pictures, how often their class is named, and the same for each class."""
    found: dict[str, Any] = {}
    for split in SPLITS:
        rows = corpus.rows(split)
        label = picture_labels(corpus, rows, classifier.classes)
        rows, label = rows[label >= 0], label[label >= 0]
        found[split] = {"pictures": len(rows)}
        if len(rows):
            right = classifier.judge(corpus.pictures(rows)).probabilities.argmax(1) == label
            each = {
                name: float(right[label == k].mean()) for k, name in enumerate(classifier.classes) if (label == k).any()
            }
            found[split] |= {"accuracy": float(right.mean()), "classes": each}
    return found


def shifted(pictures: Tensor, moves: Tensor) -> Tensor:
    """Each picture (batch, channel, height, width) moved down and right by `moves` (batch, 2); black comes in."""
    height, width = pictures.shape[2:]
    down, right = (torch.arange(size)[None] - moves[:, axis, None] for axis, size in ((0, height), (1, width)))
    inside = ((down >= 0) & (down < height))[:, :, None] & ((right >= 0) & (right < width))[:, None]
    at = down.clamp(0, height - 1)[:, :, None] * width + right.clamp(0, width - 1)[:, None]
    moved = pictures.flatten(2).gather(2, at.flatten(1)[:, None].expand(-1, pictures.shape[1], -1))
    return torch.where(inside[:, None], moved.view_as(pictures), -1.0)


def dry_run_lines(recipe: Any, corpus: Corpus | None) -> list[str]:
    """What `--dry-run` says of a classifier: what it would learn from, and its size."""
    lines, picture, classes = [], (1, 28, 28), 10
    if corpus is not None:
        material = picture_dataset(recipe.data, corpus)
        picture, classes = corpus.picture or picture, len(material.classes)
        lines.append(f"corpus: {len(material.rows):,} of {len(corpus):,} pictures of {corpus.name} are trained on")
    with torch.device("meta"):
        network = DigitClassifier(recipe.classifier.config(picture=picture, classes=classes))
    size = int(np.sum([parameter.numel() for parameter in network.parameters()]))
    schedule = Schedule(recipe)
    return [*lines, f"network: {size:,} parameters", f"{schedule.total:,} pictures in {schedule.steps:,} steps"]
