"""The card of a classifier: what it names, what it learnt from, how often it is right; from its configuration alone."""

from collections.abc import Mapping
from typing import Any

import yaml

from darktimbre.notes.pitch import note_name

HELD_OUT = ("valid", "test")


def classifier_card(config: Mapping[str, Any], *, parameters: int) -> str:
    """The card as Markdown; equal configurations give equal text.

    Args:
        config: as in `Classifier.config`.
        parameters: how many numbers were learnt.
    """
    metrics = config.get("metrics") or {}
    parts = [
        "# A classifier of notes\n",
        _what_it_is(config, parameters),
        _USE,
        _section("What it learnt from", _provenance(config)),
        _section("How often it is right", _accuracies(metrics)),
        _section("Families, on held-out notes", _families(metrics.get("families_held_out") or {})),
        _section("Limits", _LIMITS),
        _section("Recipe", _recipe(config.get("recipe"))),
    ]
    return "\n".join(part for part in parts if part)


_USE = (
    "```python\n"
    "from darktimbre.bundle.classifier import Classifier\n\n"
    'heard = Classifier.from_pretrained("path").hear(waves)  # torch, (note, sample)\n'
    "heard.pitch, heard.family, heard.embedding  # logits, logits, (note, dimension)\n"
    "```\n"
)
_LIMITS = (
    "- It knows the sounds of one corpus. Figures measured by two classifiers do not compare.\n"
    "- A pitch is the corpus's own label; instruments that sound an octave off their label count as errors.\n"
    "- Levels are heard relative to the note's loudest place: how loud a note is changes nothing.\n"
    "- Inception blocks after Szegedy et al. 2016; as a judge of notes after Nistal et al. 2021 (§4.4).\n"
)


def _what_it_is(config: Mapping[str, Any], parameters: int) -> str:
    network, pitches, families = config["network"], config["pitches"], config["families"]
    named = []
    if pitches:
        named.append(f"{len(pitches)} pitches ({note_name(min(pitches))} to {note_name(max(pitches))})")
    if families:
        named.append(f"{len(families)} instrument families ({', '.join(families)})")
    if config["attributes"]:
        teacher = (config.get("teacher") or {}).get("name", "a teacher")
        named.append(f"{len(config['attributes'])} attributes as {teacher} hears them")
    length = config["samples"] / network["sample_rate"]
    return (
        f"Hears notes of {length:.2f} s at {network['sample_rate']:,} Hz and names {'; '.join(named)}. Its "
        f"{network['embedding']} numbers before the heads are an embedding of sounds. {parameters:,} parameters. "
        "`darktimbre evaluate` measures by it.\n"
    )


def _provenance(config: Mapping[str, Any]) -> str:
    provenance = config.get("provenance") or {}
    corpus = provenance.get("corpus") or {}
    lines = []
    if corpus:
        lines.append(f"corpus: {corpus.get('name')} ({corpus.get('notes', 0):,} notes, digest {corpus.get('digest')})")
        lines.append(f"licence of the sounds: {corpus.get('licence') or 'not stated'}")
    if teacher := config.get("teacher"):
        lines.append(f"soft labels: {teacher['name']} (digest {teacher['digest']}), T = {teacher['temperature']:g}")
    lines += [f"{key.replace('_', ' ')}: {_told(value)}" for key, value in provenance.items() if key != "corpus"]
    return "".join(f"- {line}\n" for line in lines)


def _accuracies(metrics: Mapping[str, Any]) -> str:
    splits = [split for split in ("train", *HELD_OUT) if split in metrics]
    if not splits:
        return ""
    rows = [
        ("notes", lambda m: f"{m['notes']:,}"),
        ("instruments", lambda m: f"{m['instruments']:,}"),
        ("pitch is right", lambda m: _share(m, "pitch", "accuracy")),
        ("… of so many notes with a pitch", lambda m: _count(m, "pitch")),
        ("pitch is named octaves away", lambda m: _share(m, "pitch", "octaves_away")),
        ("pitch is named a semitone away", lambda m: _share(m, "pitch", "a_semitone_away")),
        ("family is right", lambda m: _share(m, "family", "accuracy")),
        ("… each family counting the same", lambda m: _share(m, "family", "mean_over_families")),
        ("… if the most frequent were always named", lambda m: _share(m, "family", "most_frequent_family")),
        ("correlation with the teacher's logits, mean", lambda m: _number(m, "attributes", "correlation")),
    ]
    lines = [f"| | {' | '.join(splits)} |", f"|---|{'---|' * len(splits)}"]
    for title, read in rows:
        cells = [read(metrics[split]) for split in splits]
        if any(cells):
            lines.append(f"| {title} | {' | '.join(cell or '–' for cell in cells)} |")
    return f"{_held_out(metrics)}\n\n" + "\n".join(lines) + "\n"


def _held_out(metrics: Mapping[str, Any]) -> str:
    """What the splits other than `train` are worth."""
    others = [metrics[split] for split in ("valid", "test") if metrics.get(split, {}).get("notes")]
    if not others:
        return "No note was held back: nothing is known of notes that it did not learn from."
    if not any(split.get("also_in_train", 0) for split in others):
        return "Valid and test hold instruments that it never heard."
    return "Valid and test hold further notes of instruments that it learnt from: of other instruments less is right."


def _families(families: Mapping[str, Any]) -> str:
    if not any(facts.get("notes") for facts in families.values()):
        return ""
    lines = ["| family | notes | right | taken most for |", "|---|---|---|---|"]
    for name, facts in families.items():
        if not facts.get("notes"):
            lines.append(f"| {name} | none | – | – |")
            continue
        other = f"{facts['taken_for']} ({facts['how_often']:.0%})" if "taken_for" in facts else "–"
        lines.append(f"| {name} | {facts['notes']:,} | {facts['accuracy']:.0%} | {other} |")
    return "\n".join(lines) + "\n"


def _recipe(recipe: Any) -> str:
    return f"```yaml\n{yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)}```\n" if recipe else ""


def _share(metrics: Mapping[str, Any], part: str, key: str) -> str:
    value = (metrics.get(part) or {}).get(key)
    return "" if value is None else f"{value:.1%}"


def _number(metrics: Mapping[str, Any], part: str, key: str) -> str:
    value = (metrics.get(part) or {}).get(key)
    return "" if value is None else f"{value:.3f}"


def _count(metrics: Mapping[str, Any], part: str) -> str:
    value = (metrics.get(part) or {}).get("notes")
    return "" if value is None else f"{value:,}"


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(inner)}" for key, inner in value.items())
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""
