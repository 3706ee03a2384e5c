"""`darktimbre export`: an instrument's sounds for samplers, or its network for other programs."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer import Argument, Option

from darktimbre.bundle import bundle as bundles
from darktimbre.cli import options
from darktimbre.cli.console import progress, say, warn
from darktimbre.cli.options import BundleName, Device, Inversion
from darktimbre.export import onnx as onnx_export
from darktimbre.export import packing
from darktimbre.export import plan as planning
from darktimbre.export import player as player_export
from darktimbre.export import precision as precisions
from darktimbre.export import program as program_export
from darktimbre.export import runtime as runtimes
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import note_name
from darktimbre.synthesizer import patch as patches

app = typer.Typer(no_args_is_help=True)

Out = Annotated[Path, Argument(metavar="OUT", help="Folder to be made; an earlier export there is replaced.")]
PatchFiles = Annotated[
    list[Path] | None, Option("--patch", metavar="FILE.json", help="A setting saved from the page; may be repeated.")
]
Set = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar='"NAME=VALUE, …"',
        help='A setting of words: --set "Trumpet=0.8, Brass instrument=0.5". Each --set is one setting.',
    ),
]
Seed = Annotated[int, Option(min=0, help="Of all settings but those of --patch: same seed, same timbre.")]
ArrangementName = Annotated[
    str,
    Option(
        help="Several settings: keyswitch (a key below the range chooses), velocity (soft to hard), layers (together)."
    ),
]
VelocityLayers = Annotated[
    int, Option(min=1, max=5, help="Layers from soft to hard, with ever more of a setting's words.")
]
Step = Annotated[int, Option(min=1, max=24, help="A sample on every n-th pitch; the sampler stretches it.")]
Rate = Annotated[int | None, Option(help="Samples a second; 44100, or what the hardware wants.")]
BitDepth = Annotated[int | None, Option(help="16, 24, or 32 (floating point).")]
Loops = Annotated[bool, Option("--loops/--no-loops", help="Loop the notes in which a stable loop is found.")]
Level = Annotated[
    str, Option("--normalise", help="peak: the loudest sample at -1 dBFS, all by one gain; none: as rendered.")
]
Title = Annotated[str, Option("--name", help="What the instrument is called in the sampler; the bundle's name.")]
Zip = Annotated[bool, Option("--zip", help="One archive instead of a folder.")]


@app.callback()
def overview() -> None:
    """Put an instrument's sounds, or its network, where musicians work.

    Without --patch and --set, three settings are exported: the instrument's middle, and the two words it answers to
    best, each alone; of an instrument of one-shots, every subclass.
    """


def _preset(form: str) -> Callable[..., None]:
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
        inversion: Inversion = None,
    ) -> None:
        settings: dict[str, Any] = {"rate": rate, "bits": bits, "loops": loops, "normalise": normalise, "title": name}
        settings |= {"arrangement": arrangement, "velocity_layers": velocity_layers, "step": step}
        _export(form, bundle, out, patch, set_, seed, zip_, device, inversion, settings)

    return command


app.command(
    "sfz", help="An SFZ instrument: a text file and its samples, for sfizz, LinuxSampler, ARIA, Sforzando, Zerberus, …"
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
        Option(
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
        int, Option(min=1, max=99, help="Sounds of each setting: as many takes, by seeds that follow each other.")
    ] = 1,
    step: Step = 1,
    rate: Rate = None,
    bits: BitDepth = None,
    loops: Loops = True,
    normalise: Level = "peak",
    name: Title = "",
    zip_: Zip = False,
    device: Device = "cpu",
    inversion: Inversion = None,
) -> None:
    """WAV files for hardware and Eurorack samplers: root notes and loops inside, a folder for each setting."""
    settings: dict[str, Any] = {"rate": rate, "bits": bits, "loops": loops, "normalise": normalise, "title": name}
    settings |= {"velocity_layers": velocity_layers, "variations": variations, "step": step, "hardware": hardware}
    _export("wavs", bundle, out, patch, set_, seed, zip_, device, inversion, settings)


def _export(
    form: str,
    bundle: str,
    out: Path,
    files: list[Path] | None,
    pairs: list[str] | None,
    seed: int,
    zipped: bool,
    device: str,
    inversion: str | None,
    settings: dict[str, Any],
) -> None:
    if settings["normalise"] not in ("peak", "none"):
        raise UserError(f"--normalise is peak or none, not {settings['normalise']!r}.")
    chosen = [patches.Patch.read(file) for file in files or []] + patches_of(pairs, seed)
    instrument = runtimes.open_instrument(bundle, device, "torch", inversion)
    chosen = chosen or list(planning.suggested(instrument, seed=seed))
    plan, machine = packing.make_plan(instrument, form, chosen, **settings)
    suffix = Path(packing.archive_name("x", form)).suffix
    if zipped and out.suffix != suffix:
        out = out.with_name(out.name + suffix)
    write = packing.export_archive if zipped else packing.export
    with progress("Rendering") as update:
        exported = write(instrument, form, plan, out, machine, update)
    _report(instrument.seconds, plan, exported, out)


def patches_of(pairs: list[str] | None, seed: int) -> "list[patches.Patch]":
    """["Trumpet=0.8, Gong=0.2"] → patches, one a text."""
    each = [options.levels([text]) for text in pairs or []]
    return [patches.Patch.from_json({"attributes": levels, "seed": seed}) for levels in each]


def _report(seconds: float, plan: "planning.Plan", exported: "packing.Exported", out: Path) -> None:
    file = f", play {exported.path.name}" if exported.path.suffix else ""
    say(
        f"{exported.samples} samples of {len(plan.patches)} setting(s) ({', '.join(plan.names)}) in {out}{file}; "
        f"{exported.looped} of them loop; all by {20 * math.log10(exported.gain):+.1f} dB."
    )
    if exported.held:
        ends = "" if len(exported.held) == len(plan.patches) else f"; the others end after {seconds:.2g} s"
        say(f"Held for as long as the key: {', '.join(exported.held)}{ends}.")
    if exported.switches:
        keys = ", ".join(f"{note_name(key)} {name}" for key, name in zip(exported.switches, plan.names, strict=True))
        say(f"Key-switches: {keys}.")
    if exported.shortened:
        warn(f"{exported.shortened} samples were cut to the longest file the machine takes.")
    if exported.equal_layers:
        warn(f"The velocity layers of {', '.join(exported.equal_layers)} are alike: no words are set there.")


@app.command("bundle")
def bundle_(
    bundle: BundleName,
    out: Annotated[Path, Argument(metavar="OUT", help="Folder to be made; a bundle there is replaced.")],
    half: Annotated[bool, Option("--half", help="Weights in float16: half the size.")] = False,
    latents: Annotated[
        bool, Option("--latents/--no-latents", help="With the training notes' latents and names, where it has them.")
    ] = True,
    inversion: Inversion = None,
) -> None:
    """A copy of an instrument to pass on: smaller, without its training notes, or with another inversion in it."""
    bundles.refuse_foreign(out)
    instrument = bundles.Bundle.from_pretrained(bundle, discriminator=True)
    if inversion is not None:
        instrument = instrument.inverted_by(inversion)
    made = (instrument if latents else instrument.without_latents()).save_pretrained(out, half=half)
    say(f"{made}: {sum(file.stat().st_size for file in made.iterdir()) / 1e6:.1f} MB.")


# ----------------------------------------------------------------------------
# The trained network itself, for programs other than ours

WithSound = Annotated[
    bool,
    Option(
        "--with-sound/--network-only",
        help="Also export the steps from spectrogram to wave, where possible (instantaneous-frequency codecs, learned "
        "inversions).",
    ),
]
PrecisionName = Annotated[
    str, Option("--precision", metavar="NAME", help="How weights are kept: float32, float16 (half the file), int8.")
]


@app.command()
def onnx(
    bundle: BundleName,
    out: Annotated[Path, Argument(metavar="FILE.onnx", help="The file; replaced if it is there.")],
    with_sound: WithSound = True,
    precision: PrecisionName = "float32",
    inversion: Inversion = None,
) -> None:
    """The network as an ONNX file that stands alone, compared with the instrument's own notes."""
    instrument = runtimes.open_instrument(bundle, runtime="torch", inversion=inversion)
    kept = cast("precisions.Precision", precision)
    report = onnx_export.export_onnx(instrument, out, with_sound=with_sound, precision=kept)
    _report_network(report, "onnxruntime")


