"""Recipes say what they mean, and what is wrong with them in words."""

import json

import pytest
import yaml

from darktimbre.notes.errors import UserError
from darktimbre.training.recipe import difference, dump_recipe, load_recipe, recipe_classes, recipe_names, stored_recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks.digit_gan import DigitGanTask
from darktimbre.training.tasks.gan import GanTask


@pytest.mark.parametrize("name", recipe_names())
def test_resolved_recipe_reads_back_equal(name, tmp_path):
    (tmp_path / "dump.yaml").write_text(dump_recipe(load_recipe(name)), encoding="utf-8")
    assert load_recipe(tmp_path / "dump.yaml") == load_recipe(name)


def test_every_task_has_a_recipe_of_the_name_of_its_file():
    recipes = {name: load_recipe(name) for name in recipe_names()}
    assert {"darkgan", "darkgan-small", "gansynth", "oneshot-classes"} <= recipes.keys()
    assert all(recipe.name == name for name, recipe in recipes.items())
    assert {type(recipe) for recipe in recipes.values()} == set(recipe_classes().values())


def test_darkgan_is_the_paper():
    recipe = load_recipe("darkgan")
    steps = [(part.stop - part.first) // part.batch for part in Schedule(recipe).phases]
    assert steps == [128_000, 200_000, 200_000, 200_000, 200_000, 300_000]
    assert [stage.batch for stage in recipe.schedule] == [30, 30, 20, 20, 20, 10]
    assert Schedule(recipe).total == 24_840_000
    assert recipe.network is not None
    assert recipe.network.config(pitches=tuple(range(44, 70)), attributes=128).picture_size() == (1024, 32)
    assert recipe.data.pitches == (44, 69)
    assert (recipe.objectives.penalty.weight, recipe.objectives.pitch, recipe.objectives.attributes) == (10, 10, 10)
    assert difference(recipe, load_recipe("darkgan-baseline")) == [
        "name: darkgan → darkgan-baseline",
        "data.attributes: 128 → 0",
    ]


def test_overrides_reach_every_depth_and_read_numbers_as_meant():
    overrides = ["optimiser.lr=5e-4", "schedule.1.notes=77", "data.pitches=null", "data.codec.hop=512", "seed=3"]
    recipe = load_recipe("darkgan", [*overrides, "data.attributes=[Drum, Flute]", "warm_start=null"])
    assert recipe.optimiser.lr == 0.0005
    assert recipe.schedule[1].notes == 77
    assert recipe.data.pitches is None
    assert recipe.data.codec == {"kind": "if", "hop": 512}
    assert recipe.data.attributes == ("Drum", "Flute")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("optimizer.lr=1", r"no key 'optimizer'.* Did you mean 'optimiser'"),
        ("optimiser.learning_rat=1", r"no key 'optimiser.learning_rat'"),
        ("lr=1", r"no key 'lr'.* Did you mean 'optimiser.lr'"),
        ("objectives.penalty.wieght=1", r"Did you mean 'objectives.penalty.weight'"),
        (
            "objectives.adversarial=hinge",
            r"objectives.adversarial is 'hinge'; it should be 'wasserstein' or 'logistic'",
        ),
        ("optimiser.lr=-1", r"optimiser.lr is -1; it should be greater than 0"),
        ("schedule.9.notes=4", r"'9' must be a number from 0 to 5"),
        ("schedule.0.scale=6", r"scale 6, the network has scales 0 to 5"),
        ("schedule.0.scale=1", None),
        ("schedule.3.scale=1", r"must not go down"),
        ("network.widths=[4,4]", r"widths .*got 2\.$"),
        ("schedule.0.notes=0", r"darkgan: schedule.0.notes is 0; it should be greater than 0\.$"),
        ("network.pitch_comb=true", None),
        ("name=", r"name is ''"),
        ("warm_start={notes: 10}", r"network.posterior: true"),
        ("seed", r"write it as key.sub=value"),
        ("name.sub=1", r"single value"),
        ("data.pitches=[69,44]", r"lowest, highest"),
    ],
)
def test_mistakes_are_named_with_the_remedy(override, sentence):
    if sentence is None:
        load_recipe("darkgan", [override])
        return
    with pytest.raises(UserError, match=sentence):
        load_recipe("darkgan", [override])


def test_a_comb_wants_phases_and_pac_whole_packs():
    plain = ["data.codec={kind: logmag}"]
    with pytest.raises(UserError, match=r"set network.pitch_comb to false"):
        load_recipe("darkgan-small", plain)
    assert load_recipe("darkgan-small", [*plain, "network.pitch_comb=false"]).network.pitch_comb is False
    with pytest.raises(UserError, match=r"schedule.0.batch is 8; it must be a multiple of network.pac, 3"):
        load_recipe("darkgan-small", ["network.pac=3"])
    small = GanTask.shrunk(load_recipe("darkgan-small", ["network.pac=8"]))
    assert {stage.batch for stage in small.schedule} == {8}  # a multiple of the pack, though smoke's own is 4


def test_unknown_recipe_names_the_nearest(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'darkgan-small'"):
        load_recipe("dakgan-small")
    with pytest.raises(UserError, match="cannot be read"):
        load_recipe(tmp_path / "no.yaml")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(UserError, match="not valid YAML"):
        load_recipe(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- a", encoding="utf-8")
    with pytest.raises(UserError, match="mapping"):
        load_recipe(tmp_path / "list.yaml")


def test_sections_of_other_tasks_are_dropped_from_a_stored_recipe_and_refused_in_any_other(tmp_path):
    tagger = load_recipe("tagger")
    foreign = {"network": None, "classifier": {"widths": [4]}, "objectives": {"drift": 0.5}}
    stored = tagger.model_dump(mode="json") | foreign
    assert stored_recipe(stored) == tagger
    with pytest.raises(ValueError, match="lern_rate"):
        stored_recipe(stored | {"lern_rate": 1})
    path = tmp_path / "mine.yaml"
    idle = {"network": None, "dcgan": DigitGanTask.Recipe.model_fields["dcgan"].default.model_dump(mode="json")}
    path.write_text(yaml.safe_dump(tagger.model_dump(mode="json") | idle), encoding="utf-8")
    assert load_recipe(path) == tagger  # as earlier versions dumped it
    for key, value in list(foreign.items())[1:]:
        path.write_text(f"{dump_recipe(tagger)}{key}: {json.dumps(value)}", encoding="utf-8")
        with pytest.raises(UserError, match=f"mine.yaml: there is no key '{key}' for the task tagger"):
            load_recipe(path)
    with pytest.raises(UserError, match=r"no key 'objectives' for the task tagger"):
        load_recipe("tagger", ["objectives.drift=0.1"])
    with pytest.raises(UserError, match=r"task is 'tager'; it should be .*'gan'.* or '"):
        load_recipe("tagger", ["task=tager"])
