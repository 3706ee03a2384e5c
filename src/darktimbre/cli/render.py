"""`darktimbre render`: SoundFonts, or the built-in orchestra, played into a corpus."""

import time
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from darktimbre.cli import info
from darktimbre.cli.console import progress, say, warn
from darktimbre.cli.options import CorpusName, CorpusRate, ReplaceCorpus, SplitSeed, numbers
from darktimbre.corpus import builtin as orchestra
from darktimbre.corpus import corpus as corpora
from darktimbre.corpus import describe, writer
from darktimbre.corpus import grids as style_grids
from darktimbre.corpus import soundfont as fonts
from darktimbre.notes.errors import UserError

SoundFonts = Annotated[
    list[Path] | None,
    Option(
        "--soundfont",
        "-s",
        metavar="FILE",
        help="A SoundFont (.sf2, .sf3); may be given several times. By default one that the system has.",
    ),
]
Builtin = Annotated[
    bool, Option("--builtin", help="Play the built-in orchestra of 28 instruments instead; it needs no FluidSynth.")
]
Kits = Annotated[
    bool,
    Option("--kits", help="Play drum kits alone: one-shots with class and subclass, each recording once in one split."),
]
GridName = Annotated[
    str,
    Option(
        help="Play a grid of styles: strings (sections × techniques), timbres (twelve instruments) or techniques "
        "(violins in many styles). Each note has style tags, and no recording is in two parts.",
        metavar="NAME",
        show_default=False,
    ),
]
Pitches = Annotated[
    str | None,
    Option(
        help="MIDI notes or names, such as 44-69 or G#2-A4. By default the paper's 44-69; with --grid all.",
        show_default=False,
    ),
]
Velocities = Annotated[
    str | None,
    Option(
        help="MIDI velocities; 50,90,120 by default, 40,70,100,127 with --kits, five with --builtin, the grid's own "
        "with --grid."
    ),
]
Limit = Annotated[
    int | None, Option(min=1, help="At most so many notes, spread evenly over instruments, pitches and velocities.")
]
Split = Annotated[
    str, Option(help="instrument (80/10/10, none in two parts) or random (90/10 by note, as in the paper).")
]
Workers = Annotated[
    int | None, Option("--workers", "-j", min=1, help="Processes. By default one a core; the result is the same.")
]


