"""`darktimbre render`: SoundFonts, or the built-in orchestra, played into a corpus."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from darktimbre.corpus.corpus import Corpus

_PART = re.compile(r"(\d+|[A-Ga-g][#b]?\d)(?:-(\d+|[A-Ga-g][#b]?\d))?")


def numbers(text: str, low: int, high: int, what: str) -> tuple[int, ...]:
    """The numbers meant by "0,8,128" or "44-69" or "C3-A4,60", sorted, each once.

    Raises:
        UserError: something else is written, or a number lies outside `low` to `high`.
    """
    from darktimbre.notes.errors import UserError
    from darktimbre.notes.pitch import parse_note_name

    def number(word: str) -> int:
        try:
            return int(word) if word.isdigit() else parse_note_name(word)
        except ValueError as error:
            raise UserError(str(error)) from None

    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None or (what != "pitches" and not re.fullmatch(r"[\d-]+", part.strip())):
            names = ", or note names such as C3-A4" if what == "pitches" else ""
            raise UserError(
                f"{part.strip()!r} is not understood as {what}: write numbers and ranges, such as 44-69 or 0,8{names}."
            )
        first, last = number(match[1]), number(match[2] or match[1])
        if not low <= first <= last <= high:
            raise UserError(
                f"{part.strip()!r} is no range of {what}: the lower one comes first, within {low} to {high}."
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def render(
    out: Annotated[Path, typer.Argument(help="The corpus folder to make.")],
    soundfont: Annotated[
        list[Path] | None,
        typer.Option(
            "--soundfont",
            "-s",
            metavar="FILE",
            help="A SoundFont (.sf2, .sf3); may be given several times. By default one that the system has.",
        ),
    ] = None,
    builtin: Annotated[
        bool,
        typer.Option(
            "--builtin", help="Play the built-in orchestra of 28 instruments instead; it needs no FluidSynth."
        ),
    ] = False,
    kits: Annotated[
        bool,
        typer.Option(
            "--kits", help="Play drum kits alone: one-shots with class and subclass, each recording once in one split."
        ),
    ] = False,
    banks: Annotated[
        str | None, typer.Option(help="Banks, such as 0,8,128 (128 holds drum kits, without pitch). By default all.")
    ] = None,
    programs: Annotated[str | None, typer.Option(help="Programs, such as 0-127. By default all.")] = None,
    pitches: Annotated[
        str | None,
        typer.Option(
            help="MIDI notes or names, such as 44-69 or G#2-A4. By default the paper's 44-69.", show_default=False
        ),
    ] = None,
    velocities: Annotated[
        str | None,
        typer.Option(help="MIDI velocities; 50,90,120 by default, 40,70,100,127 with --kits, five with --builtin."),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of every note; its last 10 ms fade out.")] = 1.0,
    hold: Annotated[
        float | None, typer.Option(help="Seconds until the key is let go. By default it is held to the end.")
    ] = None,
    rate: Annotated[int, typer.Option(help="Samples a second of the corpus, in Hz.")] = 16_000,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many notes, spread evenly over instruments, pitches and velocities."),
    ] = None,
    gain: Annotated[
        float | None,
        typer.Option(help="FluidSynth's master gain, 0.8 by default. Levels between notes are kept."),
    ] = None,
    split: Annotated[
        str,
        typer.Option(help="instrument (80/10/10, none heard in two parts) or random (90/10 by note, as in the paper)."),
    ] = "instrument",
    seed: Annotated[int, typer.Option(help="Of the split; another number deals the parts anew.")] = 0,
    name: Annotated[
        str, typer.Option(help="What to call the corpus; by default as its folder.", show_default=False)
    ] = "",
    licence: Annotated[
        str | None,
        typer.Option(help="Terms of the sounds; by default what is known of the SoundFonts."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-j", min=1, help="Processes. By default one a core; the result is the same."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a corpus that is already at OUT.")] = False,
) -> None:
    """Play every preset × pitch × velocity of SoundFonts into a corpus: dry, mono, the same on every run.

    Example: darktimbre render corpora/gm --soundfont /usr/share/sounds/sf2/FluidR3_GM.sf2 --limit 3000
    """
    import time

    from darktimbre.cli.console import caution, progress_bar, say
    from darktimbre.cli.info import show
    from darktimbre.corpus import builtin as orchestra
    from darktimbre.corpus import soundfont as fonts
    from darktimbre.corpus.describe import describe
    from darktimbre.corpus.writer import check_destination
    from darktimbre.notes.errors import UserError

    keys = numbers(pitches or "44-69", 0, 127, "pitches")
    forces = numbers(velocities, 1, 127, "velocities") if velocities else None
    if builtin and (soundfont or banks or programs or hold or gain):
        raise UserError("--builtin plays its own: leave out --soundfont, --banks, --programs, --hold and --gain.")
    if kits and (builtin or banks or pitches):
        raise UserError("--kits plays bank 128 on keys 35 to 81: leave out --builtin, --banks and --pitches.")

    common: dict[str, Any] = {
        "seconds": seconds,
        "sample_rate": rate,
        "limit": limit,
        "split": split,
        "seed": seed,
        "name": name,
        "overwrite": force,
    }
    chosen_banks = numbers(banks, 0, 16383, "banks") if banks else None
    chosen_programs = numbers(programs, 0, 127, "programs") if programs else None

    def play(progress: "Callable[[int, int], None]") -> "Corpus":
        if builtin:
            velocities = forces or orchestra.VELOCITIES
            return orchestra.render_builtin(out, pitches=keys, velocities=velocities, progress=progress, **common)
        playing = common | {
            "programs": chosen_programs,
            "hold": hold,
            "gain": fonts.DEFAULT_GAIN if gain is None else gain,
            "licence": licence,
            "workers": workers,
            "progress": progress,
        }
        if kits:
            return fonts.render_kits(out, files, velocities=forces or fonts.KIT_VELOCITIES, **playing)
        return fonts.render_soundfont(
            out, files, banks=chosen_banks, pitches=keys, velocities=forces or fonts.VELOCITIES, **playing
        )

    files = list(soundfont or [])
    if not builtin and not files:
        files = fonts.installed_soundfonts()[:1]
        if not files:
            raise UserError(
                "No SoundFont is given, and the system has none: `apt install fluidsynth fluid-soundfont-gm` brings "
                "one, and --builtin renders without it."
            )
        caution(f"No --soundfont is given; taking {files[0]}.")
    check_destination(out, force)
    began = time.monotonic()
    with progress_bar("notes") as bar:
        task = bar.add_task("rendering", total=None)
        corpus = play(lambda done, total: bar.update(task, completed=done, total=total))
    took = time.monotonic() - began
    show(corpus, describe(corpus))
    if quiet := corpus.meta["counts"].get("silent", 0):
        caution(f"{quiet:,} silent notes were left out (no sound on that key); quarantine.csv lists them.")
    if twins := corpus.meta["counts"].get("twins", 0):
        caution(f"{twins:,} notes were left out for being equal to another to the last bit; quarantine.csv lists them.")
    if loud := corpus.meta["counts"].get("turned_down", 0):
        caution(
            f"{loud:,} notes were louder than full scale and turned down to fit; a lower --gain keeps their levels."
        )
    say(f"{len(corpus):,} notes in {took:.1f} s ({len(corpus) / took:.0f} notes/s): {out}")
