"""`darktimbre synth`: plays an instrument into sound files."""

from pathlib import Path
from typing import Annotated

import typer

from darktimbre.cli import asking
from darktimbre.cli.playing import (
    BundleName,
    Device,
    Inversion,
    Out,
    Picture,
    Pitch,
    Runtime,
    Seed,
    Set,
    spoken,
    words,
    write_notes,
)
from darktimbre.cli.runtime import open_instrument
from darktimbre.notes.attributes import CLASSES
from darktimbre.notes.errors import UserError

app = typer.Typer(no_args_is_help=True)


@app.callback()
def overview() -> None:
    """Play an instrument into sound files: `darktimbre synth VERB BUNDLE OUT …`.

    The verb comes first, then the instrument, then the folder for the sounds. Attributes that are not set take the
    instrument's own middle. Every call writes a manifest.json that tells how each file was made.
    """


@app.command("random")
def random_(
    bundle: BundleName,
    out: Out,
    count: Annotated[int, typer.Option(min=1, help="How many notes.")] = 8,
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
    import numpy as np

    instrument, levels = open_instrument(bundle, device, runtime, inversion), asking.levels(set_)
    choose = np.random.default_rng(seed)
    trained = instrument.attributes.pitches
    given = asking.pitch(pitch)
    pitches = (
        [given] * count if given is not None else choose.choice(trained, count).tolist() if trained else [None] * count
    )
    examples = instrument.bundle.config.get("examples") or []
    per_note = [dict(levels) for _ in range(count)]
    # Of classes, one is named and all is said: those of an example would sound beside it.
    if examples and not (levels and instrument.attributes.teacher == CLASSES):
        names = instrument.attributes.names
        known = {instrument.attributes.resolve(name): value for name, value in levels.items()}
        rows = [examples[index] for index in choose.integers(len(examples), size=count)]
        per_note = [{**dict(zip(names, map(float, row), strict=True)), **known} for row in rows]
    seeds = [seed + index for index in range(count)]
    stems = [("random", f"{index:03d}", *words(one)) for index, one in enumerate(pitches)]
    write_notes(instrument, out, "random", stems, pitches, per_note, seeds, picture)


@app.command()
def scale(
    bundle: BundleName,
    out: Out,
    low: Annotated[
        str | None, typer.Option("--from", metavar="NOTE", help="Lowest note; the lowest trained one.")
    ] = None,
    high: Annotated[
        str | None, typer.Option("--to", metavar="NOTE", help="Highest note; the highest trained one.")
    ] = None,
    step: Annotated[float, typer.Option(min=0.01, help="Semitones from note to note.")] = 1.0,
    set_: Set = None,
    seed: Seed = 0,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """One timbre on all its pitches, from low to high."""
    import numpy as np

    instrument, levels = open_instrument(bundle, device, runtime, inversion), asking.levels(set_)
    trained = instrument.attributes.pitches
    if not trained:
        raise UserError("This instrument has no pitch, so there is no scale; try `darktimbre synth random`.")
    first, last = asking.pitch(low), asking.pitch(high)
    first, last = min(trained) if first is None else first, max(trained) if last is None else last
    if last < first:
        raise UserError(f"A scale goes up: --from {first:g} lies above --to {last:g}.")
    pitches = [round(float(one), 4) for one in np.arange(first, last + 1e-6, step)]
    stems = [("scale", *words(one)) for one in pitches]
    write_notes(instrument, out, "scale", stems, pitches, [levels] * len(pitches), [seed] * len(pitches), picture)


@app.command()
def sweep(
    bundle: BundleName,
    out: Out,
    attribute: Annotated[str, typer.Option(metavar="NAME", help="The attribute to sweep, in any letter case.")],
    low: Annotated[float, typer.Option("--from", help="Its first value.")] = 0.0,
    high: Annotated[float, typer.Option("--to", help="Its last value.")] = 1.0,
    steps: Annotated[int, typer.Option(min=2, help="How many values.")] = 5,
    pitch: Pitch = None,
    set_: Set = None,
    seed: Seed = 0,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """One note with one attribute going from low to high."""
    import numpy as np

    from darktimbre.synthesizer import walks

    instrument = open_instrument(bundle, device, runtime, inversion)
    name = instrument.attributes.resolve(attribute)
    levels = {instrument.attributes.resolve(key): value for key, value in asking.levels(set_).items()}
    values = [round(float(value), 6) for value in np.linspace(low, high, steps)]
    midi = asking.default_pitch(instrument, pitch)
    stems = [("sweep", name, f"{value:.2f}", *words(midi)) for value in values]
    if len(set(stems)) < len(stems):
        stems = [(*stem, str(index)) for index, stem in enumerate(stems)]
    write_notes(
        instrument, out, "sweep", stems, [midi] * steps, walks.sweep(levels, name, values), [seed] * steps, picture
    )


@app.command()
def interpolate(
    bundle: BundleName,
    out: Out,
    from_seed: Annotated[int, typer.Option(min=0, help="Seed of the first note.")] = 0,
    to_seed: Annotated[int, typer.Option(min=0, help="Seed of the last note.")] = 1,
    from_: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="NAME=VALUE", help="Attribute of the first note; may be repeated."),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="NAME=VALUE", help="Attribute of the last note; may be repeated."),
    ] = None,
    from_pitch: Pitch = None,
    to_pitch: Pitch = None,
    set_: Set = None,
    steps: Annotated[int, typer.Option(min=2, help="How many notes, both ends included.")] = 7,
    linear: Annotated[
        bool, typer.Option("--linear/--spherical", help="How latents go over: straight, or along the great circle.")
    ] = False,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """From one note to another: latents along a great circle (or straight), attributes and pitch straight."""
    from darktimbre.synthesizer import walks

    instrument, common = open_instrument(bundle, device, runtime, inversion), asking.levels(set_)
    controls, names = instrument.controls, instrument.attributes.names
    at = walks.steps(steps)
    with spoken():
        ends = [controls.soft({**common, **asking.levels(own)})[0] for own in (from_, to)]
    soft = walks.lerp(ends[0], ends[1], at)
    first = asking.default_pitch(instrument, from_pitch)
    last = first if to_pitch is None else asking.default_pitch(instrument, to_pitch)
    pitches: list[float | None] = [None] * steps
    if first is not None and last is not None:
        exact = [first + (last - first) * float(one) for one in at]
        pitches = [round(one, 4) if controls.between else float(round(one)) for one in exact]
    drawn = instrument.latents([from_seed, to_seed], 2)
    latent = (walks.lerp if linear else walks.slerp)(drawn[0], drawn[1], at)
    per_note = [dict(zip(names, map(float, row), strict=True)) for row in soft]
    stems = [("interpolate", f"{index:02d}", *words(one)) for index, one in enumerate(pitches)]
    way = {"way": "linear" if linear else "spherical", "from_seed": from_seed, "to_seed": to_seed}
    more = [{**way, "at": round(float(one), 4)} for one in at]
    write_notes(instrument, out, "interpolate", stems, pitches, per_note, None, picture, latent=latent, more=more)


@app.command()
def midi(
    bundle: BundleName,
    out: Out,
    file: Annotated[Path, typer.Argument(metavar="FILE.mid", help="A standard MIDI file.")],
    set_: Set = None,
    seed: Seed = 0,
    release: Annotated[float, typer.Option(min=0.0, help="Seconds a note takes to fade after its end.")] = 0.06,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """A MIDI file through the instrument, mixed to one sound file.

    Notes outside the trained range are made of the nearest trained pitch by resampling. Drums, programs, pitch bends
    and controllers other than the sustain pedal are skipped and counted.
    """
    from darktimbre.cli.console import say
    from darktimbre.cli.sounds import Made, file_stem, write_sounds
    from darktimbre.synthesizer.midi import play, read_score

    score = read_score(file)
    instrument, levels = open_instrument(bundle, device, runtime, inversion), asking.levels(set_)
    with spoken():
        played = play(instrument, score, attributes=levels, seed=seed, release=release)
    counts = {
        "notes": played.notes,
        "rendered": played.rendered,
        "repitched": played.repitched,
        "rang_out": played.rang_out,
    }
    how = {"midi": file.name, "attributes": levels, "seed": seed, **counts, "skipped": dict(played.skipped)}
    made = [Made(file_stem("midi", file.stem), file.name, how)]
    (path,) = write_sounds(instrument, out, "midi", [played.samples], made, picture=picture)
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
    sound: Annotated[Path, typer.Argument(metavar="SOUND", help="A sound file of any format and rate.")],
    count: Annotated[int, typer.Option(min=1, help="How many notes.")] = 4,
    teacher: Annotated[
        str | None, typer.Option(help="Who listens; by default the teacher that the instrument learnt from.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Its weights file, instead of the one kept by `weights`.")
    ] = None,
    pitch: Annotated[str | None, typer.Option(metavar="NOTE", help="Pitch to play; that of the sound, by YIN.")] = None,
    set_: Set = None,
    seed: Seed = 0,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """Notes like a given sound: what the teacher hears in it, and its pitch, condition the notes (timbre transfer)."""
    from darktimbre import teachers
    from darktimbre.audio import files, shape
    from darktimbre.cli.console import say
    from darktimbre.cli.listening import heard_levels, heard_pitch

    instrument, levels = open_instrument(bundle, device, runtime, inversion), asking.levels(set_)
    attributes = instrument.attributes
    try:
        recorded = files.read(sound, max_seconds=max(instrument.seconds, 1.0) + 1.0)
    except files.UnreadableSound as error:
        raise UserError(f"{sound} cannot be listened to ({error}): give another sound file.") from error
    wave = shape.resample(shape.to_mono(recorded.samples), recorded.rate, instrument.sample_rate)
    wave, _ = shape.fit_length(wave, instrument.samples, fade=instrument.sample_rate // 20)
    soft = {}
    if attributes.names:
        tagger = teachers.load(teacher or attributes.teacher, device=device, weights=weights)
        soft = heard_levels(wave, instrument.sample_rate, tagger, attributes, insist=teacher is not None)
        top = sorted(soft.items(), key=lambda item: -item[1])[:5]
        say(f"{tagger.name} hears " + ", ".join(f"{name} {value:.2f}" for name, value in top) + ".")
    midi_note = None
    if attributes.pitches:
        given = asking.pitch(pitch)
        wanted = heard_pitch(wave, instrument.sample_rate) if given is None else given
        fraction = instrument.controls.between and given is not None  # a heard fraction is vibrato or mistuning
        midi_note = asking.into_range(wanted, attributes.pitches, between=fraction)
        moved = f", played at {midi_note:g}" if midi_note != wanted else ""
        say(f"Pitch: MIDI {wanted:.2f}{moved}.")
    chosen = {**soft, **{attributes.resolve(name): value for name, value in levels.items()}}
    seeds = [seed + index for index in range(count)]
    stems = [("like", sound.stem, f"{index:02d}", *words(midi_note)) for index in range(count)]
    more = [{"like": sound.name}] * count
    write_notes(instrument, out, "like", stems, [midi_note] * count, [chosen] * count, seeds, picture, more=more)
