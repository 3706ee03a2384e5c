"""The tagger and the classifiers."""

from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator
from torch import Tensor

from darktimbre.corpus.corpus import Corpus
from darktimbre.training import inception, picture_classifier, tagger
from darktimbre.training.classes import choose_classes, gather_classes
from darktimbre.training.dataset import choose_attributes, note_dataset, picture_dataset
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.listeners import Classifier, Inception, Tagger
from darktimbre.training.recipe.schema import Recipe
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.tasks.base import Outcome, Plan, Task, shrunk_widths


class TaggerRecipe(Recipe):
    """Distils a teacher into the embedded one."""

    task: Literal["tagger"]
    tagger: Tagger = Tagger()


class NoteClassifierRecipe(Recipe):
    """The classifier that evaluation measures by."""

    task: Literal["inception"]
    inception: Inception = Inception()


class DigitClassifierRecipe(Recipe):
    """The classifier of digits."""

    task: Literal["picture-classifier"]
    classifier: Classifier = Classifier()

    @model_validator(mode="after")
    def _consistent(self) -> "DigitClassifierRecipe":
        if self.init != "scratch" or any(stage.fade or stage.scale for stage in self.schedule):
            raise ValueError("a picture-classifier has no init, and no stage that fades in or has a scale")
        return self


class _Adapter(Task):
    training: Any

    def step(self, state: StepState) -> dict[str, Tensor]:
        return self.training.step(state)

    def tensors(self) -> dict[str, Tensor]:
        return self.training.tensors()

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self.training.restore(tensors)

    def save(self, folder: Path, state: StepState, losses: dict[str, float], *, half: bool) -> Path | None:
        return self.training.save(folder, state, losses, half=half)

    @classmethod
    def closing(cls, outcome: Outcome) -> list[str]:
        return [f"The classifier is in {outcome.bundle}."] if outcome.bundle else []


class TaggerTask(_Adapter):
    Recipe = TaggerRecipe

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        self.training = tagger.TaggerTraining(plan, note_dataset(plan.recipe.data, corpus, plan.attributes), context)

    @classmethod
    def make_plan(cls, recipe: TaggerRecipe, corpus: Corpus) -> Plan:
        return Plan.of(recipe, corpus, choose_attributes(recipe.data, corpus))

    @classmethod
    def dry_run(cls, recipe: TaggerRecipe, corpus: Corpus | None, accelerator: str) -> list[str]:
        lines = []
        if corpus is not None:
            rows = note_dataset(recipe.data, corpus, choose_attributes(recipe.data, corpus)).rows
            lines.append(f"corpus: {len(rows):,} of {len(corpus):,} notes of {corpus.name} are trained on")
        return [*lines, f"{Schedule(recipe).total:,} notes in {Schedule(recipe).steps:,} steps"]

    @classmethod
    def shrunk(cls, recipe: TaggerRecipe, **sections: Any) -> Any:
        return super().shrunk(recipe, tagger=recipe.tagger.model_copy(update={"start": "scratch"}), **sections)

    @classmethod
    def closing(cls, outcome: Outcome) -> list[str]:
        return [f"The tagger is in {outcome.bundle}."] if outcome.bundle else []


class NoteClassifierTask(_Adapter):
    Recipe = NoteClassifierRecipe

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        dataset = gather_classes(plan.recipe.data, corpus, plan.attributes)
        self.training = inception.InceptionTraining(plan, dataset, context)

    @classmethod
    def make_plan(cls, recipe: NoteClassifierRecipe, corpus: Corpus) -> Plan:
        classes, messages = choose_classes(recipe.data, corpus)
        return Plan.of(recipe, corpus, classes, messages=messages)

    @classmethod
    def dry_run(cls, recipe: NoteClassifierRecipe, corpus: Corpus | None, accelerator: str) -> list[str]:
        return inception.dry_run_lines(recipe, corpus)


class DigitClassifierTask(_Adapter):
    Recipe = DigitClassifierRecipe
    corpus_of = "pictures"
    accepts = frozenset()

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        dataset = picture_dataset(plan.recipe.data, corpus)
        self.training = picture_classifier.PictureClassifierTraining(plan, dataset, context)

    @classmethod
    def make_plan(cls, recipe: DigitClassifierRecipe, corpus: Corpus) -> Plan:
        picture_dataset(recipe.data, corpus)
        return Plan.of(recipe, corpus)

    @classmethod
    def dry_run(cls, recipe: DigitClassifierRecipe, corpus: Corpus | None, accelerator: str) -> list[str]:
        return picture_classifier.dry_run_lines(recipe, corpus)

    @classmethod
    def shrunk(cls, recipe: DigitClassifierRecipe, **sections: Any) -> Any:
        narrow = recipe.classifier.model_copy(update={"widths": shrunk_widths(recipe.classifier.widths)})
        return super().shrunk(recipe, classifier=narrow, **sections)