@app.command()
def player(bundle: BundleName, out: Out, precision: PrecisionName = "float16", inversion: Inversion = None) -> None:
    """A folder that plays without darktimbre and torch, on a small computer: the ONNX file and one page of Python."""
    instrument = runtimes.open_instrument(bundle, runtime="torch", inversion=inversion)
    report = player_export.export_player(instrument, out, precision=cast("precisions.Precision", precision))
    _report_network(report.network, "onnxruntime")
    say(f"{report.path}: {report.bytes / 1e6:.1f} MB in all; there, `python play.py --help` explains how it plays.")


@app.command()
def program(
    bundle: BundleName,
    out: Annotated[Path, Argument(metavar="FILE.pt2", help="The file; replaced if it is there.")],
    with_sound: WithSound = True,
    inversion: Inversion = None,
) -> None:
    """The network as a torch.export program, compared with the instrument's own notes."""
    instrument = runtimes.open_instrument(bundle, runtime="torch", inversion=inversion)
    _report_network(program_export.export_program(instrument, out, with_sound=with_sound), "torch")


def _report_network(report: "onnx_export.NetworkReport", runtime: str) -> None:
    say(f"{report.path}: {report.bytes / 1e6:.1f} MB, latent and condition in, {' and '.join(report.outputs)} out.")
    if report.why_no_wave:
        warn(f"Without the steps to the wave: {report.why_no_wave}.")
    if report.picture_error is None:
        warn("Not compared with the instrument: onnxruntime is not installed (`pip install 'darktimbre[onnx]'`).")
        return
    wave = "" if report.wave_error is None else f", of the waves {report.wave_error:.1g}"
    snr = report.picture_snr
    below = "" if snr is None else f" ({snr:.0f} dB below them)"
    say(f"In {runtime}, the greatest error of the spectrograms is {report.picture_error:.1g}{below}{wave}.")
