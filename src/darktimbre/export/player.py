"""An instrument as a folder that plays without darktimbre: the ONNX file and a program that plays it (`standalone.py`).

Made for small computers, a Raspberry Pi in a Eurorack case: one core, numpy and onnxruntime, no torch.
"""

from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import darktimbre
from darktimbre.export.folder import export_folder, licence, write_manifest
from darktimbre.export.onnx import NetworkReport, export_onnx
from darktimbre.export.precision import Precision
from darktimbre.export.sampler import TEMPLATES
from darktimbre.export.sound import why_not
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

NETWORK, PROGRAM, GUIDE = "instrument.onnx", "play.py", "README.md"


@dataclass(frozen=True)
class PlayerReport:
    """What was written: the folder, its size in bytes, and how far its network is from the synthesizer."""

    path: Path
    bytes: int
    network: NetworkReport


def export_player(instrument: Synthesizer, out: str | Path, *, precision: Precision = "float32") -> PlayerReport:
    """Writes the folder, whole or not at all; an earlier export there is replaced.

    The instrument must generate its phases itself or have a learned inversion, for the program has no other.
    `precision`: how weights are kept (`export/precision.py`).

    Raises:
        UserError: the codec's inverse is no graph; `out` holds something else; onnx is not installed.
    """
    out = Path(out)
    if reason := why_not(instrument.codec):
        raise UserError(
            f"This instrument cannot play alone: {reason}. One that generates its phases can, such as what "
            "`darktimbre train oneshot-classes-if` makes, or one with a learned inversion (--inversion learned, where "
            "there is one for its spectrograms); or export its sounds, by `darktimbre export wavs`."
        )
    with export_folder(out) as folder:
        network = export_onnx(instrument, folder / NETWORK, precision=precision)
        program = resources.files("darktimbre.export").joinpath("standalone.py").read_text(encoding="utf-8")
        (folder / PROGRAM).write_text(program, encoding="utf-8")
        (folder / GUIDE).write_text(guide(instrument, network), encoding="utf-8")
        facts = {
            "darktimbre": "export",
            "version": 1,
            "format": "player",
            "made_by": f"darktimbre {darktimbre.__version__}",
            "weights_sha256": instrument.bundle.digest,
            "licence_of_training_sounds": licence(instrument),
            "precision": precision,
            "contents": [NETWORK, PROGRAM, GUIDE],
        }
        write_manifest(folder, facts)
    size = sum(file.stat().st_size for file in out.iterdir())
    return PlayerReport(out, size, replace(network, path=out / NETWORK))


def guide(instrument: Synthesizer, network: NetworkReport) -> str:
    """The folder's README: what it holds, how it is played, what it may be used for."""
    return TEMPLATES.get_template("player.md.jinja").render(
        title=Path(instrument.bundle.origin).name,
        instrument=instrument,
        network=network,
        files={"network": NETWORK, "program": PROGRAM},
        licence=licence(instrument),
        version=darktimbre.__version__,
    )
