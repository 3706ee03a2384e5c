"""`darktimbre synth`: plays an instrument into sound files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from darktimbre import teachers
from darktimbre.cli import options
from darktimbre.cli.console import say, spoken_warnings, warn
from darktimbre.cli.options import (
    BundleName,
    Device,
    Inversion,
    Picture,
    Pitch,
    Runtime,
    Say,
    Seed,
    Set,
    Teacher,
    Weights,
)
from darktimbre.export import runtime as runtimes
from darktimbre.notes import attributes as controls
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer import midi as midi_files
from darktimbre.synthesizer import sound_files, synthesizer, transfer, words

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


def _described_by(instrument: "synthesizer.Synthesizer", text: str | None, given: dict[str, float]) -> dict[str, float]:
    """The values given, before them those of a text, which are printed."""
    if text is None:
        return given
    described = words.Words(instrument)
    mix = described.mix(text)
    say(f"{mix}.")
    own = {instrument.controls.attributes.resolve(name): value for name, value in given.items()}
    return {**described.levels(mix), **own}


@app.command("words")
def words_(
    bundle: BundleName,
    text: Annotated[str, Argument(metavar="TEXT", help='What it should sound like, in English: "icy glass bell".')],
) -> None:
    """What a description means on an instrument, without a sound: the mix that --say takes.

    With the extra `words` by what attributes mean, else by words in their names.
    """
    say(f"{words.Words(synthesizer.Synthesizer.from_pretrained(bundle)).mix(text)}.")


@app.command("random")
def random_(
    bundle: BundleName,
    out: Out,
    count: Annotated[int, Option(min=1, help="How many notes.")] = 8,
    pitch: Pitch = None,
    set_: Set = None,
    say_: Say = None,
    seed: Seed = 0,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """Notes of random timbre and, unless it is given, random pitch.

    Attributes that are not set are those of a random example note of the training split, where the bundle holds some.
    """
    instrument, given = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    levels = _described_by(instrument, say_, given)
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
    say_: Say = None,
    seed: Seed = 0,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """One timbre on all its pitches, from low to high."""
    instrument, given = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    levels = _described_by(instrument, say_, given)
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
    say_: Say = None,
    seed: Seed = 0,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """One note with one attribute going from low to high."""
    instrument, given = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    levels = _described_by(instrument, say_, given)
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
    from_sound: Annotated[
        Path | None, Option(metavar="SOUND", help="A sound to start from, of an instrument that encodes.")
    ] = None,
    to_sound: Annotated[Path | None, Option(metavar="SOUND", help="A sound to end with.")] = None,
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
    """From one note to another: latents along a great circle (or straight), attributes and pitch straight.

    An instrument that encodes goes from and to sounds of one's own: their latents, pitches and levels.
    """
    instrument, common = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    first, last = ({**common, **options.levels(own)} for own in (from_, to))
    with spoken_warnings():
        start = None if from_sound is None else (from_sound, transfer.encode_sound(from_sound, instrument))
        end = None if to_sound is None else (to_sound, transfer.encode_sound(to_sound, instrument))
        pitches = (
            _end_pitch(instrument, start, options.midi(from_pitch), "--from-pitch"),
            _end_pitch(instrument, end, options.midi(to_pitch), "--to-pitch"),
        )
        paths = sound_files.render_interpolation(
            instrument, out, seeds=(from_seed, to_seed), sounds=(start, end), levels=(first, last), steps=steps,
            linear=linear, pitches=pitches, picture=picture,
        )  # fmt: skip
    _report(instrument, out, paths, picture)


@app.command()
def midi(
    bundle: BundleName,
    out: Out,
    file: Annotated[Path, Argument(metavar="FILE.mid", help="A standard MIDI file.")],
    set_: Set = None,
    say_: Say = None,
    seed: Seed = 0,
    release: Annotated[float, Option(min=0.0, help="Seconds a note takes to fade after its end.")] = 0.06,
    picture: Picture = None,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    inversion: Inversion = None,
) -> None:
    """A MIDI file through the instrument, mixed to one sound file; a damaged one as far as it can be read.

    Notes outside the trained range are made of the nearest trained pitch by resampling. Drums, programs, pitch bends
    and controllers other than the sustain pedal are skipped and counted.
    """
    score = midi_files.read_score(file)
    sound_files.check_destination(out, picture)
    instrument, given = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    levels = _described_by(instrument, say_, given)
    with spoken_warnings():
        played = midi_files.play(instrument, score, attributes=levels, seed=seed, release=release)
    names = ("notes", "rendered", "repitched", "rang_out")
    counts = {name: getattr(played, name) for name in names}
    how = {
        "midi": file.name,
        **sound_files.source_of(file),
        "attributes": levels,
        "seed": seed,
        **counts,
        "skipped": dict(played.skipped),
    }
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
    count: Annotated[
        int | None, Option(min=1, help="How many notes, of an instrument without an encoder; 4.", show_default=False)
    ] = None,
    variations: Annotated[
        int, Option(min=0, max=99, help="Of an instrument that encodes: so many notes beside the sound in its space.")
    ] = 0,
    spread: Annotated[float, Option(min=0.0, max=1.0, help="How far these lie from it; 1: anywhere.")] = 0.3,
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
    """Notes like a given sound (timbre transfer).

    An instrument with an encoder keeps the sound's latent and level; --set gives it another style, --pitch another
    pitch. Else the sound's labels by the teacher, and its pitch, condition the notes.
    """
    instrument, given = runtimes.open_instrument(bundle, device, runtime, inversion), options.levels(set_)
    if instrument.encodes:
        if count is not None or teacher is not None or weights is not None:
            raise UserError(
                "This instrument encodes the sound itself: leave out --count, --teacher and --weights; --variations N "
                "makes notes beside it."
            )
        with spoken_warnings():
            encoded = transfer.encode_sound(sound, instrument)
            note = _playable(instrument, encoded.pitch, options.midi(pitch))
            paths = sound_files.render_encoded(
                instrument, out, sound, encoded, pitch=note, levels=given, variations=variations, spread=spread,
                seed=seed, picture=picture,
            )  # fmt: skip
        _report(instrument, out, paths, picture)
        return
    if variations:
        raise UserError(f"{bundle} has no encoder, so no notes lie beside a sound: leave out --variations.")
    levels, measured = _described(instrument, sound, teacher, weights, device)
    note = _playable(instrument, measured, options.midi(pitch))
    levels |= {instrument.controls.attributes.resolve(name): value for name, value in given.items()}
    with spoken_warnings():
        paths = sound_files.render_copies(
            instrument, out, sound, count=count or 4, pitch=note, levels=levels, seed=seed, picture=picture
        )
    _report(instrument, out, paths, picture)


def _described(
    instrument: "synthesizer.Synthesizer", sound: Path, teacher: str | None, weights: Path | None, device: str
) -> tuple[dict[str, float], float | None]:
    """What the instrument's teacher, or the one given, finds in a sound, and its measured pitch."""
    attributes, rate = instrument.attributes, instrument.sample_rate
    if attributes.names and attributes.labelled_by is None:
        raise UserError(
            "This instrument has neither an encoder nor a teacher whose labels describe a sound: set its "
            f"{attributes.teacher} with --set, by `darktimbre synth random`."
        )
    wave = transfer.read_sound(sound, instrument)
    levels = {}
    if attributes.names:
        tagger = teachers.load(teacher or attributes.teacher, device=device, weights=weights)
        _check_teacher(attributes, tagger, insist=teacher is not None)
        levels = transfer.sound_levels(wave, rate, tagger, attributes)
        top = sorted(levels.items(), key=lambda item: -item[1])[:5]
        say(f"Labels by {tagger.name}: " + ", ".join(f"{name} {value:.2f}" for name, value in top) + ".")
    return levels, transfer.sound_pitch(wave, rate) if attributes.pitches else None


