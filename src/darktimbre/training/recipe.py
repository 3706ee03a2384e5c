"""The recipe: one typed, frozen, validated description of a run; read from YAML, changed by `key=value`.

What all tasks share of it is here; each task adds its own sections in `training/tasks/`.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from darktimbre.notes.attributes import CLASSES
from darktimbre.notes.bounded import shortened
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import DEEPEST
from darktimbre.training import tasks

PhaseKind = Literal["warm", "adversarial", "energy", "autoencode", "distil"]
"""`warm` (regression before adversarial training), `adversarial`, `energy` (by the energy score), `autoencode`, or
`distil` of taggers and classifiers."""


class Section(BaseModel):
    """Part of a recipe; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Augment(Section):
    """How far waves are changed at random; zeros leave them alone."""

    gain_db: NonNegativeFloat = 0.0  # level within ± this many dB, but never beyond full scale
    shift_ms: NonNegativeFloat = 0.0  # a sound starts up to this much later
    cents: NonNegativeFloat = 0.0  # it is played up to this much faster or slower, as a tape is

    def __bool__(self) -> bool:
        return bool(self.gain_db or self.shift_ms or self.cents)


class Data(Section):
    """Which notes are trained on, and what is known of each."""

    split: Literal["train", "valid", "test"] = "train"  # split of the corpus that is trained on
    seconds: PositiveFloat = 1.0  # length of a note in seconds; the corpus must have it
    pitches: tuple[int, int] | None = (44, 69)  # lowest and highest MIDI note, both included; null trains without pitch
    # the first N of the corpus's attribute ranking, a list of names, or 0 for none; with the teacher `classes` any
    # other number means the whole class tree
    attributes: int | tuple[str, ...] = 128
    # whose stored logits are the soft labels; or `classes`: no teacher, but the classes and subclasses that the notes'
    # folders name, zeros and ones
    teacher: str = "yamnet"
    temperature: PositiveFloat = 1.0  # T in q = σ(logit / T) (DarkGAN eq. 1)
    # share of the notes whose class, or subclass, is dropped from the condition
    drop_class: float = Field(default=0.0, ge=0, lt=1)
    drop_subclass: float = Field(default=0.0, ge=0, lt=1)
    # 0 shows every note equally often, 1 every leaf of the class tree, and 0.5 lies between
    balance: float = Field(default=0.0, ge=0, le=1)
    # every note is brought to this peak, in dB below full scale; null keeps levels as they are. How hard a drum was
    # struck is then no longer something to model.
    peak_db: Annotated[float, Field(le=0)] | None = None
    augment: Augment = Augment()  # how far notes are changed at random
    # what a classifier (task `inception`) names beside pitch: `family`, `category` (the class), `subcategory`
    # (class/subclass), `styles` (the tags that it combines) or `instrument`
    families: Literal["family", "category", "subcategory", "styles", "instrument"] = "family"
    # kind and options of the representation, as `codec_from_config` reads them; its scaling is fitted here
    codec: dict[str, Any] = Field(default_factory=lambda: {"kind": "if"})

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Every MIDI note from the lowest to the highest."""
        return tuple(range(self.pitches[0], self.pitches[1] + 1)) if self.pitches else ()

    @model_validator(mode="after")
    def _ordered(self) -> "Data":
        if self.pitches and not 0 <= self.pitches[0] <= self.pitches[1] <= 127:
            raise ValueError("pitches must be [lowest, highest] within MIDI's 0 to 127")
        if isinstance(self.attributes, int) and self.attributes < 0:
            raise ValueError("attributes must be a number ≥ 0 or a list of names")
        if self.teacher == CLASSES:
            if isinstance(self.attributes, tuple) or self.temperature != 1:
                raise ValueError("classes are taken whole and are hard: attributes is a number, temperature is 1")
        elif self.drop_class or self.drop_subclass:
            raise ValueError("drop_class and drop_subclass are for the class tree: set teacher to classes")
        return self


class Optimiser(Section):
    """Adam for each network (Kingma & Ba 2015)."""

    lr: PositiveFloat = 1e-3  # learning rate of every network
    generator_lr: PositiveFloat | None = None  # the generator's own, where it differs
    betas: tuple[float, float] = (0.0, 0.99)  # decay of the first and second moment
    ramp_notes: NonNegativeInt = 0  # notes over which the rate rises linearly from 0, after each reset
    decay_notes: NonNegativeInt = 0  # last notes of the run, over which it falls linearly to `decay_to` times itself
    decay_to: float = Field(default=0.0, ge=0, le=1)
    reset_at_growth: bool = True  # reset the moments where a stage starts (Karras et al. 2018)


class Stage(Section):
    """A part of the run at one size of the network."""

    notes: PositiveInt  # how many notes are seen (rounded up to whole batches)
    batch: PositiveInt  # notes a step, over all processes together
    fade: NonNegativeInt = 0  # of these, the notes over which the new size is faded in
    # size of the network, 0 being `start`; null: the stage's own place in the schedule
    scale: NonNegativeInt | None = None


class Averaging(Section):
    """Exponential moving average of the generator's weights: what is bundled."""

    half_life: PositiveFloat = 10_000  # in notes
    # the half-life is at most this share of the notes seen so far (Karras et al. 2020)
    ramp: PositiveFloat | None = 0.05


