"""What a run will do, decided at its start and kept in `run.json`: recipe, attributes, codec, where weights begin."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from darktimbre.audio.atomic import atomic_file
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.where import has_starter
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.config import ProgressiveConfig
from darktimbre.notes.attributes import CLASSES, Attributes
from darktimbre.notes.errors import UserError
from darktimbre.representation.codec import Codec, codec_from_config
from darktimbre.training.classes import choose_classes, gather_classes
from darktimbre.training.material import Material, choose_attributes, fit_codec, gather
from darktimbre.training.picture_material import PictureMaterial, gather_pictures
from darktimbre.training.reading import difference
from darktimbre.training.recipe import Data, Recipe
from darktimbre.training.tree import tree_of

FREE = ("checkpoint_every", "preview_every")
"""Keys that may differ on resuming: they decide nothing about weights or journal."""


@dataclass(frozen=True)
class Plan:
    """A run's choices.

    Attributes:
        requested: the recipe as it was asked for; what resuming is compared with.
        recipe: the recipe that is run: from a bundle with a discriminator the warm start is left out.
        attributes: what the generator is conditioned on.
        codec: representation with its fitted scaling; empty for what makes no sound.
        corpus: name, licence, digest, number of notes and provenance of what is learned from.
        origin: bundle that the weights begin from, or None.
        said: sentences for the user about what was decided.
    """

    requested: Recipe
    recipe: Recipe
    attributes: Attributes
    codec: dict[str, Any]
    corpus: dict[str, Any]
    origin: str | None = None
    said: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Writes `run.json`."""
        data = {
            "requested": self.requested.model_dump(mode="json"),
            "recipe": self.recipe.model_dump(mode="json"),
            "attributes": self.attributes.to_json(),
            "codec": self.codec,
            "corpus": self.corpus,
            "origin": self.origin,
        }
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Reads `run.json`.

        Raises:
            UserError: it cannot be read.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                requested=Recipe.model_validate(data["requested"]),
                recipe=Recipe.model_validate(data["recipe"]),
                attributes=Attributes.from_json(data["attributes"]),
                codec=data["codec"],
                corpus=data["corpus"],
                origin=data["origin"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} cannot be read ({error}): the run cannot be resumed; start a new one.") from error

    def refuse_other(self, recipe: Recipe, corpus: Corpus) -> None:
        """Refuses to resume with another recipe or corpus, and says what differs."""
        same = recipe.model_copy(update={key: getattr(self.requested, key) for key in FREE})
        if changes := difference(self.requested, same):
            shown = "; ".join(changes[:8]) + ("; …" if len(changes) > 8 else "")
            raise UserError(
                f"The run was started with another recipe ({shown}): resume with the same one, or start a new run."
            )
        if corpus.digest != self.corpus["digest"]:
            raise UserError(
                f"The run was started with the corpus {self.corpus['name']} ({self.corpus['digest'][:12]}…), "
                f"{corpus.path} is another one ({corpus.digest[:12]}…): resume with the same one, or start a new run."
            )
        taught = self.attributes
        if _by_teacher(taught) and _tags_digest(corpus, self.recipe.data.teacher) != taught.teacher_digest:
            raise UserError(
                f"The tags of {corpus.path} were made anew, with other weights of {self.recipe.data.teacher}, since "
                "the run began: start a new run (--init BUNDLE goes on from weights)."
            )

    def network(self) -> ProgressiveConfig:
        """The networks' plan: the recipe's sizes, the data's condition, the representation's picture."""
        return network_for(self.recipe, self.attributes, codec_from_config(self.codec))


