"""The model card of a bundle: what it is, where it comes from, how to play it; written from its configuration alone."""

import math
from collections.abc import Mapping
from typing import Any

import torch
import yaml

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


def model_card(config: Mapping[str, Any], *, weights: Mapping[str, torch.Tensor] | None = None) -> str:
    """The card as Markdown with Hugging Face front matter; equal configurations give equal text.

    Of `provenance` it understands `corpus` (`name`, `licence`, `digest`, `notes`, …), `teacher` (`name`, `digest`),
    `notes_seen` and `licence` (of the weights; the corpus's when absent); every other entry is listed as it stands.

    Args:
        config: as in `Bundle.config`.
        weights: the generator's state, for the number of parameters.
    """
    recipe = config.get("recipe") or {}
    provenance = dict(config.get("provenance") or {})
    metrics = config.get("metrics") or {}
    attributes = config["attributes"]
    corpus = provenance.pop("corpus", None) or {}
    if not isinstance(corpus, Mapping):
        corpus = {"name": corpus}
    teacher = provenance.pop("teacher", None) or {}
    if not isinstance(teacher, Mapping):
        teacher = {"name": teacher}
    notes_seen = provenance.pop("notes_seen", None)
    licence = provenance.pop("licence", None) or corpus.get("licence")
    title = str(provenance.pop("title", None) or recipe.get("name") or "instrument")

    parts = [
        _front_matter(licence),
        f"# {title}: a darktimbre instrument\n",
        _what_it_is(config, weights),
        _how_to_play(attributes),
        _section("Sounds it learnt from", _bullets(corpus)),
        _section("Teacher", _teacher_lines(teacher, attributes)),
        _section("Training", _training_lines(notes_seen, recipe, provenance)),
        _section("Measured", _metrics_table(metrics)),
        _section("Attributes", _attribute_lines(attributes, metrics)),
        _section("Limits", _limits(config)),
        _section("Method", _METHOD),
    ]
    return "\n".join(part for part in parts if part)


_METHOD = (
    "J. Nistal, S. Lattner, G. Richard: *DarkGAN: Exploiting Knowledge Distillation for Comprehensible Audio Synthesis "
    "with GANs*, ISMIR 2021.\n"
)


def _front_matter(licence: Any) -> str:
    hub = _HUB_LICENCES.get(str(licence).strip().casefold()) if licence else None
    matter: dict[str, Any] = {"license": hub or "other"}
    if hub is None:
        matter["license_name"] = str(licence) if licence else "not stated"
    matter |= {
        "library_name": "darktimbre",
        "tags": ["audio", "music", "audio-synthesis", "gan", "knowledge-distillation", "darkgan"],
    }
    return "---\n" + yaml.safe_dump(matter, sort_keys=False, allow_unicode=True) + "---\n"


def _what_it_is(config: Mapping[str, Any], weights: Mapping[str, torch.Tensor] | None) -> str:
    attributes, codec = config["attributes"], config["codec"]
    pitches = attributes.get("pitches") or []
    sentences = []
    rate, samples = codec.get("sample_rate"), codec.get("samples")
    length = f"notes of {samples / rate:.2f} s at {rate:,} Hz" if rate and samples else "notes"
    if pitches:
        low, high = min(pitches), max(pitches)
        span = f"pitches {note_name(low)} to {note_name(high)} (MIDI {low}–{high})"
        sentences.append(f"Makes {length}, {span}, steered by {len(attributes['names'])} attributes.")
    else:
        sentences.append(
            f"Makes {length} without a pitch of their own, steered by {len(attributes['names'])} attributes."
        )
    if weights:
        count = sum(tensor.numel() for tensor in weights.values())
        dtypes = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in weights.values()})
        sentences.append(f"The generator has {count:,} parameters ({', '.join(dtypes)}).")
    return " ".join(sentences) + "\n"