class Recipe(Section):
    """One run, whole; each task has a subclass with a `task: Literal[...]` of its own and further sections."""

    name: str = Field(min_length=1)  # how the run and its bundle are called
    task: str  # what is trained, one of the tasks of `training/tasks/`
    # `scratch`; `auto` (the starter in the package where network and vocabulary fit, else scratch); `starter`; or the
    # path of a bundle. From a bundle with a discriminator the warm start is left out.
    init: str = "scratch"
    data: Data = Data()
    optimiser: Optimiser = Optimiser()
    schedule: tuple[Stage, ...] = Field(min_length=1)
    averaging: Averaging = Averaging()
    # `auto` takes bf16 where the processor computes in it, else fp32
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpoint_every: PositiveInt = 20_000  # notes between checkpoints
    preview_every: NonNegativeInt = 50_000  # notes between previews of fixed notes; 0: none
    journal_every: PositiveInt = 500  # notes between lines of the journal
    seed: NonNegativeInt = 0  # of rows, latents and the networks' first weights

    phase: ClassVar[PhaseKind] = "distil"
    aliases: ClassVar[tuple[str, ...]] = ()  # further names of the task
    uses: ClassVar[frozenset[str]] = frozenset()  # those of `init`, `averaging`, `fade` and `scale` that the task reads

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        for name in (*get_args(cls.model_fields["task"].annotation), *cls.aliases):  # none, of what several tasks share
            if name in _CLASSES:
                raise TypeError(f"{cls.__name__} and {_CLASSES[name].__name__} are both recipes of a task {name!r}.")
            _CLASSES[name] = cls

    @model_validator(mode="after")
    def _without_idle_keys(self) -> "Recipe":
        given = {
            "init": self.init != "scratch",
            "averaging": self.averaging != Averaging(),
            "fade": any(stage.fade for stage in self.schedule),
            "scale": any(stage.scale for stage in self.schedule),
        }
        if idle := [key for key, is_given in given.items() if is_given and key not in self.uses]:
            raise ValueError(f"the task {self.task} does not use {' or '.join(idle)}: leave it out")
        return self

    @staticmethod
    def load(name: str | Path, overrides: Sequence[str] = ()) -> "Recipe":
        """The recipe of a name in the package or of a YAML file; see `load_recipe`."""
        return load_recipe(name, overrides)

    @property
    def next_run(self) -> str:
        """How a new run can continue an old one; empty where it cannot."""
        return " (--init BUNDLE goes on from weights)" if "init" in self.uses else ""

    @property
    def pac(self) -> int:
        """How many examples are scored together; every batch is a multiple of it."""
        return 1

    def phases(self) -> Iterator[tuple[PhaseKind, int, int, Stage]]:
        """The run's parts, in order: kind, index of the stage, size of the network (0: its start), the stage."""
        for index, stage in enumerate(self.schedule):
            yield self.phase, index, 0, stage


