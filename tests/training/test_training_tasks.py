"""A further task is one file and a recipe: registered, trained, resumed from, saved with a card, refused twice."""

from typing import Literal

import pytest
import torch
from pydantic import BaseModel
from tests.training.digits import make_pictures
from torch import nn

from darktimbre.bundle.model_folder import ModelFolder
from darktimbre.training import recipe as recipes
from darktimbre.training.dataset import picture_dataset
from darktimbre.training.recipe import Recipe, Section, recipe_from, stored_recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks import base
from darktimbre.training.tasks.base import Plan, task_of
from darktimbre.training.tasks.supervised import SupervisedTask
from darktimbre.training.trainer import Options, train


@pytest.fixture
def registered(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(recipes, "_CLASSES", dict(recipes.recipe_classes()))
    monkeypatch.setattr(recipes, "recipe_classes", lambda: recipes._CLASSES)
    monkeypatch.setattr(base, "_TASKS", dict(base._TASKS))


class ToyConfig(BaseModel):
    width: int = 4


class ToyNetwork(nn.Module):
    """28 × 28 pixels → through a few numbers → the same pixels."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, config.width), nn.Linear(config.width, 784))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.layers(pictures)


class ToyModel(ModelFolder[ToyConfig, ToyNetwork]):
    kind, recipe, built_from, built = "toy", "toy", ToyConfig, ToyNetwork


class ToySettings(Section):
    width: int = 4
    weight_decay: float = 0.0
    error: float = 2.0
    unweighted: float = 3.0  # a setting that happens to be called as a loss


def toy_task():
    """The recipe and the task, registered anew."""

    class ToyRecipe(Recipe):
        task: Literal["toy"]
        toy: ToySettings = ToySettings()

    class ToyTask(SupervisedTask):
        Recipe = ToyRecipe
        corpus_of = "pictures"
        key, unit, model, weighted = "toy", "pictures", ToyModel, ("error",)

        @classmethod
        def make_plan(cls, recipe, corpus):
            return Plan.of(recipe, corpus)

        @classmethod
        def build_dataset(cls, plan, corpus):
            return picture_dataset(plan.recipe.data, corpus)

        @classmethod
        def build_network(cls, settings, dataset):
            return ToyNetwork(ToyConfig(width=settings.width))

        def losses(self, index, draws):
            assert draws.shape == (len(index), 0)
            pictures = self.dataset.pictures(index)
            error = (self.network(pictures) - pictures.flatten(1)).square().mean()
            return {"error": error, "unweighted": error}

    return ToyRecipe, ToyTask


DATA = {"name": "toy", "task": "toy", "schedule": [{"notes": 16, "batch": 8}], "preview_every": 0}


def test_a_task_in_one_file_trains_to_a_folder_with_a_card(registered, tmp_path):
    _, task = toy_task()
    corpus = make_pictures(tmp_path / "corpus")
    recipe = recipe_from(DATA)
    assert task_of(recipe) is task
    said = " ".join(task.dry_run(recipe, corpus, "cpu"))
    for part in ("network: 7,060 parameters", "memory: 0 MB for weights", "16 pictures in 2 steps, about"):
        assert part in said
    outcome = train(recipe, Options(corpus=corpus.path, run=tmp_path / "run", accelerator="cpu"), say=lambda text: None)
    model = ToyModel.from_pretrained(outcome.bundle)
    assert model.config["metrics"] == {}
    assert model.module(torch.zeros(1, 1, 28, 28)).shape == (1, 784)
    assert task.closing(outcome) == [f"The toy is in {outcome.bundle}."]
    assert "# toy: toy" in (outcome.bundle / "README.md").read_text()


def test_only_the_settings_that_a_task_names_weigh_its_losses(registered, tmp_path):
    _, kind = toy_task()
    corpus = make_pictures(tmp_path / "corpus")
    recipe = recipe_from(DATA)
    task = kind(kind.make_plan(recipe, corpus), corpus, base.DistributedContext())
    seen = []
    task.adam.step = lambda: seen.extend(p.grad.clone() for p in task.network.parameters())
    loss = task.step(Schedule(recipe).at(0))["error"]
    expected = torch.autograd.grad(
        3.0 * task.losses(task.sampler.rows(0, 8), torch.zeros(8, 0))["error"], list(task.network.parameters())
    )
    assert loss.isfinite()
    for one, other in zip(seen, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_a_name_or_a_recipe_is_of_one_task(registered):
    recipe, _ = toy_task()
    with pytest.raises(TypeError, match="both recipes of a task 'toy'"):
        toy_task()
    with pytest.raises(TypeError, match="both the task 'toy'"):
        type("Other", (SupervisedTask,), {"Recipe": recipe, "model": ToyModel})
    with pytest.raises(TypeError, match="names no `model`"):
        type("Unsaved", (SupervisedTask,), {})


@pytest.mark.parametrize(
    ("key", "value"),
    [("init", "starter"), ("averaging", {"half_life": 9}), ("schedule", [{"notes": 8, "batch": 8, "fade": 8}])],
)
def test_keys_without_effect_are_refused_and_their_defaults_are_not(registered, key, value):
    toy_task()
    stored = recipe_from(DATA).model_dump(mode="json")
    assert key in stored
    assert stored_recipe(stored) == recipe_from(DATA)
    with pytest.raises(ValueError, match="the task toy does not use"):
        recipe_from(DATA | {key: value})
