"""The DecentSampler preset: well-formed, every sample there, the same keys and velocities as the plan."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.export.conftest import exported

from darktimbre.export.loops import Loop
from darktimbre.export.packing import export_zip, make_plan
from darktimbre.export.plan import Plan, zones
from darktimbre.export.sampler import document
from darktimbre.export.samples import render
from darktimbre.synthesizer.patch import Envelope, Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

BOWL = Patch(name='Bowl & "bell" <1>', attributes={"Singing bowl": 1.0}, envelope=Envelope(attack=0.5, release=2.0))
DRUM = Patch(attributes={"Drum": 1.0})

SAMPLE_ATTRIBUTES = {"path", "rootNote", "loNote", "hiNote", "loVel", "hiVel", "loopEnabled", "loopStart", "loopEnd"}
GROUP_ATTRIBUTES = {"name", "tags", "enabled", "ampVelTrack", "attack", "decay", "sustain", "release", "volume"}


def preset(instrument: Synthesizer, out: Path, *patches: Patch, **settings: Any) -> ElementTree.Element:
    report, _ = exported("decentsampler", instrument, out, *patches, **settings)
    assert report.path.suffix == ".dspreset"
    return ElementTree.parse(report.path).getroot()


def test_every_sample_is_there_by_its_exact_name_and_place(tiny: Synthesizer, tmp_path: Path) -> None:
    root = preset(tiny, tmp_path / "out", BOWL, DRUM, velocity_layers=2)
    plan, _ = make_plan(tiny, "decentsampler", (BOWL, DRUM), velocity_layers=2)
    wanted = [(z.root, z.low, z.high, z.softest, z.hardest) for z in zones(tiny, plan)]
    found = []
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.wav")}
    for one in root.iter("sample"):
        assert set(one.attrib) <= SAMPLE_ATTRIBUTES
        assert one.attrib["path"] in names
        found.append(tuple(int(one.attrib[key]) for key in ("rootNote", "loNote", "hiNote", "loVel", "hiVel")))
    assert found == wanted
    assert [group.attrib["name"] for group in root.iter("group")] == [BOWL.name, "Drum"]
    assert all(set(group.attrib) <= GROUP_ATTRIBUTES for group in root.iter("group"))
    assert len(list(root.iter("groups"))) == 1


def test_menu_and_switches_turn_on_one_group_and_off_the_others(tiny: Synthesizer, tmp_path: Path) -> None:
    root = preset(tiny, tmp_path / "out", BOWL, DRUM, Patch())
    assert [group.attrib["enabled"] for group in root.iter("group")] == ["true", "false", "false"]
    options = list(root.iter("option"))
    for chosen, option in enumerate(options):
        on = {b.attrib["position"]: b.attrib["translationValue"] for b in option.iter("binding")}
        assert on == {str(i): "true" if i == chosen else "false" for i in range(3)}
    notes = list(root.find("midi").iter("note"))
    lowest = min(int(one.attrib["loNote"]) for one in root.iter("sample"))
    assert [int(note.attrib["note"]) for note in notes] == [lowest - 3, lowest - 2, lowest - 1]
    # A switch moves the menu, the first control of the page; its options are counted from 1.
    assert next(iter(root.find("ui").find("tab"))).tag == "menu"
    for place, note in enumerate(notes, start=1):
        (binding,) = note
        assert binding.attrib["level"] == "ui"
        assert (binding.attrib["position"], binding.attrib["translationValue"]) == ("0", str(place))


def test_envelope_and_layers(tiny: Synthesizer, tmp_path: Path) -> None:
    root = preset(tiny, tmp_path / "out", BOWL, DRUM, arrangement="layers")
    groups = list(root.iter("group"))
    assert [group.attrib["enabled"] for group in groups] == ["true", "true"]
    assert [group.attrib["volume"] for group in groups] == ["-6.021dB", "-6.021dB"]
    assert (groups[0].attrib["attack"], groups[0].attrib["release"]) == ("0.5", "2")
    assert root.find("midi") is None
    knobs = {knob.attrib["label"]: knob for knob in root.iter("labeled-knob")}
    # A knob moves all groups, also when the preset is loaded: none for what the settings have each of their own.
    assert set(knobs) == {"Decay", "Sustain"}
    assert knobs["Sustain"].find("binding").attrib["parameter"] == "ENV_SUSTAIN"
    alone = preset(tiny, tmp_path / "alone", BOWL.model_copy(update={"envelope": Envelope(attack=10.0)}))
    knobs = {knob.attrib["label"]: knob.attrib for knob in alone.iter("labeled-knob")}
    assert set(knobs) == {"Attack", "Decay", "Sustain", "Release"}
    assert all(float(knob["minValue"]) <= float(knob["value"]) <= float(knob["maxValue"]) for knob in knobs.values())
    assert float(knobs["Attack"]["value"]) == 10.0


def test_loops_are_written_as_found(tiny: Synthesizer) -> None:
    plan = Plan(patches=(DRUM,))
    bank = render(tiny, plan, zones(tiny, plan))
    looping = replace(bank, loops={bank.ids[1]: Loop(start=500, end=1999, match=1.0, drift=0.0)})
    placed = {name: ("samples/x.wav", sample) for name, sample in looping}
    text = document("decentsampler", looping, placed, (), "0" * 64)
    samples = [one.attrib for one in ElementTree.fromstring(text.encode()).iter("sample")]
    assert [one["loopEnabled"] for one in samples] == ["false", "true", "false"]
    assert (samples[1]["loopStart"], samples[1]["loopEnd"]) == ("500", "1999")
    assert "loopEnd" not in samples[0]


def test_the_library_is_a_zip_that_decentsampler_knows_by_its_extension(tiny: Synthesizer, tmp_path: Path) -> None:
    path = export_zip(tiny, "decentsampler", [DRUM], tmp_path, title="Small drum")
    assert path.name == "small-drum.dslibrary"
    with zipfile.ZipFile(path) as pack:
        assert pack.testzip() is None
        names = set(pack.namelist())
        root = ElementTree.fromstring(pack.read("small-drum.dspreset"))
    assert {one.attrib["path"] for one in root.iter("sample")} == {name for name in names if name.endswith(".wav")}