# ----------------------------------------------------------------------------
# Which recipes there are: one class for each task

DEFAULT = "gan"
_CLASSES: dict[str, type[Recipe]] = {}


@cache
def recipe_classes() -> dict[str, type[Recipe]]:
    """The recipes of all tasks, by the task's names: those of the modules in `training/tasks/`."""
    for module in pkgutil.iter_modules(tasks.__path__):
        importlib.import_module(f"{tasks.__name__}.{module.name}")
    return _CLASSES


def class_for(data: Mapping[str, Any]) -> type[Recipe]:
    """The class for the keys of a recipe, by its `task`.

    Raises:
        ValueError: there is no such task.
    """
    known, name = recipe_classes(), data.get("task", DEFAULT)
    if name not in known:
        *first, last = (repr(task) for task, kind in known.items() if task not in kind.aliases)
        raise ValueError(f"task is {name!r}; it should be {', '.join(first)} or {last}")
    return known[name]


def recipe_from(data: Mapping[str, Any]) -> Recipe:
    """The recipe that keys and values describe, of the class of its task.

    Raises:
        ValueError: there is no such task, an unknown key, or a value that is not allowed (pydantic's ValidationError).
    """
    kind = class_for(data)
    return kind.model_validate({**data, "task": get_args(kind.model_fields["task"].annotation)[0]})


def stored_recipe(data: Mapping[str, Any]) -> Recipe:
    """The recipe of a `run.json`; earlier versions stored the sections of all tasks: those of others are left out."""
    foreign = _foreign_keys(class_for(data))
    return recipe_from({key: value for key, value in data.items() if key not in foreign})


def _without_idle_sections(data: dict[str, Any]) -> dict[str, Any]:
    """The keys of a recipe without other tasks' sections that say nothing: earlier versions dumped all, at defaults."""
    fields = {key: field for kind in recipe_classes().values() for key, field in kind.model_fields.items()}

    def idle(key: str) -> bool:
        default = fields[key].default
        return data[key] in (None, default.model_dump(mode="json") if isinstance(default, BaseModel) else default)

    foreign = _foreign_keys(class_for(data)) & data.keys()
    return {key: value for key, value in data.items() if key not in foreign or not idle(key)}


def _foreign_keys(kind: type[Recipe]) -> set[str]:
    """Keys that other tasks' recipes have."""
    return {key for other in recipe_classes().values() for key in other.model_fields} - kind.model_fields.keys()


# ----------------------------------------------------------------------------
# From YAML, to YAML, and the difference between two

ALIASES = {"note-classifier": "inception", "digit-classifier": "digits-classifier"}
"""Plainer names of recipes."""

EMPTY = "''"  # as YAML
LARGEST_FILE = 1 << 20  # bytes of a recipe
MOST_PROBLEMS = 8  # told at once


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    folder = resources.files("darktimbre.training") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a name in the package or of a YAML file, with `key.sub=value` overrides applied in their order.

    Raises:
        UserError: no such recipe, not YAML, an unknown key (the nearest one is named) or a value that is not allowed.
    """
    try:
        data = yaml.load(_text(name), _Loader)
        _refuse_deep(data)
    except (ValueError, RecursionError) as error:  # such as a date that is none, or brackets without end
        raise UserError(f"The recipe {name} is not valid YAML: {shortened(str(error))}.") from None
    except yaml.YAMLError as error:
        raise UserError(f"The recipe {name} is not valid YAML: {str(error).replace(chr(10), ' ')}") from None
    if not isinstance(data, dict):
        raise UserError(f"The recipe {name} must be a YAML mapping of keys to values.")
    try:
        config = OmegaConf.create(data)
    except OmegaConfBaseException as error:  # such as a date
        raise UserError(f"Recipe {name}: {str(error).splitlines()[0]} ({error.full_key}).") from None
    for override in overrides:
        _override(config, override)
    changed: dict[str, Any] = OmegaConf.to_container(config)  # type: ignore[assignment]
    try:
        return recipe_from(_without_idle_sections(changed))
    except ValidationError as error:
        raise UserError(f"Recipe {name}: {_explain(error, changed)}") from None
    except ValueError as error:
        raise UserError(f"Recipe {name}: {error}.") from None


class _Loader(yaml.SafeLoader):
    """Without aliases: a few lines of them can stand for more than any memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases (*{self.peek_event().anchor}) are not read")
        return super().compose_node(parent, index)