def make_plan(recipe: Recipe, corpus: Corpus) -> tuple[Plan, Bundle | None]:
    """Decides a new run: reads the bundle it begins from, or chooses attributes and fits the representation.

    Raises:
        UserError: corpus, tags or bundle do not fit the recipe; the sentence says what to change.
    """
    facts = {
        "name": corpus.name,
        "licence": corpus.meta.get("licence"),
        "digest": corpus.digest,
        "notes": len(corpus),
        "provenance": corpus.meta.get("provenance") or {},
    }
    if recipe.sees_pictures:
        gather_pictures(recipe.data, corpus)  # refuses what cannot be learned from
        return Plan(recipe, recipe, Attributes(), {}, facts), None
    if recipe.task == "tagger":
        return Plan(recipe, recipe, choose_attributes(recipe.data, corpus), {}, facts), None
    if recipe.task == "inception":
        classes, said = choose_classes(recipe.data, corpus)
        return Plan(recipe, recipe, classes, {}, facts, said=said), None
    start, said = _start(recipe, corpus)
    if start is None:
        attributes = choose_attributes(recipe.data, corpus)
        codec = fit_codec(recipe.data, gather(recipe.data, corpus, attributes))
        plan = Plan(recipe, recipe, attributes, codec.to_config(), facts, said=said)
    else:
        # What is begun from is worth remembering: the average leaves it slowly from the first step on.
        update: dict[str, Any] = {"averaging": recipe.averaging.model_copy(update={"ramp": None})}
        if start.discriminator is not None:
            update["warm_start"] = None
        attributes, spoken = _by_tags_at_hand(start.attributes, recipe.data, corpus)
        said += spoken
        plan = Plan(
            recipe, recipe.model_copy(update=update), attributes, start.codec().to_config(), facts,
            origin=f"{Path(recipe.init).name if recipe.init != 'auto' else 'starter'} {start.digest[:16]}", said=said,
        )  # fmt: skip
    plan.network()
    return plan, start


def material_of(plan: Plan, corpus: Corpus) -> Material | PictureMaterial:
    """The notes, or pictures, the plan trains on."""
    if plan.recipe.sees_pictures:
        return gather_pictures(plan.recipe.data, corpus)
    if plan.recipe.task == "inception":
        return gather_classes(plan.recipe.data, corpus, plan.attributes)
    return gather(plan.recipe.data, corpus, plan.attributes)


def network_for(recipe: Recipe, attributes: Attributes, codec: Codec) -> ProgressiveConfig:
    """The full plan of the networks.

    Raises:
        UserError: the network's picture has another size than the representation's.
    """
    assert recipe.network is not None
    channels, bins, frames = codec.shape
    if recipe.network.pitch_comb and codec.config.kind.startswith("mel"):
        raise UserError(
            "network.pitch_comb needs a linear frequency axis: take data.codec.kind=if, or set it to false."
        )
    config = recipe.network.config(
        pitches=attributes.pitches,
        attributes=len(attributes.names),
        channels=channels,
        bin_hz=codec.sample_rate / codec.config.n_fft,
        first_bin=codec.first_bin,
    )
    if config.picture_size() != (bins, frames):
        raise UserError(
            f"The network of the recipe makes pictures of {config.picture_size()} (frequency, frame), the "
            f"representation's are {(bins, frames)}: change network.start and network.growth, or data.codec."
        )
    return config


def _start(recipe: Recipe, corpus: Corpus) -> tuple[Bundle | None, list[str]]:
    if recipe.init == "scratch":
        return None, []
    if recipe.init == "auto" and not has_starter():
        return None, ["This installation ships no starter: training begins from scratch."]
    bundle = Bundle.from_pretrained("starter" if recipe.init == "auto" else recipe.init, discriminator=True)
    if reason := misfit(recipe, bundle) or _unknown_attributes(recipe.data, bundle.attributes, corpus):
        if recipe.init != "auto":
            raise UserError(f"The run cannot begin from {recipe.init}: {reason}. Train with --from-scratch.")
        return None, [f"The starter does not fit ({reason}): training begins from scratch."]
    kept = "" if bundle.discriminator is not None else " It holds no discriminator: that one begins anew."
    return bundle, [f"Training goes on from {'the starter' if recipe.init == 'auto' else recipe.init}.{kept}"]


