"""`darktimbre synth`: plays an instrument into sound files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from darktimbre import teachers
from darktimbre.cli import options
from darktimbre.cli.console import say, spoken_warnings, warn
from darktimbre.cli.options import BundleName, Device, Inversion, Picture, Pitch, Runtime, Seed, Set, Teacher, Weights
from darktimbre.export import runtime as runtimes
from darktimbre.notes import attributes as controls
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer import midi as midi_files
from darktimbre.synthesizer import sound_files, synthesizer, transfer

app = typer.Typer(no_args_is_help=True)

Out = Annotated[Path, Argument(metavar="OUT", help="Folder for the sounds and their manifest.json; made if need be.")]


@app.callback()
def overview() -> None:
    """Play an instrument into sound files: `darktimbre synth VERB BUNDLE OUT …`.

    The verb comes first, then the instrument, then the folder for the sounds. Attributes that are not set take the
    instrument's own middle. Every call writes a manifest.json that records how each file was made.
    """


def _report(instrument: "synthesizer.Synthesizer", out: Path, paths: Sequence[Path], picture: Path | None) -> None:
    say(f"{len(paths)} sound(s) of {instrument.seconds:.2g} s in {out}: {paths[0].name} …")
    if picture is not None:
        say(f"Spectrograms: {picture}")


@app.command("random")
def random_(
    bundle: BundleName,
    out: Out,
    count: Annotated[int, Option(min=1, help="How many notes.")] = 8,
    pitch: Pitch = None,
    set_: Set = None,
    seed: Seed = 0,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """Notes of random timbre and, unless it is given, random pitch.

    Attributes that are not set are those of a random example note of the training split, where the bundle holds some.
    """
    instrument, levels = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    with spoken_warnings():
        paths = sound_files.render_random(
            instrument, out, count=count, pitch=options.midi(pitch), levels=levels, seed=seed, picture=picture
        )
    _report(instrument, out, paths, picture)


@app.command()
def scale(
    bundle: BundleName,
    out: Out,
    low: Annotated[str | None, Option("--from", metavar="NOTE", help="Lowest note; the lowest trained one.")] = None,
    high: Annotated[str | None, Option("--to", metavar="NOTE", help="Highest note; the highest trained one.")] = None,
    step: Annotated[float, Option(min=0.01, help="Semitones from note to note.")] = 1.0,
    set_: Set = None,
    seed: Seed = 0,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """One timbre on all its pitches, from low to high."""
    instrument, levels = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    ends = {"low": options.midi(low), "high": options.midi(high)}
    with spoken_warnings():
        paths = sound_files.render_scale(instrument, out, **ends, step=step, levels=levels, seed=seed, picture=picture)
    _report(instrument, out, paths, picture)


@app.command()
def sweep(
    bundle: BundleName,
    out: Out,
    attribute: Annotated[str, Option(metavar="NAME", help="The attribute to sweep, in any letter case.")],
    low: Annotated[float, Option("--from", help="Its first value.")] = 0.0,
    high: Annotated[float, Option("--to", help="Its last value.")] = 1.0,
    steps: Annotated[int, Option(min=2, help="How many values.")] = 5,
    pitch: Pitch = None,
    set_: Set = None,
    seed: Seed = 0,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """One note with one attribute going from low to high."""
    instrument, levels = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    with spoken_warnings():
        paths = sound_files.render_sweep(
            instrument, out, attribute, low=low, high=high, steps=steps, pitch=options.midi(pitch), levels=levels,
            seed=seed, picture=picture,
        )  # fmt: skip
    _report(instrument, out, paths, picture)


@app.command()
def interpolate(
    bundle: BundleName,
    out: Out,
    from_seed: Annotated[int, Option(min=0, help="Seed of the first note.")] = 0,
    to_seed: Annotated[int, Option(min=0, help="Seed of the last note.")] = 1,
    from_: Annotated[
        list[str] | None, Option("--from", metavar="NAME=VALUE", help="Attribute of the first note; may be repeated.")
    ] = None,
    to: Annotated[
        list[str] | None, Option("--to", metavar="NAME=VALUE", help="Attribute of the last note; may be repeated.")
    ] = None,
    from_pitch: Pitch = None,
    to_pitch: Pitch = None,
    set_: Set = None,
    steps: Annotated[int, Option(min=2, help="How many notes, both ends included.")] = 7,
    linear: Annotated[
        bool, Option("--linear/--spherical", help="How latents go over: straight, or along the great circle.")
    ] = False,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """From one note to another: latents along a great circle (or straight), attributes and pitch straight."""
    instrument, common = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    first, last = ({**common, **options.levels(own)} for own in (from_, to))
    with spoken_warnings():
        paths = sound_files.render_interpolation(
            instrument, out, seeds=(from_seed, to_seed), levels=(first, last), steps=steps, linear=linear,
            pitches=(options.midi(from_pitch), options.midi(to_pitch)), picture=picture,
        )  # fmt: skip
    _report(instrument, out, paths, picture)


@app.command()
def midi(
    bundle: BundleName,
    out: Out,
    file: Annotated[Path, Argument(metavar="FILE.mid", help="A standard MIDI file.")],
    set_: Set = None,
    seed: Seed = 0,
    release: Annotated[float, Option(min=0.0, help="Seconds a note takes to fade after its end.")] = 0.06,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """A MIDI file through the instrument, mixed to one sound file.

    Notes outside the trained range are made of the nearest trained pitch by resampling. Drums, programs, pitch bends
    and controllers other than the sustain pedal are skipped and counted.
    """
    score = midi_files.read_score(file)
    instrument, levels = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    with spoken_warnings():
        played = midi_files.play(instrument, score, attributes=levels, seed=seed, release=release)
    names = ("notes", "rendered", "repitched", "rang_out")
    counts = {name: getattr(played, name) for name in names}
    how = {"midi": file.name, "attributes": levels, "seed": seed, **counts, "skipped": dict(played.skipped)}
    sound = sound_files.SoundFile(sound_files.file_stem("midi", file.stem), file.name, how)
    (path,) = sound_files.write_sounds(instrument, out, "midi", [played.samples], [sound], picture=picture)
    say(
        f"{path}: {played.notes} notes in {len(played.samples) / instrument.sample_rate:.1f} s, of {played.rendered} "
        f"rendered ones; {played.repitched} re-pitched, {played.rang_out} longer than the instrument's sound."
    )
    if played.skipped:
        say("Skipped: " + ", ".join(f"{count} {name}" for name, count in sorted(played.skipped.items())) + ".")


@app.command()
def like(
    bundle: BundleName,
    out: Out,
    sound: Annotated[Path, Argument(metavar="SOUND", help="A sound file of any format and rate.")],
    count: Annotated[int, Option(min=1, help="How many notes.")] = 4,
    teacher: Teacher = None,
    weights: Weights = None,
    pitch: Annotated[str | None, Option(metavar="NOTE", help="Pitch to play; that of the sound, by YIN.")] = None,
    set_: Set = None,
    seed: Seed = 0,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """Notes like a given sound: its labels by the teacher, and its pitch, condition the notes (timbre transfer)."""
    instrument, given = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    attributes, rate = instrument.attributes, instrument.sample_rate
    wave = transfer.read_sound(sound, instrument)
    levels = {}
    if attributes.names:
        tagger = teachers.load(teacher or attributes.teacher, device=device, weights=weights)
        _check_teacher(attributes, tagger, insist=teacher is not None)
        levels = transfer.sound_levels(wave, rate, tagger, attributes)
        top = sorted(levels.items(), key=lambda item: -item[1])[:5]
        say(f"Labels by {tagger.name}: " + ", ".join(f"{name} {value:.2f}" for name, value in top) + ".")
    note = options.midi(pitch)
    if attributes.pitches:
        wanted = transfer.sound_pitch(wave, rate) if note is None else note
        if wanted is None:
            raise UserError("No pitch was found in this sound: give one, such as --pitch C4.")
        fraction = instrument.controls.between and note is not None  # a measured fraction is vibrato or mistuning
        note = transfer.into_range(wanted, attributes.pitches, between=fraction)
        say(f"Pitch: MIDI {wanted:.2f}{'' if note == wanted else f', played at {note:g}'}.")
    else:
        note = None
    levels |= {attributes.resolve(name): value for name, value in given.items()}
    with spoken_warnings():
        paths = sound_files.render_copies(
            instrument, out, sound, count=count, pitch=note, levels=levels, seed=seed, picture=picture
        )
    _report(instrument, out, paths, picture)


def _check_teacher(attributes: "controls.Attributes", tagger: "transfer.Tagger", *, insist: bool) -> None:
    differs = controls.teacher_mismatch(
        "This instrument was trained on labels by", attributes.labelled_by, "the teacher given is", tagger
    )
    if differs and not insist:
        raise UserError(f"{differs}. Give the right --weights, or --teacher {tagger.name} to use it all the same.")
    if differs:
        warn(f"{differs} exactly.")
