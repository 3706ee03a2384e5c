"""The cards of picture models: `README.md` in words, from the configuration; read by people, and by no program."""

from collections.abc import Mapping
from typing import Any

_LIBRARY = "library_name: darktimbre"


def gan_card(config: Mapping[str, Any], *, parameters: int) -> str:
    """Card of a generator: what it makes, from what it learnt, and how it was judged."""
    recipe, network = config.get("recipe", {}), config.get("network", {})
    name, told = recipe.get("name", "picture-gan"), network.get("classes", 0)
    classes = ", ".join(config.get("classes", []))
    asked = f"of a class that is asked for ({classes})" if told else "of any kind"
    lines = [
        "---", "tags: [gan, dcgan, digits]", _LIBRARY, "---", "", f"# {name}", "",
        f"A generator of small pictures {asked}: {network.get('latent', '?')} random numbers in, one picture of "
        f"28 × 28 pixels out; {parameters:,} parameters. A model to learn GANs by, made with darktimbre.",
        "",
        *_origin(config),
    ]  # fmt: skip
    metrics = config.get("metrics", {})
    if scores := metrics.get("judged"):
        lines += ["## Judged", "", "| figure | generated | real |", "|---|---|---|"]
        lines += [f"| {row['figure']} | {row['generated']} | {row['real']} |" for row in scores]
        lines += ["", f"{metrics.get('judge', '')}", ""]
    return "\n".join(lines)


def classifier_card(config: Mapping[str, Any], *, parameters: int) -> str:
    """Card of a classifier: what it tells apart, and how often it is right."""
    name = config.get("recipe", {}).get("name", "picture-classifier")
    lines = [
        "---", "tags: [image-classification, digits]", _LIBRARY, "---", "", f"# {name}", "",
        f"Tells pictures of {', '.join(config.get('classes', []))} apart; {parameters:,} parameters. It judges what "
        "the digit recipes of darktimbre generate, and was trained on real pictures alone.",
        "",
        *_origin(config),
    ]  # fmt: skip
    if metrics := config.get("metrics"):
        lines += ["## Accuracy", "", "| split | pictures | right |", "|---|---|---|"]
        lines += [
            f"| {split} | {facts['pictures']:,} | {facts['accuracy']:.2%} |"
            for split, facts in metrics.items()
            if facts.get("pictures")
        ]
        lines.append("")
    return "\n".join(lines)


def _origin(config: Mapping[str, Any]) -> list[str]:
    provenance = config.get("provenance", {})
    corpus = provenance.get("corpus", {})
    if not corpus:
        return []
    return [
        f"Trained on the corpus {corpus.get('name', '?')} ({corpus.get('notes', 0):,} pictures; "
        f"{corpus.get('licence', 'licence unknown')}), {provenance.get('notes_seen', 0):,} pictures seen.",
        "",
    ]