def misfit(recipe: Recipe, bundle: Bundle) -> str | None:
    """Why a recipe cannot begin from a bundle, in words; None where it can."""
    assert recipe.network is not None
    data, there = recipe.data, bundle.attributes
    pitches = tuple(range(data.pitches[0], data.pitches[1] + 1)) if data.pitches else ()
    if pitches != there.pitches:
        return "its pitch classes are others than data.pitches"
    if reason := _other_attributes(data, there):
        return reason
    codec = bundle.codec().config.model_dump()
    wanted = codec_from_config(
        {**data.codec, "samples": round(data.seconds * codec["sample_rate"])}
    ).config.model_dump()
    if keys := [key for key in wanted if key not in ("low", "high", "sample_rate") and wanted[key] != codec[key]]:
        return f"its representation differs in {', '.join(keys)}"
    mine = network_for(recipe, there, bundle.codec()).model_dump()
    other = bundle.network.model_dump()
    if keys := [key for key in mine if mine[key] != other[key]]:
        return f"its network differs in {', '.join(keys)}"
    return None


def _other_attributes(data: Data, there: Attributes) -> str | None:
    if isinstance(data.attributes, tuple) and data.attributes != there.names:
        return "its attributes are others than data.attributes"
    if CLASSES in (data.teacher, there.teacher):
        return None if data.teacher == there.teacher else f"its attributes are {there.teacher or 'none'}"
    if isinstance(data.attributes, int) and data.attributes != len(there.names):
        return f"it has {len(there.names)} attributes, the recipe asks for {data.attributes}"
    if there.names and there.temperature != data.temperature:
        return f"it was trained at temperature {there.temperature:g}, the recipe says {data.temperature:g}"
    return None


def _unknown_attributes(data: Data, there: Attributes, corpus: Corpus) -> str | None:
    """Another teacher will do as long as it has a label for every attribute (embedded and YAMNet share theirs)."""
    from darktimbre.tagging.store import Tags

    labels = Tags.open(corpus.path, data.teacher).labels if _by_teacher(there) else ()
    if there.teacher == CLASSES:
        labels = tree_of(corpus, corpus.rows(data.split)).names
        if unknown := [name for name in labels if name not in there.names]:
            return f"it does not know the class {unknown[0]!r}"
        return None
    lacking = [name for name in there.names if name not in labels]
    return f"{data.teacher} has no label {lacking[0]!r}" if lacking else None


def _by_tags_at_hand(there: Attributes, data: Data, corpus: Corpus) -> tuple[Attributes, list[str]]:
    """The attributes of a bundle as heard by the teacher whose tags are trained on from here; and what differs."""
    from darktimbre.tagging.store import Tags

    if not _by_teacher(there):
        return there, []
    digest = Tags.open(corpus.path, data.teacher).digest
    now = replace(there, teacher=data.teacher, teacher_digest=digest)
    said = []
    if now != there:
        said.append(f"Its attributes were learnt from {_teacher(there)}; from here on they follow {_teacher(now)}.")
    try:
        own = choose_attributes(data, corpus).names
    except UserError:  # no ranking of the corpus's own, and none is needed
        own = there.names
    if other := [name for name in own if name not in there.names]:
        said.append(
            f"It keeps its {len(there.names)} attributes, which lack {len(other)} of those chosen for the corpus "
            f"({other[0]}, …): --from-scratch takes the corpus's own."
        )
    return now, said


def _by_teacher(attributes: Attributes) -> bool:
    """Whether the attributes are a teacher's, who may hear otherwise another day; classes stand in the corpus."""
    return bool(attributes.names) and attributes.teacher != CLASSES


def _teacher(attributes: Attributes) -> str:
    return f"{attributes.teacher} ({attributes.teacher_digest[:12]}…)"


def _tags_digest(corpus: Corpus, teacher: str) -> str:
    from darktimbre.tagging.store import Tags

    return Tags.open(corpus.path, teacher).digest
