"""`darktimbre export onnx`, `player` and `program`: the trained network itself, for programs other than ours."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from darktimbre.cli.playing import BundleName

if TYPE_CHECKING:
    from darktimbre.export.onnx import OnnxReport
    from darktimbre.export.precision import Precision
    from darktimbre.export.program import ProgramReport

WithSound = Annotated[
    bool,
    typer.Option(
        "--with-sound/--network-only",
        help="Also export the way from picture to wave, where it can be (instantaneous-frequency codecs).",
    ),
]
PrecisionName = Annotated[
    str,
    typer.Option("--precision", metavar="NAME", help="How weights are kept: float32, float16 (half the file), int8."),
]


def onnx(
    bundle: BundleName,
    out: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="The file; replaced if it is there.")],
    with_sound: WithSound = True,
    precision: PrecisionName = "float32",
) -> None:
    """The network as an ONNX file that stands alone, compared with the instrument's own notes."""
    from darktimbre.export.onnx import export_onnx
    from darktimbre.synthesizer.synthesizer import Synthesizer

    kept = cast("Precision", precision)
    report = export_onnx(Synthesizer.from_pretrained(bundle), out, with_sound=with_sound, precision=kept)
    _tell(report, "onnxruntime")


def player(
    bundle: BundleName,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to be made; an earlier export there is replaced.")],
    precision: PrecisionName = "float16",
) -> None:
    """A folder that plays without darktimbre and torch, on a small computer: the ONNX file and one page of Python."""
    from darktimbre.cli.console import say
    from darktimbre.export.player import export_player
    from darktimbre.synthesizer.synthesizer import Synthesizer

    report = export_player(Synthesizer.from_pretrained(bundle), out, precision=cast("Precision", precision))
    _tell(report.network, "onnxruntime")
    say(f"{report.path}: {report.bytes / 1e6:.1f} MB in all; there, `python play.py --help` tells how it plays.")


def program(
    bundle: BundleName,
    out: Annotated[Path, typer.Argument(metavar="FILE.pt2", help="The file; replaced if it is there.")],
    with_sound: WithSound = True,
) -> None:
    """The network as a torch.export program, compared with the instrument's own notes."""
    from darktimbre.export.program import export_program
    from darktimbre.synthesizer.synthesizer import Synthesizer

    _tell(export_program(Synthesizer.from_pretrained(bundle), out, with_sound=with_sound), "torch")


def _tell(report: "OnnxReport | ProgramReport", runtime: str) -> None:
    from darktimbre.cli.console import caution, say

    say(f"{report.path}: {report.bytes / 1e6:.1f} MB, latent and condition in, {' and '.join(report.outputs)} out.")
    if report.why_no_wave:
        caution(f"Without the way to the wave: {report.why_no_wave}.")
    if report.picture_error is None:
        caution("Not compared with the instrument: onnxruntime is not installed (`pip install 'darktimbre[onnx]'`).")
        return
    wave = "" if report.wave_error is None else f", of the waves {report.wave_error:.1g}"
    snr = getattr(report, "picture_snr", None)
    told = "" if snr is None else f" ({snr:.0f} dB below them)"
    say(f"In {runtime}, the greatest error of the pictures is {report.picture_error:.1g}{told}{wave}.")
