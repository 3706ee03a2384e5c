"""The digit classifier: real pictures and their classes → the network that scores generated ones."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from darktimbre.bundle.pictures import PictureClassifier
from darktimbre.corpus.classes import class_indices
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.splits import SPLITS
from darktimbre.measures.accuracy import accuracy, confusion_matrix, recalls
from darktimbre.models.digit_classifier import DigitClassifier, DigitClassifierConfig
from darktimbre.training.dataset import PictureDataset, picture_dataset
from darktimbre.training.recipe import Recipe, Section
from darktimbre.training.tasks.base import Plan, shrunk_widths
from darktimbre.training.tasks.supervised import SupervisedTask, shifted

BLACK = -1.0


class DigitClassifierSettings(Section):
    """The section `classifier`; see `models.digit_classifier.DigitClassifierConfig`."""

    widths: tuple[PositiveInt, ...] = (16, 32, 64)  # maps of each block
    embedding: PositiveInt = 64  # numbers before the last layer
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3  # share of them that is left out
    weight_decay: NonNegativeFloat = 1e-2  # decoupled decay of AdamW
    shift: Annotated[int, Field(ge=0, le=8)] = 2  # a picture is moved by up to this many pixels each way


class DigitClassifierRecipe(Recipe):
    """A recipe of task `picture-classifier`; of `data` the split alone is read."""

    task: Literal["picture-classifier"]
    classifier: DigitClassifierSettings = DigitClassifierSettings()

    aliases: ClassVar[tuple[str, ...]] = ("digit-classifier",)


class DigitClassifierTask(SupervisedTask):
    """A classifier of pictures: the cross-entropy of their classes."""

    Recipe = DigitClassifierRecipe
    corpus_of = "pictures"
    heads = ("classes",)
    key, noun, unit, draws, model = "classifier", "classifier", "pictures", ("augment", 2), PictureClassifier
    recorded = ("name", "task", "optimiser", "schedule", "seed")
    dataset: PictureDataset
    network: DigitClassifier

    @classmethod
    def make_plan(cls, recipe: DigitClassifierRecipe, corpus: Corpus) -> Plan:
        picture_dataset(recipe.data, corpus)  # refuses a corpus that cannot be trained on
        return Plan.of(recipe, corpus)

    @classmethod
    def shrunk(cls, recipe: DigitClassifierRecipe, **sections: Any) -> Any:
        narrow = recipe.classifier.model_copy(update={"widths": shrunk_widths(recipe.classifier.widths)})
        return super().shrunk(recipe, classifier=narrow, **sections)

    @classmethod
    def build_dataset(cls, plan: Plan, corpus: Corpus) -> PictureDataset:
        return picture_dataset(plan.recipe.data, corpus)

    @classmethod
    def build_network(cls, settings: DigitClassifierSettings, dataset: PictureDataset | None) -> DigitClassifier:
        sizes = settings.model_dump(include={"widths", "embedding", "dropout"})
        if dataset is not None:
            sizes |= {"picture": dataset.corpus.picture, "classes": len(dataset.classes)}
        return DigitClassifier(DigitClassifierConfig(**sizes))

    def losses(self, index: NDArray[np.int64], draws: Tensor) -> dict[str, Tensor]:
        reach, device = self.settings.shift, self.context.device
        down, right = (((2 * reach + 1) * draws).floor().long() - reach).unbind(1)
        pictures = shifted(shifted(self.dataset.pictures(index), down, 2, BLACK), right, 3, BLACK)
        with self.context.autocast():
            predicted = self.network(pictures.to(device).contiguous(memory_format=torch.channels_last))
        label = torch.from_numpy(self.dataset.label[index]).to(device)
        return {"class": F.cross_entropy(predicted.logits.float(), label)}

    def labels(self) -> dict[str, Any]:
        return {"classes": list(self.dataset.classes)}

    def metrics(self, model: PictureClassifier) -> dict[str, Any]:
        """Of each split: how many pictures of known classes, accuracy, and the same for each class."""
        found: dict[str, Any] = {}
        for split in SPLITS:
            rows = self.corpus.rows(split)
            label = class_indices(self.corpus.column("category")[rows], model.classes)
            rows, label = rows[label >= 0], label[label >= 0]
            found[split] = {"pictures": len(rows)}
            if len(rows):
                predicted = model.predict(self.corpus.pictures(rows)).probabilities.argmax(1)
                confusion = confusion_matrix(label, predicted, len(model.classes))
                each = {model.classes[k]: recall for k, recall in recalls(confusion).items()}
                found[split] |= {"accuracy": accuracy(confusion), "classes": each}
        return found