def render(
    out: Annotated[Path, Argument(help="The corpus folder to make.")],
    soundfont: SoundFonts = None,
    builtin: Builtin = False,
    kits: Kits = False,
    grid: GridName = "",
    banks: Annotated[
        str | None, Option(help="Banks, such as 0,8,128 (128 holds drum kits, without pitch). By default all.")
    ] = None,
    programs: Annotated[str | None, Option(help="Programs, such as 0-127. By default all.")] = None,
    pitches: Pitches = None,
    velocities: Velocities = None,
    seconds: Annotated[
        float | None,
        Option(help="Length of every note; its last 10 ms fade out. By default 1, or the grid's.", show_default=False),
    ] = None,
    hold: Annotated[
        float | None,
        Option(help="Seconds until the key is let go. By default it is held to the end, or as the grid says."),
    ] = None,
    rate: CorpusRate = 16_000,
    limit: Limit = None,
    gain: Annotated[
        float | None,
        Option(help="FluidSynth's master gain, by default 0.8 or the grid's. Levels between notes are kept."),
    ] = None,
    split: Split = "instrument",
    seed: SplitSeed = 0,
    name: CorpusName = "",
    licence: Annotated[
        str | None, Option(help="Terms of the sounds; by default what is known of the SoundFonts.")
    ] = None,
    workers: Workers = None,
    force: ReplaceCorpus = False,
) -> None:
    """Play every preset × pitch × velocity of SoundFonts into a corpus: dry, mono, the same on every run.

    Example: darktimbre render corpora/gm --soundfont /usr/share/sounds/sf2/FluidR3_GM.sf2 --limit 3000
    """
    if grid:
        if builtin or kits or banks or programs or limit or split != "instrument":
            raise UserError(
                "--grid says what is played and splits by recording: leave out --builtin, --kits, --banks, --programs, "
                "--limit and --split."
            )
        _grid(
            out, grid, soundfont, force,
            pitches=numbers(pitches, 0, 127, "pitches") if pitches else None,
            velocities=numbers(velocities, 1, 127, "velocities") if velocities else None,
            seconds=seconds, hold=hold, sample_rate=rate, gain=gain,
            licence=licence, workers=workers, seed=seed, name=name, overwrite=force,
        )  # fmt: skip
        return
    seconds = 1.0 if seconds is None else seconds
    keys = numbers(pitches or "44-69", 0, 127, "pitches")
    forces = numbers(velocities, 1, 127, "velocities") if velocities else None
    if builtin and (soundfont or banks or programs or hold or gain):
        raise UserError("--builtin plays its own: leave out --soundfont, --banks, --programs, --hold and --gain.")
    if kits and (builtin or banks or pitches):
        raise UserError("--kits plays bank 128 on keys 35 to 81: leave out --builtin, --banks and --pitches.")
    settings: dict[str, Any] = {"seconds": seconds, "sample_rate": rate, "limit": limit, "split": split}
    settings |= {"seed": seed, "name": name, "overwrite": force}
    if not builtin:
        settings["programs"] = numbers(programs, 0, 127, "programs") if programs else None
        settings |= {"hold": hold, "gain": fonts.DEFAULT_GAIN if gain is None else gain}
        settings |= {"licence": licence, "workers": workers}
    chosen_banks = numbers(banks, 0, 16383, "banks") if banks else None
    files = [] if builtin else soundfont or [_installed()]
    writer.check_destination(out, force)
    started = time.monotonic()
    with progress("rendering") as update:
        settings["progress"] = update
        if builtin:
            corpus = orchestra.render_builtin(out, pitches=keys, velocities=forces or orchestra.VELOCITIES, **settings)
        elif kits:
            corpus = fonts.render_kits(out, files, velocities=forces or fonts.KIT_VELOCITIES, **settings)
        else:
            settings |= {"banks": chosen_banks, "pitches": keys, "velocities": forces or fonts.VELOCITIES}
            corpus = fonts.render_soundfont(out, files, **settings)
    _report(corpus, out, time.monotonic() - started)


def _grid(out: Path, grid: str, soundfonts: list[Path] | None, force: bool, **settings: Any) -> None:
    known = style_grids.grids()
    if grid not in known:
        raise UserError(f"There is no grid {grid!r}; choose one of {', '.join(known)}.")
    writer.check_destination(out, force)
    started = time.monotonic()
    with progress("rendering") as update:
        corpus = style_grids.render_grid(out, known[grid], soundfonts, progress=update, **settings)
    _report(corpus, out, time.monotonic() - started)


def _installed() -> Path:
    """The first SoundFont that the system has."""
    installed = fonts.installed_soundfonts()
    if not installed:
        raise UserError(
            "No SoundFont is given, and the system has none: `apt install fluidsynth fluid-soundfont-gm` brings one, "
            "and --builtin renders without it."
        )
    warn(f"No --soundfont is given; taking {installed[0]}.")
    return installed[0]


def _report(corpus: "corpora.Corpus", out: Path, seconds: float) -> None:
    info.show(corpus, describe.describe(corpus))
    counts = corpus.meta["counts"]
    if silent := counts.get("silent", 0):
        warn(f"{silent:,} silent notes were left out (no sound on that key); rejected.csv lists them.")
    if twins := counts.get("twins", 0):
        warn(f"{twins:,} notes were left out for being equal to another to the last bit; rejected.csv lists them.")
    if loud := counts.get("turned_down", 0):
        warn(f"{loud:,} notes were louder than full scale and turned down to fit; a lower --gain keeps their levels.")
    say(f"{len(corpus):,} notes in {seconds:.1f} s ({len(corpus) / seconds:.0f} notes/s): {out}")
