"""YAML and `--set key=value` → Recipe, with sentences a person can act on; and the difference between two recipes."""

import difflib
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from darktimbre.notes.errors import UserError
from darktimbre.training.recipe.schema import Recipe
from darktimbre.training.tasks.base import DEFAULT, recipe_from, task_named

ALIASES = {"note-classifier": "inception", "digit-classifier": "digits-classifier"}
"""Plainer names of recipes."""

EMPTY = "''"  # as YAML


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    folder = resources.files("darktimbre.training") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a name in the package or of a YAML file, with `key.sub=value` overrides applied in their order.

    Raises:
        UserError: no such recipe, not YAML, an unknown key (the nearest one is named) or a value that is not allowed.
    """
    return parse_recipe(_text(name), origin=str(name), overrides=overrides)


def parse_recipe(text: str, *, origin: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML text; see `load_recipe`."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"The recipe {origin} is not valid YAML: {str(error).replace(chr(10), ' ')}") from None
    if not isinstance(data, dict):
        raise UserError(f"The recipe {origin} must be a YAML mapping of keys to values.")
    try:
        config = OmegaConf.create(data)
    except OmegaConfBaseException as error:  # such as a date
        raise UserError(f"Recipe {origin}: {str(error).splitlines()[0]} ({error.full_key}).") from None
    changed_keys = [_override(config, override) for override in overrides]
    changed: dict[str, Any] = OmegaConf.to_container(config)  # type: ignore[assignment]
    try:
        recipe = recipe_from(changed)
    except ValidationError as error:
        raise UserError(f"Recipe {origin}: {_explain(error, changed)}") from None
    except ValueError as error:
        raise UserError(f"Recipe {origin}: {error}.") from None
    for key in changed_keys:  # of another task's section; in a file, that is left out
        if key.split(".")[0] not in type(recipe).model_fields:
            raise UserError(f"Recipe {origin}: there is no key {key!r} for the task {changed.get('task', DEFAULT)}.")
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """The recipe, resolved, as YAML with every key written."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def difference(before: Recipe, after: Recipe) -> list[str]:
    """Sentences `key: old → new`, one a differing leaf."""
    old, new = dict(_leaves(before.model_dump(mode="json"))), dict(_leaves(after.model_dump(mode="json")))
    keys = [*old, *(key for key in new if key not in old)]
    return [
        f"{key}: {old.get(key, 'absent')} → {new.get(key, 'absent')}" for key in keys if old.get(key) != new.get(key)
    ]


def _text(name: str | Path) -> str:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"The recipe {path} cannot be read: {error.strerror}.") from None
    known, name = recipe_names(), ALIASES.get(str(name), name)
    if str(name) not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.3)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(f"There is no recipe {str(name)!r}; there are {', '.join(known)}, or give a YAML file.{hint}")
    return (resources.files("darktimbre.training") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")


def _override(config: DictConfig, override: str) -> str:
    """Applies `key.sub=value`, which replaces what is there; returns the key.

    OmegaConf would put something inside a single value silently, and speaks of a list's end in its own words: both are
    refused here.
    """
    key, equals, text = (part.strip() for part in override.partition("="))
    if not equals or not key:
        raise UserError(f"--set {override!r}: write it as key.sub=value, for example --set optimiser.lr=0.0005.")
    try:
        parsed: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text or EMPTY}"]))
        value = parsed["value"]
    except yaml.YAMLError:
        value = text
    key = key.replace("[", ".").replace("]", "")
    parents = key.split(".")
    for depth, name in enumerate(parents):
        place = OmegaConf.select(config, ".".join(parents[:depth])) if depth else config
        if isinstance(place, ListConfig) and not (name.isdigit() and int(name) < len(place)):
            raise UserError(f"--set {key}: {name!r} must be a number from 0 to {len(place) - 1}.")
        if place is not None and not OmegaConf.is_config(place):
            raise UserError(f"--set {key}: {parents[depth - 1]} is a single value and has nothing inside.")
    OmegaConf.update(config, key, value, merge=False)
    return key


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{prefix}.{index}")
    else:
        yield prefix, value


def _explain(error: ValidationError, data: dict[str, Any]) -> str:
    problems: dict[str, str] = {}
    whole = error.errors()
    for item in whole:
        if item["type"] == "too_short" and len(whole) > 1:
            continue  # pydantic counts what is good: entries that are wrong are named already
        place = ".".join(str(part) for part in item["loc"] if not _is_branch(part))
        given, message = item.get("input"), item["msg"]
        if item["type"] == "extra_forbidden":
            sentence = f"there is no key {place!r}.{_nearest(place, data)}"
        elif item["type"] == "missing":
            sentence = f"the key {place!r} is missing."
        elif item["type"] == "value_error":
            sentence = f"{place + ': ' if place else ''}{str(item['ctx']['error']).rstrip('.')}."
        elif "nput should" in message:
            sentence = f"{place} is {given!r}; it {message.removeprefix('Input ')}."
        else:
            sentence = f"{place} is {given!r}, but the {message[0].lower()}{message[1:]}."
        problems.setdefault(place, sentence)
    return " ".join(problems.values())


def _is_branch(part: int | str) -> bool:
    """pydantic names the branch of a union in the place of an error; the reader never wrote it."""
    return isinstance(part, str) and (part in ("int", "str", "float") or "[" in part)


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        yield path
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                inside_list = kind is not field.annotation and "tuple" in str(field.annotation)
                yield from _paths(kind, f"{path}.0." if inside_list else f"{path}.")


def _nearest(place: str, data: dict[str, Any]) -> str:
    paths = list(_paths(task_named(data).Recipe))
    near = difflib.get_close_matches(place, paths, n=1, cutoff=0.6)
    if not near:  # the right name in the wrong section
        last = place.rsplit(".", 1)[-1]
        tails = {path.rsplit(".", 1)[-1]: path for path in reversed(paths)}  # of several, the first section's
        near = [tails[tail] for tail in difflib.get_close_matches(last, tails, n=1, cutoff=0.6)]
    return f" Did you mean {near[0]!r}?" if near else ""
