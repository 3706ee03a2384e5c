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
    finished,
    spoken,
)
from darktimbre.cli.runtime import open_instrument
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
    from darktimbre.synthesizer.sound_files import render_random

    instrument, levels = open_instrument(bundle, device, runtime, inversion), asking.levels(set_)
    with spoken():
        paths = render_random(
            instrument, out, count=count, pitch=asking.pitch(pitch), levels=levels, seed=seed, picture=picture
        )
    finished(instrument, out, paths, picture)


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
    from darktimbre.synthesizer.sound_files import render_scale

    instrument, levels = open_instrument(bundle, device, runtime, inversion), asking.levels(set_)
    ends = {"low": asking.pitch(low), "high": asking.pitch(high)}
    with spoken():
        paths = render_scale(instrument, out, **ends, step=step, levels=levels, seed=seed, picture=picture)
    finished(instrument, out, paths, picture)


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
    from darktimbre.synthesizer.sound_files import render_sweep

    instrument, levels = open_instrument(bundle, device, runtime, inversion), asking.levels(set_)
    given = asking.pitch(pitch)
    with spoken():
        paths = render_sweep(
            instrument,
            out,
            attribute,
            low=low,
            high=high,
            steps=steps,
            pitch=given,
            levels=levels,
            seed=seed,
            picture=picture,
        )
    finished(instrument, out, paths, picture)


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
    from darktimbre.synthesizer.sound_files import pitch_words, render_notes

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
    stems = [("interpolate", f"{index:02d}", *pitch_words(one)) for index, one in enumerate(pitches)]
    way = {"way": "linear" if linear else "spherical", "from_seed": from_seed, "to_seed": to_seed}
    more = [{**way, "at": round(float(one), 4)} for one in at]
    with spoken():
        paths = render_notes(
            instrument, out, "interpolate", stems, pitches, per_note, latent=latent, more=more, picture=picture
        )
    finished(instrument, out, paths, picture)


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
    from darktimbre.synthesizer.midi import play, read_score
    from darktimbre.synthesizer.sound_files import SoundFile, file_stem, write_sounds

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
    made = [SoundFile(file_stem("midi", file.stem), file.name, how)]
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
    from darktimbre.synthesizer.sound_files import pitch_words, render_notes

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
    stems = [("like", sound.stem, f"{index:02d}", *pitch_words(midi_note)) for index in range(count)]
    more = [{"like": sound.name}] * count
    with spoken():
        paths = render_notes(
            instrument, out, "like", stems, [midi_note] * count, [chosen] * count, seeds, more=more, picture=picture
        )
    finished(instrument, out, paths, picture)
