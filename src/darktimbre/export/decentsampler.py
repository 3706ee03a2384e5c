"""Samples → a DecentSampler preset: an XML file beside its samples, with a menu of the settings and envelope knobs.

Elements and attributes are those of the DecentSampler Developers Guide (1.11): groups, samples, ui, midi.
"""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

from darktimbre.export.naming import slug
from darktimbre.export.samples import Bank, Id, Sample
from darktimbre.export.sfz import finish, layer_volume, write_samples

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

_KNOBS = (  # label, binding's parameter, largest value, envelope's field
    ("Attack", "ENV_ATTACK", 10.0, "attack"),
    ("Decay", "ENV_DECAY", 10.0, "decay"),
    ("Sustain", "ENV_SUSTAIN", 1.0, "sustain"),
    ("Release", "ENV_RELEASE", 10.0, "release"),
)


def write_decentsampler(instrument: "Synthesizer", bank: Bank, switches: tuple[int, ...], folder: Path) -> Path:
    """Writes `TITLE.dspreset`, its samples and the manifest into a folder."""
    placed = write_samples(instrument, bank, folder)
    path = folder / f"{slug(bank.plan.title)}.dspreset"
    path.write_bytes(document(bank, placed, switches))
    finish(instrument, bank, folder, "decentsampler", path.name, placed)
    return path


def document(bank: Bank, placed: dict[Id, tuple[str, Sample]], switches: tuple[int, ...]) -> bytes:
    """The preset's XML."""
    root = ET.Element("DecentSampler", minVersion="1.4.0")  # the first with key-switches by note
    _ui(root, bank, switches)
    _groups(root, bank, placed, switches)
    if switches:
        midi = ET.SubElement(root, "midi")
        for option, key in enumerate(switches, start=1):
            # The menu is moved rather than the groups, so that it always shows what sounds.
            note = ET.SubElement(midi, "note", note=str(key))
            ET.SubElement(
                note,
                "binding",
                type="control",
                level="ui",
                position="0",
                parameter="VALUE",
                translation="fixed_value",
                translationValue=str(option),
            )
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _groups(root: ET.Element, bank: Bank, placed: dict[Id, tuple[str, Sample]], switches: tuple[int, ...]) -> None:
    """One group for each setting, in their order: menu and switches know them by their place."""
    plan = bank.plan
    groups = ET.SubElement(root, "groups")
    together = layer_volume(plan)
    for index, patch in enumerate(plan.patches):
        envelope = patch.envelope
        group = ET.SubElement(
            groups,
            "group",
            name=plan.names[index],
            tags=slug(plan.names[index]),
            enabled="true" if not switches or index == 0 else "false",
            ampVelTrack="1",
            attack=f"{envelope.attack:g}",
            decay=f"{envelope.decay:g}",
            sustain=f"{envelope.sustain:g}",
            release=f"{envelope.release:g}",
        )
        if together:
            group.set("volume", f"{together:.3f}dB")
        for zone, name in zip(bank.zones, bank.ids, strict=True):
            if zone.setting != index:
                continue
            path, sample = placed[name]
            one = ET.SubElement(
                group,
                "sample",
                path=path,
                rootNote=str(zone.root),
                loNote=str(zone.low),
                hiNote=str(zone.high),
                loVel=str(zone.softest),
                hiVel=str(zone.hardest),
                loopEnabled="false" if sample.loop is None else "true",
            )
            if sample.loop is not None:
                one.set("loopStart", str(sample.loop.start))
                one.set("loopEnd", str(sample.loop.end))


def _ui(root: ET.Element, bank: Bank, switches: tuple[int, ...]) -> None:
    """A menu of the settings, where one is chosen at a time, then the knobs of the envelope.

    A knob sets all groups, and does so when the preset is loaded: where the settings differ, there is none.
    """
    plan = bank.plan
    tab = ET.SubElement(ET.SubElement(root, "ui", width="812", height="375"), "tab", name="main")
    if switches:
        menu = ET.SubElement(tab, "menu", x="30", y="40", width="300", height="30", value="1")
        for chosen, name in enumerate(plan.names):
            option = ET.SubElement(menu, "option", name=name)
            for position in range(len(plan.names)):
                ET.SubElement(
                    option,
                    "binding",
                    type="general",
                    level="group",
                    position=str(position),
                    parameter="ENABLED",
                    translation="fixed_value",
                    translationValue="true" if position == chosen else "false",
                )
    for place, (label, parameter, largest, field) in enumerate(_KNOBS):
        values = {getattr(patch.envelope, field) for patch in plan.patches}
        if len(values) > 1:
            continue
        knob = ET.SubElement(
            tab,
            "labeled-knob",
            x=str(30 + 100 * place),
            y="120",
            width="90",
            label=label,
            type="float",
            minValue="0",
            maxValue=f"{largest:g}",
            value=f"{values.pop():g}",
        )
        ET.SubElement(knob, "binding", type="amp", level="instrument", position="0", parameter=parameter)
