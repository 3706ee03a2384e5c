"""Sections of a report → `report.html`: one file that holds its style, figures and sounds and fetches nothing."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from darktimbre.evaluation.report.blocks import Block, Bullets, Cell, Fold, Listening, Picture, Section, Table, Text
from darktimbre.evaluation.report.inline import inline

_MEDIA = {".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".mp3": "audio/mpeg"}
_MARKS = {
    "": "",
    "best": ' <span class="mark" role="img" aria-label="best, clear of all others">★</span>',
    "tied": ' <span class="mark" role="img" aria-label="leads or overlaps the leader">≈</span>',
}


def html(title: str, sections: Sequence[Section], drawings: Mapping[str, str], folder: Path) -> str:
    """The page.

    Args:
        title: of the page.
        sections: its parts.
        drawings: SVG of each picture by name.
        folder: where the sounds' files lie.
    """
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    links = "".join(f'<li><a href="#{_id(one.name)}">{escape(one.heading)}</a></li>' for one in sections)
    body = "".join(
        f'<section aria-labelledby="{_id(one.name)}"><h2 id="{_id(one.name)}">{escape(one.heading)}</h2>'
        f"{_blocks(one.blocks, drawings, folder)}</section>\n"
        for one in sections
    )
    # The policy forbids the page to fetch anything, whatever a name in it looks like.
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'media-src data:; img-src data:">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#content">To the content</a>\n'
        f'<header><h1>{escape(title)}</h1><nav aria-label="Sections"><ul>{links}</ul></nav></header>\n'
        f'<main id="content">\n{body}</main>\n</body>\n</html>\n'
    )


def _id(name: str) -> str:
    return f"s-{name}"


def _blocks(blocks: Sequence[Block], drawings: Mapping[str, str], folder: Path) -> str:
    parts: list[str] = []
    group: str | None = None
    for block in blocks:
        if isinstance(block, Listening):
            if block.group != group:
                group = block.group
                parts.append(f"<h3>{escape(group)}</h3>" if group else "")
            parts.append(_listening(block, folder))
        elif isinstance(block, Text):
            parts.append(f"<p>{escape(block.text)}</p>")
        elif isinstance(block, Bullets):
            parts.append(f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in block.items)}</ul>")
        elif isinstance(block, Picture):
            parts.append(_picture(block, drawings[block.name]))
        elif isinstance(block, Fold):
            inner = _blocks(block.blocks, drawings, folder)
            parts.append(f"<details><summary>{escape(block.summary)}</summary>{inner}</details>")
        else:
            parts.append(_table(block))
    return "\n".join(parts)


def _picture(picture: Picture, drawing: str) -> str:
    name = escape(picture.name)
    return (
        f'<figure id="f-{name}"><div class="scroll" role="region" tabindex="0" aria-labelledby="t-{name}">'
        f"{inline(drawing, picture.name, picture.alt)}</div>"
        f'<figcaption><strong id="t-{name}">{escape(picture.title)}.</strong> {escape(picture.caption)}'
        "</figcaption></figure>"
    )


def _table(table: Table) -> str:
    name = escape(table.name)
    head = ""
    if table.groups:
        cells = "".join(
            f'<th scope="colgroup" colspan="{width}">{escape(group)}</th>' if group else f'<td colspan="{width}"></td>'
            for group, width in table.groups
        )
        head = f"<tr><td></td>{cells}</tr>"
    starts = _starts(table)
    columns = "".join(
        f'<th scope="col"{_classes(grey=n in table.grey_columns, start=n in starts, word=n in table.word_columns)}>'
        f"{escape(one)}</th>"
        for n, one in enumerate(table.columns)
    )
    head += f'<tr><th scope="col">{escape(table.corner)}</th>{columns}</tr>'
    bodies: list[str] = []
    group: str | None = None
    for row in table.rows:
        if row.group != group:
            bodies.append("</tbody><tbody>" if bodies else "<tbody>")
            group = row.group
            if group:
                span = len(table.columns) + 1
                bodies.append(
                    f'<tr><th class="group" scope="rowgroup" colspan="{span}"><span>{escape(group)}</span></th></tr>'
                )
        cells = "".join(
            _cell(one, start=place in starts, word=place in table.word_columns) for place, one in enumerate(row.cells)
        )
        bodies.append(f'<tr{_classes(grey=row.grey)}><th scope="row">{escape(row.heading)}</th>{cells}</tr>')
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes)
    kind = "facts" if len(table.columns) == 1 else "figures"
    return (
        f'<div class="table"><p class="caption" id="c-{name}">{escape(table.caption)}</p>'
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="c-{name}">'
        f'<table id="{name}" class="{kind}" aria-labelledby="c-{name}"><thead>{head}</thead>{"".join(bodies)}'
        f"{'</tbody>' if bodies else '<tbody></tbody>'}</table></div>{notes}</div>"
    )


def _starts(table: Table) -> set[int]:
    """Columns where a group begins: a line stands before them."""
    starts, place = set(), 0
    for _, width in table.groups:
        starts.add(place)
        place += width
    return starts - {0}


def _classes(**which: bool) -> str:
    names = [name for name, is_so in which.items() if is_so]
    return f' class="{" ".join(names)}"' if names else ""


def _cell(cell: Cell, *, start: bool, word: bool) -> str:
    text = f"<code>{escape(cell.text)}</code>" if cell.code else escape(cell.text)
    if cell.mark == "best":
        text = f"<strong>{text}</strong>"
    sure = f' <span class="sure">{escape(cell.sure)}</span>' if cell.sure else ""
    return f"<td{_classes(grey=cell.grey, start=start, word=word)}>{text}{_MARKS[cell.mark]}{sure}</td>"


def _listening(block: Listening, folder: Path) -> str:
    items = []
    for one in block.players:
        label = escape(f"{one.system}: {block.title}", quote=True)
        address = sound_address(folder, one.file)
        player = (
            f'<audio controls preload="metadata" aria-label="{label}" src="{address}"></audio>'
            if address
            else '<span class="sure">its file is missing</span>'
        )
        items.append(f"<li><span>{escape(one.system)}</span>{player}</li>")
    return f'<div class="listen"><h4>{escape(block.title)}</h4><ul>{"".join(items)}</ul></div>'


def sound_address(folder: Path, file: str) -> str | None:
    """A sound as a data: URI; None where its file is not there, is not below the folder or is not sound."""
    path = (folder / file).resolve()
    media = _MEDIA.get(path.suffix.lower())
    if media is None or not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    return f"data:{media};base64,{base64.b64encode(path.read_bytes()).decode()}"