def _how_to_play(attributes: Mapping[str, Any]) -> str:
    names, pitches = attributes.get("names") or [], attributes.get("pitches") or []
    asked = [f"pitch={sorted(pitches)[len(pitches) // 2]}"] if pitches else []
    if names:
        asked.append(f'attributes={{"{names[0]}": 0.8}}')
    asked.append("seed=1")
    return (
        "## Play it\n\n```python\n"
        "from darktimbre.synthesizer.synthesizer import Synthesizer\n\n"
        'instrument = Synthesizer.from_pretrained("path or user/name")\n'
        f"waves = instrument.render({', '.join(asked)})  # float32 (note, sample)\n"
        "```\n"
    )


def _teacher_lines(teacher: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    told = {
        "name": attributes.get("teacher") or None,
        "digest": attributes.get("teacher_digest") or None,
        "temperature": attributes.get("temperature"),
    }
    return _bullets({key: value for key, value in {**told, **teacher}.items() if value is not None})


def _training_lines(notes_seen: Any, recipe: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    lines = _bullets({"notes seen": notes_seen} if notes_seen is not None else {}) + _bullets(provenance)
    if recipe:
        text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
        lines += f"\n<details><summary>The recipe, resolved</summary>\n\n```yaml\n{text}```\n\n</details>\n"
    return lines


def _metrics_table(metrics: Mapping[str, Any]) -> str:
    if not metrics:
        return ""
    shown = {key: value for key, value in metrics.items() if key not in ("losses", "evaluation")}
    if measured := metrics.get("evaluation"):
        shown["on held-out notes"] = {key: value for key, value in measured.items() if key != "attributes"}
    rows = [f"| {_label(name)} | {_plain(value)} |" for name, value in _flat(shown)]
    table = "| measure | value |\n|---|---|\n" + "\n".join(rows) + "\n" if rows else ""
    losses = ", ".join(f"{_label(name)} {_plain(value)}" for name, value in (metrics.get("losses") or {}).items())
    return table + (f"\nLast losses of training: {losses}.\n" if losses else "")


def _attribute_lines(attributes: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    names = attributes.get("names") or []
    heard = (metrics.get("evaluation") or {}).get("attributes") or {}
    lines = f"{', '.join(names)}.\n" if names else ""
    if heard:
        told = ", ".join(f"{name} {_plain(value)}" for name, value in heard.items())
        lines += f"\nHow well each is followed, best first (correlation of asked and heard, held-out notes): {told}.\n"
    return lines


def _limits(config: Mapping[str, Any]) -> str:
    lines = [
        "- An attribute steers what the teacher hears; it is no promise that a listener hears the same.",
        "- Attribute values outside 0 to 1 were not seen in training; they work more or less, and a warning says so.",
    ]
    pitches = config["attributes"].get("pitches")
    if pitches:
        lines.append(
            "- Pitches outside the trained range are refused; `darktimbre synth midi` re-pitches the nearest one."
        )
    return "\n".join(lines) + "\n"


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _bullets(entries: Mapping[str, Any], indent: str = "") -> str:
    lines = []
    for key, value in entries.items():
        if isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
            value = {str(number): item for number, item in enumerate(value, start=1)}
        if isinstance(value, Mapping):
            lines.append(f"{indent}- {_label(key)}:\n{_bullets(value, indent + '  ')}".rstrip("\n"))
        elif isinstance(value, list | tuple):
            lines.append(f"{indent}- {_label(key)}: {', '.join(_plain(item) for item in value)}")
        else:
            lines.append(f"{indent}- {_label(key)}: {_plain(value)}")
    return "\n".join(lines) + "\n" if lines else ""


def _flat(entries: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in entries.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and "value" in value:
            rows.append((name, _with_error(value)))
        else:
            rows += _flat(value, f"{name} / ") if isinstance(value, Mapping) else [(name, value)]
    return rows


def _with_error(figure: Mapping[str, Any]) -> str:
    """A figure with its standard error, or with its 95 % interval."""
    if "spread" in figure:
        return f"{_plain(figure['value'])} ± {_plain(figure['spread'])}"
    return f"{_plain(figure['value'])} [{_plain(figure['from'])}, {_plain(figure['to'])}]"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "none"
    text = "none" if value is None else str(value)
    return text.replace("|", "/").replace("\n", " ")


def _label(key: Any) -> str:
    return _plain(key).replace("_", " ")
