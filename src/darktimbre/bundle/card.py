"""Model cards: the `README.md` of a model folder, a Jinja2 template filled from the configuration alone."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import huggingface_hub
import jinja2
import yaml

from darktimbre.bundle.weights import Weights
from darktimbre.notes.pitch import note_name

_HUB_LICENCES = {
    "mit": "mit",
    "apache-2.0": "apache-2.0",
    "cc0": "cc0-1.0",
    "cc0-1.0": "cc0-1.0",
    "cc-by-4.0": "cc-by-4.0",
    "cc by 4.0": "cc-by-4.0",
    "cc-by-sa-4.0": "cc-by-sa-4.0",
    "cc-by-nc-4.0": "cc-by-nc-4.0",
}


def model_card(template: str, config: Mapping[str, Any], weights: Weights, tags: Sequence[str] = ()) -> str:
    """The card as Markdown with Hugging Face front matter; equal configurations give equal text.

    Of `provenance` it understands `corpus` (`name`, `licence`, `digest`, `notes`, …), `teacher` (`name`, `digest`),
    `notes_seen`, `title` and `licence` (of the weights; the corpus's when absent); every other entry is listed as is.

    Args:
        template: its name in `templates/`.
        config: as in `ModelFolder.config`.
        weights: the network's state, for the number of parameters.
        tags: of the front matter.
    """
    provenance = config.get("provenance") or {}
    licence = provenance.get("licence") or _named(provenance.get("corpus")).get("licence")
    hub = _HUB_LICENCES.get(str(licence).strip().casefold())
    header = huggingface_hub.ModelCardData(
        license=hub or "other",
        license_name=None if hub else str(licence or "not stated"),
        library_name="darktimbre",
        tags=["darktimbre", *tags],
    )
    try:
        layout = _TEMPLATES.get_template(f"{template}.md.jinja")
    except jinja2.TemplateNotFound as error:  # an OSError: whoever saves would take it for a failing disk
        raise LookupError(f"There is no template {error} in bundle/templates.") from error
    body = layout.render(
        **config,
        parameters=sum(t.numel() for name, t in weights.items() if not re.search(r"\b(running|num)_", name)),
        dtypes=sorted({str(tensor.dtype).removeprefix("torch.") for tensor in weights.values()}),
    )
    # ModelCard.from_template renders without filters and macros; so it only joins header and body here.
    text = re.sub(r"\n{3,}", "\n\n", body).strip()
    return str(huggingface_hub.ModelCard(f"---\n{header.to_yaml()}\n---\n\n{text}\n"))


def _named(value: Any) -> Mapping[str, Any]:
    """A description; one that is a name alone as a description of one entry."""
    return value if isinstance(value, Mapping) else {"name": value} if value else {}


def _known(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entries.items() if value not in (None, "")}


def _without(entries: Mapping[str, Any] | None, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in (entries or {}).items() if key not in keys}


def _yaml(value: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> str:
    """A value in a list or a table cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "none"
    text = "none" if value is None else str(value)
    return text.replace("|", "/").replace("\n", " ")


def _figures(metrics: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """The rows (measure, value) of a bundle's table: nested entries as paths, figures with their errors."""
    shown = _without(metrics, "losses", "evaluation")
    if measured := (metrics or {}).get("evaluation"):
        shown["on held-out notes"] = _without(measured, "attributes")
    return list(_flat(shown))


def _flat(entries: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in entries.items():
        if not isinstance(value, Mapping):
            yield f"{prefix}{key}", value
        elif "value" not in value:
            yield from _flat(value, f"{prefix}{key} / ")
        elif "spread" in value:  # a standard error, else a 95 % interval
            yield f"{prefix}{key}", f"{_plain(value['value'])} ± {_plain(value['spread'])}"
        else:
            yield f"{prefix}{key}", "{} [{}, {}]".format(*(_plain(value[part]) for part in ("value", "from", "to")))


_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("darktimbre.bundle"),
    undefined=jinja2.ChainableUndefined,  # what a configuration does not hold, a card leaves out
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "figures": _figures,
    "known": _known,
    "label": lambda key: _plain(key).replace("_", " "),
    "named": _named,
    "note_name": note_name,
    "plain": _plain,
    "thousands": lambda number: f"{number:,}",
    "without": _without,
    "yaml": _yaml,
}
