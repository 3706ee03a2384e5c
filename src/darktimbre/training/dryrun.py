"""`--dry-run`: the resolved recipe and what it would cost, as text."""

from pathlib import Path
from typing import Literal

import torch

from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import Attributes
from darktimbre.representation.codec import codec_from_config
from darktimbre.training.estimate import estimate
from darktimbre.training.material import choose_attributes, gather
from darktimbre.training.plan import network_for
from darktimbre.training.progress import duration
from darktimbre.training.reading import dump_recipe
from darktimbre.training.recipe import Recipe
from darktimbre.training.schedule import Schedule

RATE = 16_000  # Hz, where no corpus says otherwise


def dry_run_report(recipe: Recipe, corpus_path: Path | None, *, accelerator: str = "auto") -> str:
    """The recipe as YAML, then sizes, memory and time of the run; with a corpus also what would be learned from.

    Raises:
        UserError: recipe, corpus and representation do not go together.
    """
    lines = [dump_recipe(recipe).rstrip(), ""]
    kind: Literal["pictures", "sounds"] = "pictures" if recipe.sees_pictures else "sounds"
    corpus = Corpus.open(corpus_path, of=kind) if corpus_path is not None else None
    if recipe.task == "picture-gan":
        from darktimbre.training import picture_gan

        return "\n".join([*lines, *picture_gan.dry_run_lines(recipe, corpus)])
    if recipe.task == "picture-classifier":
        from darktimbre.training import picture_classifier

        return "\n".join([*lines, *picture_classifier.dry_run_lines(recipe, corpus)])
    if recipe.task == "inception":
        from darktimbre.training.inception import dry_run_lines

        return "\n".join([*lines, *dry_run_lines(recipe, corpus)])
    if corpus is not None:
        attributes = choose_attributes(recipe.data, corpus)
        material = gather(recipe.data, corpus, attributes)
        lines.append(f"corpus: {len(material.rows):,} of {len(corpus):,} notes of {corpus.name} are trained on")
    else:
        names = recipe.data.attributes if isinstance(recipe.data.attributes, tuple) else range(recipe.data.attributes)
        low, high = recipe.data.pitches or (0, -1)
        attributes = Attributes(pitches=tuple(range(low, high + 1)), names=tuple(str(name) for name in names))
    if recipe.task == "tagger":
        return "\n".join([*lines, f"{Schedule(recipe).total:,} notes in {Schedule(recipe).steps:,} steps"])
    rate = corpus.sample_rate if corpus else RATE
    codec = codec_from_config({**recipe.data.codec, "sample_rate": rate, "samples": round(recipe.data.seconds * rate)})
    config = network_for(recipe, attributes, codec)
    gpu = accelerator != "cpu" and torch.cuda.is_available()
    cost = estimate(recipe, config, torch.device("cuda" if gpu else "cpu"))
    lines += [
        f"picture: {' × '.join(map(str, codec.shape))} (channel × frequency × frame)",
        f"condition: {config.condition} numbers, latent: {config.latent}",
        f"generator: {cost.generator:,} parameters; discriminator: {cost.discriminator:,} parameters",
        f"memory: about {cost.memory / 1e9:.1f} GB",
    ]
    for part, macs, seconds in zip(Schedule(recipe).stretches, cost.macs, cost.seconds, strict=True):
        name = "warm start" if part.phase == "warm" else f"stage {part.stage + 1}"
        size = config.picture_size(part.scale)
        lines.append(
            f"{name}: {part.stop - part.first:,} notes of {size[0]} × {size[1]}, batch {part.batch}, "
            f"{macs / 1e9:.1f} GMAC a note, about {duration(seconds)}"
        )
    total = f"{Schedule(recipe).total:,} notes in {Schedule(recipe).steps:,} steps"
    measured = f"at {cost.gmacs_per_second:.0f} GMAC/s, as a convolution ran here just now"
    return "\n".join([*lines, f"whole run: {total}, about {duration(sum(cost.seconds))} {measured}"])
