"""Samples → an SFZ instrument: a text file that free and commercial samplers read, beside its samples.

Only opcodes of SFZ 1 (Cakewalk/rgc:audio, 2004) are needed to play it, `sw_default` and `sw_label` excepted, which came
later and are passed over by who does not know them; see docs/export.md for who reads what.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import darktimbre
from darktimbre.export import riff
from darktimbre.export.folder import entry, info_tags, manifest, write_manifest
from darktimbre.export.naming import plain_note, slug
from darktimbre.export.plan import Plan, Zone, stems
from darktimbre.export.samples import Bank, Id, Sample

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

SAMPLES = "samples"  # the folder beside the instrument's file


def write_sfz(instrument: "Synthesizer", bank: Bank, switches: tuple[int, ...], folder: Path) -> Path:
    """Writes `TITLE.sfz`, its samples and the manifest into a folder."""
    placed = write_samples(instrument, bank, folder)
    path = folder / f"{slug(bank.plan.title)}.sfz"
    path.write_text(document(bank, placed, switches, instrument.bundle.digest), encoding="ascii", errors="replace")
    finish(instrument, bank, folder, "sfz", path.name, placed)
    return path


def write_samples(instrument: "Synthesizer", bank: Bank, folder: Path) -> dict[Id, tuple[str, Sample]]:
    """Writes each different sound once; id → its path below `folder`, and the sample."""
    (folder / SAMPLES).mkdir()
    placed: dict[Id, tuple[str, Sample]] = {}
    for name, sample in bank:
        path = f"{SAMPLES}/{file_stem(bank.plan, sample.zone)}.wav"
        zone, loop = sample.zone, sample.loop
        tags = riff.Tags(
            root=float(zone.root),
            loop=None if loop is None else (loop.start, loop.end),
            keys=(zone.low, zone.high),
            velocities=(zone.softest, zone.hardest),
            info=info_tags(instrument, bank.plan, sample),
        )
        (folder / path).write_bytes(riff.wav(sample.wave, bank.plan.rate, bank.plan.bits, tags))
        placed[name] = (path, sample)
    return placed


def finish(
    instrument: "Synthesizer", bank: Bank, folder: Path, form: str, document: str, placed: dict[Id, tuple[str, Sample]]
) -> None:
    """Writes the manifest."""
    files = [entry(path, sample, bank) for path, sample in placed.values()]
    contents = [document, *(path for path, _ in placed.values())]
    write_manifest(folder, manifest(instrument, bank, form, files, contents=contents))


def file_stem(plan: Plan, zone: Zone) -> str:
    """Name of a sample's file: setting, velocity layer where there are several, key."""
    layer = f"_v{zone.layer + 1}" if plan.velocity_layers > 1 else ""
    return f"{stems(plan)[zone.setting]}{layer}_{zone.root:03d}_{plain_note(zone.root)}"


def document(bank: Bank, placed: dict[Id, tuple[str, Sample]], switches: tuple[int, ...], digest: str) -> str:
    """The text of the SFZ file."""
    plan = bank.plan
    lines = [
        f"// {_plain(plan.title)}",
        f"// darktimbre {darktimbre.__version__}, instrument {digest[:12]}; how each sample was made: manifest.json",
    ]
    if switches:
        names = ", ".join(f"{plain_note(key)} {_plain(name)}" for key, name in zip(switches, plan.names, strict=True))
        lines.append(f"// key-switches: {names}")
    lines += ["", "<global>", "amp_veltrack=100"]
    if switches:
        lines.append(f"sw_default={switches[0]}")
    together = layer_volume(plan)
    current: tuple[int, int] | None = None
    for zone, name in zip(bank.zones, bank.ids, strict=True):
        if (zone.setting, zone.layer) != current:
            current = (zone.setting, zone.layer)
            lines += ["", f"<group> // {_plain(plan.names[zone.setting])}"]
            lines += _envelope(plan, zone)
            if together:
                lines.append(f"volume={together:.3f}")
            if switches:
                lines.append(f"sw_lokey={switches[0]} sw_hikey={switches[-1]} sw_last={switches[zone.setting]}")
                lines.append(f"sw_label={_plain(plan.names[zone.setting])}")
            if (zone.softest, zone.hardest) != (1, 127):
                lines.append(f"lovel={zone.softest} hivel={zone.hardest}")
        path, sample = placed[name]
        region = f"<region> sample={path} lokey={zone.low} hikey={zone.high} pitch_keycenter={zone.root}"
        if sample.loop is None:
            region += " loop_mode=no_loop"
        else:
            region += f" loop_mode=loop_continuous loop_start={sample.loop.start} loop_end={sample.loop.end}"
        lines.append(region)
    return "\n".join(lines) + "\n"


def layer_volume(plan: Plan) -> float:
    """dB by which each of N settings that sound together is turned down: what is heard is then their mean."""
    if plan.arrangement != "layers" or len(plan.patches) == 1:
        return 0.0
    return -20.0 * math.log10(len(plan.patches))


def _envelope(plan: Plan, zone: Zone) -> list[str]:
    envelope = plan.patches[zone.setting].envelope
    return [
        f"ampeg_attack={envelope.attack:g} ampeg_decay={envelope.decay:g} "
        f"ampeg_sustain={100 * envelope.sustain:g} ampeg_release={envelope.release:g}"
    ]


def _plain(text: str) -> str:
    """Text for comments and labels: no line end, no directive sign, no opcode's equals sign, no header's bracket."""
    return "".join(" " if sign in "#=<>/$\\" or not sign.isprintable() else sign for sign in text)