def _refuse_deep(data: Any, level: int = 0) -> None:
    if level > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        _refuse_deep(value, level + 1)


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
            with path.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
            if len(content) > LARGEST_FILE:
                raise UserError(f"{path} is larger than a recipe can be: name a recipe.")
            return content.decode("utf-8")
        except OSError as error:
            raise UserError(f"The recipe {path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise UserError(f"The recipe {path} is not UTF-8: save it as UTF-8.") from None
    known, name = recipe_names(), ALIASES.get(str(name), name)
    if str(name) not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.3)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(f"There is no recipe {str(name)!r}; there are {', '.join(known)}, or give a YAML file.{hint}")
    return (resources.files("darktimbre.training") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")


def _override(config: DictConfig, override: str) -> None:
    """Applies `key.sub=value`, which replaces what is there.

    OmegaConf would silently replace a single value by what is put inside it, and does not name the ends of a list: both
    are refused here.
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
    """What is wrong, a sentence for each place."""
    kind, whole, problems = class_for(data), error.errors(), dict[str, str]()
    foreign, paths = _foreign_keys(kind), list(_paths(kind))
    for item in whole:
        if item["type"] == "too_short" and len(whole) > 1:
            continue  # pydantic counts what is good: entries that are wrong are named already
        place = ".".join(str(part) for part in item["loc"] if not _is_branch(part))
        given, message = item.get("input"), item["msg"]
        if place in foreign:
            sentence = f"there is no key {place!r} for the task {data.get('task', DEFAULT)}."
        elif item["type"] == "extra_forbidden":
            sentence = f"there is no key {place!r}.{_nearest(place, paths)}"
        elif item["type"] == "missing":
            section = any(path.startswith(f"{place}.") for path in paths)
            needed = f"a {data.get('task', DEFAULT)} needs a {place} section."
            sentence = needed if section else f"the key {place!r} is missing."
        elif item["type"] == "value_error":
            sentence = f"{place + ': ' if place else ''}{str(item['ctx']['error']).rstrip('.')}."
        elif "nput should" in message:
            sentence = f"{place} is {given!r}; it {message.removeprefix('Input ')}."
        else:
            sentence = f"{place} is {given!r}, but the {message[0].lower()}{message[1:]}."
        problems.setdefault(place, sentence)
    shown = [shortened(sentence) for sentence in list(problems.values())[:MOST_PROBLEMS]]
    return " ".join([*shown, *(["…"] if len(problems) > MOST_PROBLEMS else [])])


def _is_branch(part: int | str) -> bool:
    """pydantic names the branch of a union in the place of an error; the reader never wrote it."""
    return isinstance(part, str) and (part in ("int", "str", "float") or "[" in part)


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of a model and of the models inside it."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        yield path
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                inside_list = kind is not field.annotation and "tuple" in str(field.annotation)
                yield from _paths(kind, f"{path}.0." if inside_list else f"{path}.")


def _nearest(place: str, paths: list[str]) -> str:
    near = difflib.get_close_matches(place, paths, n=1, cutoff=0.6)
    if not near:  # the right name in the wrong section
        last = place.rsplit(".", 1)[-1]
        tails = {path.rsplit(".", 1)[-1]: path for path in reversed(paths)}  # of several, the first section's
        near = [tails[tail] for tail in difflib.get_close_matches(last, tails, n=1, cutoff=0.6)]
    return f" Did you mean {near[0]!r}?" if near else ""
