"""Sections of a report → `report.md`, which reads well as text and on a repository's page."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from darktimbre.evaluation.report.blocks import Block, Bullets, Cell, Fold, Listening, Picture, Section, Table, Text

_MARKS = {"": "", "best": " ★", "tied": " ≈"}
# An interval in brackets is no link and stays as it is, so that the file reads well as plain text too.
_SPECIAL = re.compile(r"\[[−\d][−\d., ]*\](?![(\[:])|[\\`*_{}\[\]<>|#~$]")
_LIST = re.compile(r"^(?:(\d+)([.)])(?=\s|$)|([-+=]))")


def escaped(text: str) -> str:
    """Text that Markdown (and the HTML in it) takes for nothing else; line breaks become spaces."""
    plain = " ".join(text.replace("&", "&amp;").split())
    quiet = _SPECIAL.sub(lambda found: found[0] if len(found[0]) > 1 else f"\\{found[0]}", plain)
    return _LIST.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", quiet)


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The report as Markdown; figures and sounds are links to the files beside it."""
    parts = [f"# {escaped(title)}"]
    for section in sections:
        parts += [f"## {escaped(section.heading)}", *_blocks(section.blocks)]
    return "\n\n".join(parts) + "\n"


def _blocks(blocks: Sequence[Block]) -> list[str]:
    parts: list[str] = []
    group: str | None = None
    for block in blocks:
        if isinstance(block, Listening):
            if block.group != group:
                group = block.group
                parts.append(f"**{escaped(group)}**" if group else "")
            links = " · ".join(f"[{escaped(one.system)}]({quote(one.file)})" for one in block.players)
            parts.append(f"- {escaped(block.title)}: {links}")
        else:
            parts.append(_block(block))
    return [part for part in parts if part]


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return escaped(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {escaped(item)}" for item in block.items)
    if isinstance(block, Picture):
        alt = escaped(block.alt)
        return f"**{escaped(block.title)}**\n\n![{alt}](figures/{quote(block.name)}.png)\n\n{escaped(block.caption)}"
    if isinstance(block, Fold):
        inner = "\n\n".join(_blocks(block.blocks))
        return f"<details>\n<summary>{_html(block.summary)}</summary>\n\n{inner}\n\n</details>"
    assert isinstance(block, Table)
    return _table(block)


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _table(table: Table) -> str:
    headings = list(table.columns)
    if table.groups:  # Markdown has one row of headings: the group's goes before the column's
        over = [group for group, width in table.groups for _ in range(width)]
        headings = [f"{group}, {name}" if group else name for group, name in zip(over, headings, strict=True)]
    lines = [
        "| " + " | ".join(escaped(one) for one in (table.corner, *headings)) + " |",
        "|---" + "".join("|---" if place in table.word_columns else "|---:" for place in range(len(headings))) + "|",
    ]
    group = ""
    for row in table.rows:
        if row.group != group:
            group = row.group
            if group:
                lines.append(f"| *{escaped(group)}* |" + " |" * len(headings))
        heading = f"*{escaped(row.heading)}*" if row.grey else escaped(row.heading)
        lines.append(f"| {heading} | " + " | ".join(_cell(one) for one in row.cells) + " |")
    notes = [f"<sub>{escaped(note)}</sub>" for note in table.notes]
    return "\n\n".join([escaped(table.caption), "\n".join(lines), *notes])


def _cell(cell: Cell) -> str:
    text = f"`{cell.text.replace('`', '')}`" if cell.code else escaped(cell.text)
    if cell.mark == "best":
        text = f"**{text}**"
    elif cell.grey and text:
        text = f"*{text}*"
    return f"{text}{' ' + escaped(cell.sure) if cell.sure else ''}{_MARKS[cell.mark]}"