def _playable(
    instrument: "synthesizer.Synthesizer", measured: float | None, given: float | None, option: str = "--pitch"
) -> float | None:
    """The pitch to play: the one given, else a sound's own, brought into the instrument's range."""
    trained = instrument.attributes.pitches
    if not trained:
        return None
    wanted = measured if given is None else given
    if wanted is None:
        raise UserError(f"No pitch was found in this sound: give one, such as {option} C4.")
    fraction = instrument.controls.between and given is not None  # a measured fraction is vibrato or mistuning
    played = transfer.into_range(wanted, trained, between=fraction)
    say(f"Pitch: MIDI {wanted:.2f}{'' if played == wanted else f', played at {played:g}'}.")
    return played


def _end_pitch(
    instrument: "synthesizer.Synthesizer",
    end: "tuple[Path, transfer.EncodedSound] | None",
    given: float | None,
    option: str,
) -> float | None:
    return given if end is None else _playable(instrument, end[1].pitch, given, option)


def _check_teacher(attributes: "controls.Attributes", tagger: "transfer.Tagger", *, insist: bool) -> None:
    differs = controls.teacher_mismatch(
        "This instrument was trained on labels by", attributes.labelled_by, "the teacher given is", tagger
    )
    if differs and not insist:
        raise UserError(f"{differs}. Give the right --weights, or --teacher {tagger.name} to use it all the same.")
    if differs:
        warn(f"{differs} exactly.")
