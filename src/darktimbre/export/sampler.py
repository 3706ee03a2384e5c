"""Samples → an instrument for samplers: an SFZ or DecentSampler file beside its samples, from a template.

SFZ: only opcodes of SFZ 1 (Cakewalk/rgc:audio, 2004) are needed to play it, `sw_default` and `sw_label` excepted, which
came later and are ignored by samplers without them. DecentSampler: elements and attributes of its Developers
Guide (1.11), with a menu of the settings and envelope knobs. docs/export.md says which sampler reads what.
"""

import math
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import jinja2

import darktimbre
from darktimbre.export import riff
from darktimbre.export.folder import entry, manifest, sample_tags, write_manifest
from darktimbre.export.naming import plain_note, slug
from darktimbre.export.plan import Plan, Zone, stems
from darktimbre.export.samples import Bank, Id, Sample
from darktimbre.notes.text import legible
from darktimbre.synthesizer.synthesizer import Synthesizer

SAMPLES = "samples"  # the folder beside the instrument's file
FILES = {"sfz": "sfz", "decentsampler": "dspreset"}
"""Format → extension of the instrument's file and of its template. Names in it are UTF-8, which sfizz reads."""


class Region(NamedTuple):
    """A zone with the path of its sample below the export's folder."""

    zone: Zone
    path: str
    sample: Sample


def write_instrument(instrument: Synthesizer, form: str, bank: Bank, switches: tuple[int, ...], folder: Path) -> Path:
    """Writes `TITLE.sfz` or `TITLE.dspreset`, its samples and the manifest into a folder."""
    placed = _write_samples(instrument, bank, folder)
    path = folder / f"{slug(bank.plan.title)}.{FILES[form]}"
    text = document(form, bank, placed, switches, instrument.bundle.digest)
    path.write_text(legible(text), encoding="utf-8")
    files = [entry(place, sample, bank) for place, sample in placed.values()]
    contents = [path.name, *(place for place, _ in placed.values())]
    write_manifest(folder, manifest(instrument, bank, form, files, contents=contents))
    return path


def document(
    form: str, bank: Bank, placed: dict[Id, tuple[str, Sample]], switches: tuple[int, ...], digest: str
) -> str:
    """The text of the instrument's file; `placed` is where each sound lies, below the export's folder."""
    return TEMPLATES.get_template(f"{FILES[form]}.jinja").render(
        plan=bank.plan,
        regions=[Region(zone, *placed[name]) for zone, name in zip(bank.zones, bank.ids, strict=True)],
        switches=switches,
        volume=layer_volume(bank.plan),
        digest=digest,
        version=darktimbre.__version__,
    )


def file_stem(plan: Plan, zone: Zone) -> str:
    """Name of a sample's file: setting, velocity layer where there are several, key."""
    layer = f"_v{zone.layer + 1}" if plan.velocity_layers > 1 else ""
    return f"{stems(plan)[zone.setting]}{layer}_{zone.root:03d}_{plain_note(zone.root)}"


def layer_volume(plan: Plan) -> float:
    """dB by which each of N settings that sound together is turned down: the sum is then their mean."""
    if plan.arrangement != "layers" or len(plan.patches) == 1:
        return 0.0
    return -20.0 * math.log10(len(plan.patches))


def _write_samples(instrument: Synthesizer, bank: Bank, folder: Path) -> dict[Id, tuple[str, Sample]]:
    """Writes each different sound once; id → its path below `folder`, and the sample."""
    (folder / SAMPLES).mkdir()
    placed: dict[Id, tuple[str, Sample]] = {}
    for name, sample in bank:
        path = f"{SAMPLES}/{file_stem(bank.plan, sample.zone)}.wav"
        tags = sample_tags(instrument, bank.plan, sample)
        (folder / path).write_bytes(riff.wav(sample.wave, bank.plan.rate, bank.plan.bits, tags))
        placed[name] = (path, sample)
    return placed


def _plain(text: str) -> str:
    """Text for comments and labels: no line end, no directive sign, no opcode's equals sign, no header's bracket."""
    return "".join(" " if sign in "#=<>/$\\" or not sign.isprintable() else sign for sign in text)


TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("darktimbre.export"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.filters |= {
    "plain": _plain,
    "plain_note": plain_note,
    "slug": slug,
    "xml": lambda text: escape(text, {'"': "&quot;"}),
}
