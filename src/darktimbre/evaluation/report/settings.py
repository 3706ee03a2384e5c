"""An evaluation → how it was measured: what is less than in the paper, how many there were, and every digest."""

from collections.abc import Mapping
from typing import Any

from darktimbre.evaluation.report.blocks import Block, Bullets, Cell, Fold, Row, Table, Text
from darktimbre.evaluation.report.numbers import DASH
from darktimbre.evaluation.results import Evaluation

_PAPER = {"scored": 10_000, "reference": 10_000}  # DarkGAN §4.4: notes of each set of sounds; here of real ones as well
_WHAT = {"scored": "notes that every row of table 1 is scored over", "reference": "real notes to compare with"}
_ASKED = {"scored": "notes", "reference": "reference", "other_real_notes": "reference", "held_out_notes": "reference"}
"""Which of the profile's counts is the most that there can be of what there was."""


def settings(evaluation: Evaluation) -> list[Block]:
    """All of it."""
    blocks: list[Block] = []
    reduced = (*evaluation.reduced, *_short(evaluation))
    if reduced:
        blocks += [Text("Reduced against the paper:"), Bullets(reduced)]
    elif set(_PAPER) <= set(evaluation.counts):
        blocks.append(Text("Nothing was reduced against the paper's counts."))
    if evaluation.left_out:
        blocks += [Text("Left out, and why:"), Bullets(evaluation.left_out)]
    else:
        blocks.append(Text("Nothing was left out."))
    if evaluation.facts:
        blocks.append(_facts("facts", "Corpus, teacher, classifier, embeddings, libraries and seed.", evaluation.facts))
    if evaluation.counts or evaluation.asked:
        blocks.append(_counts(evaluation))
    for place, system in enumerate(evaluation.systems):
        entries = {**({"digest": system.digest} if system.digest else {}), **system.facts}
        if entries:
            caption = f"Everything known about {system.name}."
            blocks.append(Fold(f"{system.name}: particulars", (_facts(f"facts-{place}", caption, entries),)))
    return blocks


def _short(evaluation: Evaluation) -> list[str]:
    """Counts below the paper's that no sentence tells yet."""
    short = (
        (key, there, whole) for key, whole in _PAPER.items() if (there := evaluation.counts.get(key, whole)) < whole
    )
    return [
        f"{_WHAT[key]}: {there:,} instead of {whole:,}"
        for key, there, whole in short
        if not any(f"{there:,}" in sentence for sentence in evaluation.reduced)
    ]


def _counts(evaluation: Evaluation) -> Table:
    """How many there were, and how many the profile asked for."""
    rows = []
    for key, there in evaluation.counts.items():
        most = evaluation.asked.get(_ASKED.get(key, key))
        rows.append(Row(_words(key), (Cell(f"{there:,}"), Cell(DASH if most is None else f"{most:,}"))))
    told = {_ASKED.get(key, key) for key in evaluation.counts}
    rows += [Row(_words(key), (Cell(""), Cell(f"{n:,}"))) for key, n in evaluation.asked.items() if key not in told]
    caption = (
        "How many of each. A second figure that is greater than the first means that the corpus has no more: rows of "
        "table 1 are all scored over as many notes as the smallest of them has."
    )
    return Table("counts", caption, "what", ("there were", "asked for, at most"), tuple(rows))


def _facts(name: str, caption: str, entries: Mapping[str, Any]) -> Table:
    rows = tuple(Row(key, (Cell(value, code=_is_digest(value)),)) for key, value in _flat(entries))
    return Table(name, caption, "what", ("value",), rows, word_columns=frozenset({0}))


def _words(key: object) -> str:
    return str(key).replace("_", " ")


def _flat(entries: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in entries.items():
        name = f"{before}{_words(key)}"
        if isinstance(value, Mapping):
            rows += _flat(value, f"{name}: ")
        else:
            rows.append((name, _plain(value)))
    return rows


def _plain(value: Any) -> str:
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value) or DASH
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(one)}" for key, one in value.items()) or DASH
    return str(value)


def _is_digest(text: str) -> bool:
    return len(text) >= 32 and all(one in "0123456789abcdef" for one in text)
