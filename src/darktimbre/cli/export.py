"""`darktimbre export`: an instrument's sounds for samplers, or its network for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from darktimbre.cli import asking
from darktimbre.cli.export_network import onnx, player, program
from darktimbre.cli.playing import BundleName, Device
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from darktimbre.export.packing import Exported
    from darktimbre.synthesizer.patch import Patch
    from darktimbre.synthesizer.synthesizer import Synthesizer

app = typer.Typer(no_args_is_help=True)

Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder to be made; an earlier export there is replaced.")]
PatchFiles = Annotated[
    list[Path] | None,
    typer.Option("--patch", metavar="FILE.json", help="A setting saved from the page; may be repeated."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar='"NAME=VALUE, …"',
        help='A setting of words: --set "Trumpet=0.8, Brass instrument=0.5". Each --set is one setting.',
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of all settings but those of --patch: same seed, same timbre.")]
ArrangementName = Annotated[
    str,
    typer.Option(
        help="Several settings: keyswitch (a key below the range chooses), velocity (soft to hard), layers (together)."
    ),
]
VelocityLayers = Annotated[
    int, typer.Option(min=1, max=5, help="Layers from soft to hard, with ever more of a setting's words.")
]
Step = Annotated[int, typer.Option(min=1, max=24, help="A sample on every n-th pitch; the sampler stretches it.")]
Rate = Annotated[int | None, typer.Option(help="Samples a second; 44100, or what the hardware wants.")]
BitDepth = Annotated[int | None, typer.Option(help="16, 24, or 32 (floating point).")]
Loops = Annotated[bool, typer.Option("--loops/--no-loops", help="Loop the notes in which a stable loop is found.")]
Level = Annotated[
    str, typer.Option("--normalise", help="peak: the loudest sample at -1 dBFS, all by one gain; none: as rendered.")
]
Title = Annotated[str, typer.Option("--name", help="What the instrument is called in the sampler; the bundle's name.")]
Zip = Annotated[bool, typer.Option("--zip", help="One archive instead of a folder.")]


@app.callback()
def overview() -> None:
    """Put an instrument's sounds, or its network, where musicians work.

    Without --patch and --set, three settings are exported: the instrument's middle, and the two words it answers to
    best, each alone; of an instrument of one-shots, every subclass.
    """


def _preset(form: str) -> "Callable[..., None]":
    """The command of a preset for samplers in software: all forms take the same options."""

    def command(
        bundle: BundleName,
        out: Out,
        patch: PatchFiles = None,
        set_: Set = None,
        seed: Seed = 0,
        arrangement: ArrangementName = "keyswitch",
        velocity_layers: VelocityLayers = 1,
        step: Step = 1,
        rate: Rate = None,
        bits: BitDepth = None,
        loops: Loops = True,
        normalise: Level = "peak",
        name: Title = "",
        zip_: Zip = False,
        device: Device = "cpu",
    ) -> None:
        asked: dict[str, Any] = {"rate": rate, "bits": bits, "loops": loops, "normalise": normalise, "title": name}
        asked |= {"arrangement": arrangement, "velocity_layers": velocity_layers, "step": step}
        _export(form, bundle, out, patch, set_, seed, zip_, device, **asked)

    return command


app.command(
    "sfz",
    help="An SFZ instrument: a text file and its samples, for sfizz, LinuxSampler, ARIA, Sforzando, Zerberus, …",
)(_preset("sfz"))
app.command(
    "decentsampler",
    help="A DecentSampler preset with its samples, a menu of the settings and knobs; --zip makes a .dslibrary.",
)(_preset("decentsampler"))


@app.command()
def wavs(
    bundle: BundleName,
    out: Out,
    hardware: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="MACHINE",
            help="generic, octatrack, digitakt, bitbox, sp404, radio-music, 4ms-sampler, morphagene.",
        ),
    ] = "generic",
    patch: PatchFiles = None,
    set_: Set = None,
    seed: Seed = 0,
    velocity_layers: VelocityLayers = 1,
    variations: Annotated[
        int, typer.Option(min=1, max=99, help="Sounds of each setting: as many takes, by seeds that follow each other.")
    ] = 1,
    step: Step = 1,
    rate: Rate = None,
    bits: BitDepth = None,
    loops: Loops = True,
    normalise: Level = "peak",
    name: Title = "",
    zip_: Zip = False,
    device: Device = "cpu",
) -> None:
    """WAV files for hardware and Eurorack samplers: root notes and loops inside, a folder for each setting."""
    asked: dict[str, Any] = {"rate": rate, "bits": bits, "loops": loops, "normalise": normalise, "title": name}
    asked |= {"velocity_layers": velocity_layers, "variations": variations, "step": step, "hardware": hardware}
    _export("wavs", bundle, out, patch, set_, seed, zip_, device, **asked)


app.command("onnx")(onnx)
app.command("player")(player)
app.command("program")(program)


def settings_of(pairs: list[str] | None, seed: int) -> "list[Patch]":
    """["Trumpet=0.8, Gong=0.2"] → patches. Names may hold commas ("Violin, fiddle=0.7"): a part without `=` belongs to
    the one after it."""
    from darktimbre.synthesizer.patch import Patch

    patches = []
    for text in pairs or []:
        words: list[str] = []
        held = ""
        for part in text.split(","):
            held = f"{held},{part}" if held else part
            if "=" in part:
                words.append(held.strip())
                held = ""
        if held.strip():
            words.append(held.strip())
        patches.append(Patch.from_json({"attributes": asking.levels(words), "seed": seed}))
    return patches


def _export(
    form: str,
    bundle: str,
    out: Path,
    files: list[Path] | None,
    pairs: list[str] | None,
    seed: int,
    zipped: bool,
    device: str,
    **asked: Any,
) -> None:
    import tempfile

    from darktimbre.cli.console import progress_bar
    from darktimbre.export.folder import refuse_foreign_archive, zip_folder
    from darktimbre.export.packing import archive_name, export, make_plan
    from darktimbre.export.plan import suggested
    from darktimbre.synthesizer.patch import Patch
    from darktimbre.synthesizer.synthesizer import Synthesizer

    patches = [Patch.read(file) for file in files or []] + settings_of(pairs, seed)
    if asked.get("normalise") not in ("peak", "none"):
        raise UserError(f"--normalise is peak or none, not {asked['normalise']!r}.")
    instrument = Synthesizer.from_pretrained(bundle, device)
    plan, machine = make_plan(instrument, form, patches or suggested(instrument, seed=seed), **asked)
    with progress_bar() as bar:
        task = bar.add_task("Rendering", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if not zipped:
            told = export(instrument, form, plan, out, machine, progress)
        else:
            suffix = Path(archive_name("x", form)).suffix
            archive = out if out.suffix == suffix else out.with_name(out.name + suffix)
            refuse_foreign_archive(archive)
            archive.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".export-") as room:
                told = export(instrument, form, plan, Path(room) / "export", machine, progress)
                zip_folder(Path(room) / "export", archive)
            out = archive
    _tell(instrument, plan, told, out)


def _tell(instrument: "Synthesizer", plan: Any, told: "Exported", out: Path) -> None:
    import math

    from darktimbre.cli.console import caution, say
    from darktimbre.notes.pitch import note_name

    file = f", play {told.path.name}" if told.path.suffix else ""
    say(
        f"{told.samples} samples of {len(plan.patches)} setting(s) ({', '.join(plan.names)}) in {out}{file}; "
        f"{told.looped} of them loop; all by {20 * math.log10(told.gain):+.1f} dB."
    )
    if told.held:
        ends = "" if len(told.held) == len(plan.patches) else f"; the others end after {instrument.seconds:.2g} s"
        say(f"Held for as long as the key: {', '.join(told.held)}{ends}.")
    if told.switches:
        keys = ", ".join(f"{note_name(key)} {name}" for key, name in zip(told.switches, plan.names, strict=True))
        say(f"Key-switches: {keys}.")
    if told.shortened:
        caution(f"{told.shortened} samples were cut to the longest file the machine takes.")
    if told.equal_layers:
        caution(f"The velocity layers of {', '.join(told.equal_layers)} are alike: no words are set there.")
