"""What is fuzzed: each reader of files that strangers write, with valid files to start from and what is done with them.

A reader may refuse with `UserError`. Anything else that it raises, memory that it takes without bound, and time that it
takes, is a fault.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import yaml
from tests.bundle.tiny import tiny_autoencoder, tiny_bundle

from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.metadata import read_metadata
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.export.folder import licence
from darktimbre.export.plan import suggested
from darktimbre.instrument.admission import Limits
from darktimbre.instrument.describe import describe
from darktimbre.instrument.presets import Presets
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.synthesizer.midi import play, read_score
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.sound_files import render_random
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.recipe import dump_recipe, load_recipe, recipe_names


@dataclass(frozen=True)
class Reader:
    """One reader: valid contents of its file, and what reads a file and uses what it says."""

    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]


@contextmanager
def _bundle(work: Path) -> Iterator[Reader]:
    seeds = {}
    for bundle in (tiny_bundle(baseline=[0.1, 0.2, 0.3], examples=[[0.1, 0.2, 0.3]] * 3), tiny_autoencoder()):
        folder = bundle.save_pretrained(work / bundle.architecture)
        seeds[(folder / "config.json").read_bytes()] = folder

    def read(content: bytes) -> None:
        for folder in seeds.values():
            (folder / "config.json").write_bytes(content)
        # Whose weights fit: an architecture is one of the fields that are changed.
        folder = work / ("autoencoder" if b'"autoencoder"' in content else "progressive")
        bundle = Bundle.from_pretrained(folder)
        instrument = Synthesizer(bundle)
        render_random(instrument, work / "out", count=1)
        suggested(instrument)
        licence(instrument)
        describe(instrument, teacher=None, exports=(), limits=Limits())
        bundle.save_pretrained(work / "copy")

    yield Reader(tuple(seeds), read)


@contextmanager
def _weights(work: Path) -> Iterator[Reader]:
    """The other files of a bundle, one after another: its weights, its encoded notes and their names."""
    folder = tiny_autoencoder().save_pretrained(work / "whole")
    files = [file.name for file in sorted(folder.iterdir()) if file.suffix == ".safetensors" or "latents" in file.name]
    whole = {name: (folder / name).read_bytes() for name in files}
    count = iter(range(1 << 60))

    def read(content: bytes) -> None:
        name = files[next(count) % len(files)]
        (folder / name).write_bytes(content)
        try:
            Synthesizer(Bundle.from_pretrained(folder)).render(60)
        finally:
            (folder / name).write_bytes(whole[name])

    yield Reader(tuple(whole.values()), read)


@contextmanager
def _recipe(work: Path) -> Iterator[Reader]:
    def read(content: bytes) -> None:
        (work / "recipe.yaml").write_bytes(content)
        dump_recipe(load_recipe(work / "recipe.yaml"))

    recipes = [load_recipe(name) for name in recipe_names()]
    yield Reader(tuple(json.dumps(yaml.safe_load(dump_recipe(recipe))).encode() for recipe in recipes), read)


@contextmanager
def _patch(work: Path) -> Iterator[Reader]:
    instrument = Synthesizer(tiny_bundle())

    def read(content: bytes) -> None:
        (work / "patch.json").write_bytes(content)
        patch = Patch.read(work / "patch.json")
        patch.key("0" * 64)
        patch.latent_on(instrument)
        patch.condition(instrument, 60.0)

    patches = (
        Patch(name="Bells", attributes={"Drum": 0.5, "Trumpet": 1}, seed=3, pad=(0.5, -0.5), bundle="ab" * 32),
        Patch(latent=(0.5,) * 8, level_db=-6.0),
    )
    yield Reader(tuple(json.dumps(patch.to_json()).encode() for patch in patches), read)


@contextmanager
def _preset(work: Path) -> Iterator[Reader]:
    file = work / "presets.json"
    presets = Presets(file)
    for name in ("Bells", "Ätherisch", "a" * 80):
        presets.put(name, Patch(attributes={"Drum": 0.5}))

    def read(content: bytes) -> None:
        file.write_bytes(content)
        for name in presets.all()[0]:
            presets.delete(name)
        presets.put("new", Patch())

    yield Reader((file.read_bytes(),), read)


@contextmanager
def _corpus(work: Path) -> Iterator[Reader]:
    """A corpus's description and its table, in turn."""
    with CorpusWriter(work / "corpus", sample_rate=8000, samples=64, name="c", licence="CC0") as writer:
        for number in range(5):
            note = Note(id=f"n{number}", instrument=f"i{number}", origin="o", seconds=0.008, pitch=60, tags=("a",))
            writer.add(note, np.full(64, 0.1))
    files = [work / "corpus" / name for name in ("corpus.json", "notes.parquet")]
    whole = [file.read_bytes() for file in files]

    def read(content: bytes) -> None:
        file = files[content.startswith(b"PAR1")]
        file.write_bytes(content)
        try:
            corpus = Corpus.open(work / "corpus")
            for column in corpus.table.column_names:
                corpus.column(column)
            repr(corpus)
            corpus.waves(corpus.rows())
            corpus.note(0)
            corpus.verify()
        finally:
            for one, before in zip(files, whole, strict=True):
                one.write_bytes(before)

    yield Reader(tuple(whole), read)


@contextmanager
def _midi(work: Path) -> Iterator[Reader]:
    instrument = Synthesizer(tiny_bundle())
    draw = np.random.default_rng(0)
    seeds = []
    for kind in (0, 1, 2):
        file = mido.MidiFile(type=kind)
        for _ in range(1 + (kind > 0)):
            track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=400_000), mido.Message("sysex", data=[1, 2])])
            for note in draw.integers(55, 66, 8).tolist():
                track += [
                    mido.Message("note_on", note=note, velocity=90, time=60),
                    mido.Message("control_change", control=int(draw.choice([64, 120, 123, 1])), value=127, time=30),
                    mido.Message("note_off", note=note, time=60),
                ]
            file.tracks.append(track)
        file.save(work / "seed.mid")
        seeds.append((work / "seed.mid").read_bytes())

    def read(content: bytes) -> None:
        (work / "song.mid").write_bytes(content)
        score = read_score(work / "song.mid")
        if max(event.start for event in score.events) < 60:
            played = play(instrument, score)
            assert np.isfinite(played.samples).all()

    yield Reader(tuple(seeds), read)


@contextmanager
def _metadata(work: Path) -> Iterator[Reader]:
    lines = (
        "file_name,pitch,velocity,instrument,styles,split",
        "a.wav,C#3,100,Pad,soft|slow,train",
        'b.wav,60,,"B, one",,test',
    )
    text = "\n".join(lines) + "\n"
    rows = [dict(zip(lines[0].split(","), ("a.wav", 60, 100, "Pad", ["soft"], "train"), strict=True))]
    as_json = "\n".join(json.dumps(row) for row in rows)
    seeds = {
        "metadata.csv": (text.encode(), text.replace(",", ";").encode(), text.encode("utf-16")),
        "metadata.tsv": (text.replace(",", "\t").encode(),),
        "metadata.jsonl": (as_json.encode(),),
    }

    def read(content: bytes) -> None:
        for name in seeds:
            (work / name).write_bytes(content)
            with suppress(UserError):  # what one of the readers refuses another may take
                read_metadata(work, [name], ("styles",))
            (work / name).unlink()

    yield Reader(tuple(seed for those in seeds.values() for seed in those), read)


READERS = {
    "bundle": _bundle, "weights": _weights, "recipe": _recipe, "patch": _patch, "preset": _preset, "corpus": _corpus,
    "midi": _midi, "metadata": _metadata,
}  # fmt: skip
