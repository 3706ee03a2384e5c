"""An instrument as a folder that plays without darktimbre: the ONNX file and a player of one page (`standalone.py`).

Made for small computers, a Raspberry Pi in a Eurorack case: one core, numpy and onnxruntime, no torch.
"""

from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import darktimbre
from darktimbre.export.folder import export_folder, licence, write_manifest
from darktimbre.export.onnx import OnnxReport, export_onnx
from darktimbre.export.precision import Precision
from darktimbre.export.sound import why_not
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

NETWORK, PROGRAM, GUIDE = "instrument.onnx", "play.py", "README.md"


@dataclass(frozen=True)
class PlayerReport:
    """What was written: the folder, its size in bytes, and how far its network is from the synthesizer."""

    path: Path
    bytes: int
    network: OnnxReport


def export_player(instrument: Synthesizer, out: str | Path, *, precision: Precision = "float32") -> PlayerReport:
    """Writes the folder, whole or not at all; an earlier export there is replaced.

    Args:
        instrument: what is to be played; it must paint its phases itself, for the player has no other way to sound.
        out: the folder.
        precision: how the network's weights are kept (`export/precision.py`).

    Raises:
        UserError: the codec's inverse is no graph; `out` holds something else; onnx is not installed.
    """
    out = Path(out)
    if reason := why_not(instrument.codec):
        raise UserError(
            f"This instrument cannot play alone: {reason}. One that paints its phases can, such as what "
            "`darktimbre train oneshot-classes-if` makes; or export its sounds, by `darktimbre export wavs`."
        )
    with export_folder(out) as folder:
        network = export_onnx(instrument, folder / NETWORK, precision=precision)
        program = resources.files("darktimbre.export").joinpath("standalone.py").read_text(encoding="utf-8")
        (folder / PROGRAM).write_text(program, encoding="utf-8")
        (folder / GUIDE).write_text(guide(instrument, network), encoding="utf-8")
        told = {
            "darktimbre": "export",
            "version": 1,
            "format": "player",
            "made_by": f"darktimbre {darktimbre.__version__}",
            "weights_sha256": instrument.bundle.digest,
            "licence_of_training_sounds": licence(instrument),
            "precision": precision,
            "contents": [NETWORK, PROGRAM, GUIDE],
        }
        write_manifest(folder, told)
    size = sum(file.stat().st_size for file in out.iterdir())
    return PlayerReport(out, size, replace(network, path=out / NETWORK))


def guide(instrument: Synthesizer, network: OnnxReport) -> str:
    """The folder's README: what it holds, how it is played, what it may be used for."""
    title = Path(instrument.bundle.origin).name
    word = f" '{instrument.attributes.names[-1]}'" if instrument.attributes.names else ""
    lines = [
        f"# {title}, playing alone",
        "",
        f"{NETWORK} makes {instrument.seconds:g} s of sound at {instrument.sample_rate} Hz of a latent and a "
        f"condition; {PROGRAM} asks it. Needs Python 3.10, `pip install numpy onnxruntime`, and nothing else.",
        "",
        "```sh",
        "python play.py                        # what it plays",
        f"python play.py{word} --count 4",
        "python play.py --bench --core 0       # milliseconds a note and megabytes, on one core of this machine",
        "# a sound for each line that comes in, say from a trigger:",
        f"python play.py --pipe | aplay -t raw -f S16_LE -r {instrument.sample_rate} -c 1",
        "```",
        "",
        f"- weights: {network.precision}, {network.parameters:,} parameters; darktimbre {darktimbre.__version__}, "
        f"digest {instrument.bundle.digest[:12]}",
        f"- licence of the sounds it learnt from: {licence(instrument) or 'not told'}",
    ]
    return "\n".join(lines) + "\n"
