"""`darktimbre info`: what is in a corpus, as a table, as JSON and as a picture."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table
from typer import Argument, Option

from darktimbre.cli.console import console, say, warn
from darktimbre.cli.options import Json
from darktimbre.corpus import corpus as corpora
from darktimbre.corpus import describe, plots, presets
from darktimbre.notes.errors import UserError

MOST = 30  # kinds of sounds in the table


def info(
    corpus: Annotated[Path, Argument(help="A corpus folder; or a SoundFont, whose presets are then listed.")],
    plot: Annotated[
        Path | None,
        Option(
            help="Draw pitch × family, levels and spectrograms (or the pictures of each class) into this PNG file.",
            metavar="FILE.png",
        ),
    ] = None,
    as_json: Json = False,
    verify: Annotated[bool, Option("--verify", help="Read all audio and compare it with its checksums.")] = False,
) -> None:
    """Print and draw what is in a corpus: notes, families, pitches, levels, splits, licence, tags, rejected files."""
    if corpus.suffix.lower() in (".sf2", ".sf3") and corpus.is_file():
        if plot or verify:
            raise UserError("--plot and --verify are for corpora; of a SoundFont only the presets are listed.")
        _soundfont(corpus, as_json)
        return
    if plot is not None and plot.suffix.lower() != ".png":
        raise UserError(f"The picture is a PNG file; name it {plot.with_suffix('.png')}.")
    if plot is not None and not plot.absolute().parent.is_dir():
        raise UserError(f"There is no folder {plot.absolute().parent} to put the picture in: make it, or name another.")
    opened = corpora.Corpus.open(corpus, of="either")
    if verify:
        opened.verify()
    facts = describe.describe(opened) if opened.picture is None else describe.describe_pictures(opened)
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        show(opened, facts)
        if verify:
            say("All audio is as its checksums say.")
    if plot is not None:
        if opened.picture is None:
            plots.save(opened, plot)
        else:
            plots.save_classes(opened, plot)
        if not as_json:
            say(f"Picture in {plot}")


def show(corpus: "corpora.Corpus", facts: dict[str, Any]) -> None:
    """Prints the two tables of a corpus, with remarks below."""
    console().print(_overview(corpus, facts) if corpus.picture is None else _pictures(corpus, facts))
    console().print(_kinds(facts))
    if facts.get("styles"):
        console().print(_styles(facts["styles"]))
    for remark in facts["remarks"]:
        warn(remark)


def _decibels(levels: dict[str, float]) -> str:
    return f"{levels['median']:g} (5 % below {levels['5%']:g}, 5 % above {levels['95%']:g})"


def _overview(corpus: "corpora.Corpus", facts: dict[str, Any]) -> Table:
    pitch, counts = facts["pitch"], facts["counts"]
    splits = ", ".join(f"{name} {part['notes']:,}" for name, part in facts["splits"].items())
    fates = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    refused = ", ".join(f"{reason} ({count:,})" for reason, count in list(facts["rejected"].items())[:5])
    made = facts["provenance"]
    source = made.get("source", made.get("made_by", "unknown"))
    fonts = ", ".join(str(font["file"]) for font in made.get("soundfonts", []))
    pitches = f"{pitch['names']} (MIDI {pitch['lowest']} to {pitch['highest']})" if pitch["names"] else "none"
    if pitch["names"] and pitch["unpitched"]:
        pitches += f", {pitch['unpitched']:,} notes without"
    if pitch["from"]:
        pitches += "; " + ", ".join(f"{count:,} from the {source}" for source, count in pitch["from"].items())
    divided = facts["divided"]
    units = f"{divided['in_several']:,} of the {divided['unit']}s" if divided["in_several"] else f"no {divided['unit']}"
    rows = {
        "folder": str(corpus.path),
        "notes": f"{facts['notes']:,} of {facts['instruments']:,} instruments, {facts['hours']:g} hours",
        "sound": f"{facts['seconds']:g} s a note, mono, {facts['sample_rate']:,} Hz, 16 bit",
        "splits": f"{splits} ({facts['split_policy']}; {units} in two parts)",
        "pitches": pitches,
        "velocities": _list(facts["velocities"]) or "unknown",
        "peak, dBFS": _decibels(facts["peak_db"]),
        "RMS, dBFS": _decibels(facts["rms_db"]),
        "sources": ", ".join(f"{name} {count:,}" for name, count in facts["sources"].items()),
        "tags": ", ".join(facts["tagged_by"]) or "none yet: `darktimbre tag` makes them",
        "taken": fates,
        "rejected": f"{refused}; listed in rejected.csv" if refused else "empty",
        "licence": str(facts["licence"]),
        "made from": fonts or str(source),
        "digest": facts["digest"][:16],
    }
    return _facts(facts["name"], rows)


def _pictures(corpus: "corpora.Corpus", facts: dict[str, Any]) -> Table:
    rows = {
        "folder": str(corpus.path),
        "pictures": f"{facts['notes']:,} of {' × '.join(map(str, facts['picture']))} (channel × height × width)",
        "splits": ", ".join(f"{name} {count:,}" for name, count in facts["splits"].items()),
        "licence": str(facts["licence"]),
        "made from": str(facts["provenance"].get("source", "unknown")),
        "digest": facts["digest"][:16],
    }
    return _facts(facts["name"], rows)


def _facts(title: object, rows: dict[str, str]) -> Table:
    """Two columns: the name of a fact, and the fact."""
    table = Table(show_header=False, title=escape(str(title)), title_justify="left", title_style="bold")
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table


def _list(values: list[int]) -> str:
    return ", ".join(map(str, values)) if len(values) <= 12 else f"{len(values)} from {values[0]} to {values[-1]}"


def _kinds(facts: dict[str, Any]) -> Table:
    table, kinds = Table("kind"), list(facts["kinds"].items())
    headings = [key for key in ("notes", "instruments", "train", "valid", "test") if key in kinds[0][1]]
    for heading in headings:
        table.add_column(heading, justify="right")
    if len(kinds) > MOST:  # a folder of folders may have hundreds
        table.caption = f"and {len(kinds) - MOST} smaller kinds"
        kinds = sorted(kinds, key=lambda item: -item[1]["notes"])[:MOST]
    for name, row in kinds:
        table.add_row(escape(name.replace("_", " ")), *(f"{row[key]:,}" for key in headings))
    return table


def _styles(facts: dict[str, Any]) -> Table:
    """Style tags, then what combines them, with the octaves they play in."""
    table = Table("style", *(Column(name, justify="right") for name in ("notes", "train", "valid", "test")), "octaves")

    def add(rows: dict[str, Any]) -> None:
        for name, row in list(rows.items())[:MOST]:
            counts = (f"{row[key]:,}" for key in ("notes", "train", "valid", "test"))
            table.add_row(escape(name), *counts, ", ".join(map(str, row["octaves"])))

    add(facts["tags"])
    if facts["combinations"].keys() != facts["tags"].keys():
        table.add_section()
        add(facts["combinations"])
    shared = ", ".join(map(str, facts["shared_octaves"])) or "none"
    table.caption = f"octaves that all styles share: {shared}; notes without a style: {facts['untagged']:,}"
    return table


def _soundfont(path: Path, as_json: bool) -> None:
    contents = presets.read_table(path)
    if as_json:
        listed = [asdict(one) for one in contents.presets]
        facts = {"title": contents.title, "copyright": contents.copyright, "presets": listed}
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    table = Table("bank", "presets", title=escape(contents.title), title_justify="left", title_style="bold")
    for bank in sorted({preset.bank for preset in contents.presets}):
        names = ", ".join(f"{one.program} {one.name}" for one in contents.presets if one.bank == bank)
        table.add_row(str(bank), escape(names))
    console().print(table)
    say(f"{len(contents.presets)} presets; terms: {presets.licence_of(path, contents)}")
