"""Recipes cut to a step or two a phase; a run of one, and the same run in two parts."""

from pathlib import Path

from tests.training.tiny import run

from darktimbre.training import checkpoint
from darktimbre.training.recipe import Recipe, load_recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks.base import task_of
from darktimbre.training.tasks.gan import GanRecipe
from darktimbre.training.tasks.note_generator import NoteGeneratorRecipe


def shrunk(name: str) -> Recipe:
    """A step or two a phase, four maps; sizes, heads, objectives and representation as they are."""
    recipe = load_recipe(name)
    recipe = task_of(recipe).shrunk(recipe)
    notes = 8 if len(recipe.schedule) == 1 else 4
    stages = (s.model_copy(update={"notes": notes, "fade": notes if s.fade else 0}) for s in recipe.schedule)
    update: dict[str, object] = {"schedule": tuple(stages), "checkpoint_every": 16, "preview_every": 0}
    if isinstance(recipe, NoteGeneratorRecipe):
        few = tuple(4 for _ in recipe.network.widths)
        critic = few if recipe.network.critic_widths else None
        update["network"] = recipe.network.model_copy(update={"widths": few, "critic_widths": critic, "hidden": 8})
    if isinstance(recipe, GanRecipe):
        update["warm_start"] = recipe.warm_start and recipe.warm_start.model_copy(update={"notes": 8})
    return recipe.model_copy(update=update)


def trained_whole_and_in_parts(name: str, corpus: Path, folder: Path) -> Path:
    """The bundle of a run; interrupted after its first step and resumed, it ends in the same state to the bit."""
    recipe, parts = shrunk(name), folder / "parts"
    whole = run(recipe, corpus, folder / "whole")
    assert run(recipe, corpus, parts, minutes=0.0).reason == "time"
    outcome = run(recipe, corpus, parts, resume=True)
    assert (outcome.reason, outcome.notes_seen) == ("done", Schedule(recipe).total)
    states = [checkpoint.listing(path)[-1] / checkpoint.TENSORS for path in (folder / "whole", parts)]
    assert states[0].read_bytes() == states[1].read_bytes()
    assert whole.bundle is not None
    return whole.bundle
