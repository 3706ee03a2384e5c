"""Plays the instrument that lies beside this file as instrument.onnx; needs numpy and onnxruntime, nothing more.

    python play.py                            what it plays
    python play.py drums/kick --count 4       four kicks: drums-kick-0.wav …
    python play.py Trumpet=0.8 --pitch 60 --seed 3 --out sounds
    python play.py tremolo=1 --latent 0.3,-1.2,0.5 --level -12
                                              a latent and a level (peak in dB), such as an encoded sound's
    python play.py --pipe | aplay -t raw -f S16_LE -r 16000 -c 1
                                              a sound as soon as a line is read, such as "drums/snare" from a trigger
    python play.py --bench --core 3           milliseconds and megabytes on one core of this machine

The same words, pitch and seed give the sound that darktimbre gives. `darktimbre export player` puts this file there.
"""

import argparse
import difflib
import json
import os
import sys
import time
import wave
from pathlib import Path
from statistics import NormalDist, median
from typing import Any

STARTED = time.perf_counter()
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else onnxruntime reports usage, from its import on

try:
    import numpy as np
    import onnxruntime
except ImportError as error:
    sys.exit(f"{error.name} is missing: pip install numpy onnxruntime")

WARM_UP, ROUNDS = 3, 50  # notes that --bench plays before its clock counts, and that it measures
INSTRUMENT = Path(__file__).with_name("instrument.onnx")
# What is read of the file's own properties:
FACTS = (
    "attributes", "teacher", "pitches", "between", "baseline", "latent", "level", "sample_rate", "samples",
    "parameters"
)  # fmt: skip


class Instrument:
    """One ONNX file, ready to play on one thread."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        properties = self.session.get_modelmeta().custom_metadata_map
        card = {key: json.loads(properties[f"darktimbre.{key}"]) for key in FACTS}
        self.names: list[str] = card["attributes"]
        self.pitches: list[float] = card["pitches"]  # MIDI; none for one-shots
        self.baseline: list[float] = card["baseline"]  # of attributes that are not given
        self.latent: int = card["latent"]
        self.level: float | None = card["level"]  # peak of every note in dB, where all have one
        self.rate: int = card["sample_rate"]  # Hz
        self.samples: int = card["samples"]  # of a note
        self.parameters: int = card["parameters"]
        self.between: bool = card["between"]  # whether it can play a pitch between two trained ones
        self.classes: bool = card["teacher"] == "classes"
        self.most: float = 3.0 if card["teacher"] == "styles" else 1.0  # of a value: styles mix linearly, also beyond 1

    def play(
        self,
        words: dict[str, float],
        *,
        pitch: float | None = None,
        seed: int = 0,
        place: int = 0,
        at: list[float] | None = None,
        level: float | None = None,
    ) -> np.ndarray:
        """One note (sample,), float32, full scale ±1; `at`: its latent, instead of the seed's; `level`: its peak."""
        fed = {"latent": self.place(seed, place, at)[None], "condition": self.condition(words, pitch)[None]}
        return self.session.run(["wave"], fed)[0][0] * self.gain(level)

    def gain(self, level: float | None) -> np.float32:
        """From the one level of all notes to the level wanted."""
        if level is None:
            return np.float32(1)
        if self.level is None:
            raise Refused("This instrument's notes are not of one level, so none can be set: leave out --level.")
        if not -120 <= level <= 0:
            raise Refused("A level is the peak in dB of full scale: from -120 to 0.")
        return np.float32(10 ** ((level - self.level) / 20))

    def place(self, seed: int, place: int, at: list[float] | None) -> np.ndarray:
        """A latent (latent,), given or drawn."""
        if at is None:
            return latent(seed, place, self.latent)
        if len(at) != self.latent:
            raise Refused(f"This instrument's latents have {self.latent} values, not {len(at)}.")
        return np.array(at, np.float32)

    def condition(self, words: dict[str, float], pitch: float | None) -> np.ndarray:
        """One-hot pitch, then the attributes; a subclass ("drums/kick") implies its class."""
        named = {self.name_of(word): value for word, value in words.items()}
        if any(not 0 <= value <= self.most for value in named.values()):
            raise Refused(f"A value lies between 0 and {self.most:g}.")
        if self.classes:
            above = {name.partition("/")[0] for name in named if "/" in name} & set(self.names) - set(named)
            named |= {one: max(value for name, value in named.items() if name.startswith(one + "/")) for one in above}
        soft = np.array(self.baseline, np.float32)
        for name, value in named.items():
            soft[self.names.index(name)] = value
        return np.concatenate([self.pitch_part(pitch), soft])

    def pitch_part(self, pitch: float | None) -> np.ndarray:
        """One-hot; a pitch between two trained ones is shared by them, where the instrument can."""
        part = np.zeros(len(self.pitches), np.float32)
        if not self.pitches:
            return part
        known = np.sort(np.array(self.pitches, float))
        wanted = float(known[np.argmin(np.abs(known - 60))]) if pitch is None else pitch
        if not known[0] <= wanted <= known[-1]:
            raise Refused(f"This instrument plays MIDI {known[0]:g} to {known[-1]:g}, not {wanted:g}.")
        if not self.between and wanted not in known:
            raise Refused(f"This instrument plays only the pitches it was trained on, not {wanted:g}.")
        high = int(np.searchsorted(known, wanted))
        low = high if known[high] == wanted else high - 1
        share = (wanted - known[low]) / (known[high] - known[low]) if low != high else 0.0
        part[self.pitches.index(known[low])] = 1 - share
        part[self.pitches.index(known[high])] += share
        return part

    def name_of(self, word: str) -> str:
        """The attribute that is meant, in any letter case."""
        known = {name.casefold(): name for name in self.names}
        if word.casefold() in known:
            return known[word.casefold()]
        if not known:
            raise Refused("This instrument takes no words: leave them out.")
        near = difflib.get_close_matches(word.casefold(), known, n=3, cutoff=0.3) or list(known)[:3]
        names = ", ".join(known[one] for one in near)
        raise Refused(f"This instrument has no {word!r}; it has {names} … (python {Path(__file__).name} lists all).")


class Refused(Exception):
    """A request that cannot be met; the message is a sentence."""


def latent(seed: int, place: int, size: int) -> np.ndarray:
    """The standard normal latent that darktimbre draws for note `place` of `seed` (Philox, normal quantile)."""
    raw = np.random.Philox(np.random.SeedSequence((seed, place))).random_raw(size)
    normal = NormalDist()
    return np.array([normal.inv_cdf((int(one >> np.uint64(11)) + 0.5) * 2.0**-53) for one in raw], np.float32)


def words_of(texts: list[str]) -> dict[str, float]:
    """["drums/kick", "Trumpet=0.8"] → name → value; a name alone means 1."""
    words = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        try:
            words[(name if equals else text).strip()] = float(value) if equals else 1.0
        except ValueError:
            raise Refused(f"{text!r} is neither a name nor NAME=NUMBER.") from None
    return words


def numbers(text: str) -> list[float]:
    """ "0.3,-1.2" → [0.3, -1.2]."""
    found = [float(part) for part in text.split(",")]
    if not np.isfinite(found).all():
        raise ValueError(text)
    return found


def pcm(sound: np.ndarray) -> bytes:
    """16-bit little-endian samples; a sound that exceeds full scale is turned down as a whole, not clipped."""
    loudest = max(1.0, float(np.abs(sound).max(initial=0.0)))
    return np.round(sound / loudest * 32767).astype("<i2").tobytes()


def list_all(instrument: Instrument) -> None:
    print(f"{instrument.samples / instrument.rate:g} s at {instrument.rate} Hz, {instrument.parameters:,} parameters.")
    if instrument.pitches:
        print(f"Pitches (MIDI): {min(instrument.pitches):g} to {max(instrument.pitches):g}.")
    print("Words: " + ", ".join(instrument.names))


def chosen(args: argparse.Namespace) -> dict[str, Any]:
    """How all notes are played: `Instrument.play`."""
    return {"pitch": args.pitch, "seed": args.seed, "at": args.latent, "level": args.level}


def write_all(instrument: Instrument, args: argparse.Namespace) -> None:
    words, how = words_of(args.words), chosen(args)
    # refused before a folder is made
    instrument.condition(words, args.pitch), instrument.place(0, 0, args.latent), instrument.gain(args.level)
    args.out.mkdir(parents=True, exist_ok=True)
    stem = "-".join(words).replace("/", "-").replace(" ", "-").lower() or "sound"
    for place in range(args.count or 1):
        sound = instrument.play(words, place=place, **how)
        path = args.out / f"{stem}-{place}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, instrument.rate, 0, "NONE", ""))
            file.writeframes(pcm(sound))
        print(path)


def pipe(instrument: Instrument, args: argparse.Namespace) -> None:
    """A sound to standard output for each line of standard input; what cannot be played is reported."""
    for place, line in enumerate(iter(sys.stdin.readline, "")):
        try:
            words = words_of(line.split(";"))
            sound = instrument.play(words, place=place, **chosen(args))
        except Refused as refusal:
            print(refusal, file=sys.stderr)
            continue
        sys.stdout.buffer.write(pcm(sound))
        sys.stdout.buffer.flush()


def bench(args: argparse.Namespace) -> None:
    """Prints one JSON object: what a note costs on one core of this machine."""
    before = resident()
    begin = time.perf_counter()
    instrument = Instrument(INSTRUMENT)
    loaded, note = time.perf_counter(), []
    for place in range(WARM_UP + ROUNDS):
        start = time.perf_counter()
        words = {instrument.names[place % len(instrument.names)]: 1.0} if instrument.names else {}
        instrument.play(words, pitch=args.pitch, seed=args.seed, place=place)
        note.append(1000 * (time.perf_counter() - start))
    seconds = instrument.samples / instrument.rate
    figures = {
        "core": args.core,
        "parameters": instrument.parameters,
        "file_bytes": INSTRUMENT.stat().st_size,
        "interpreter_ms": round(1000 * (begin - STARTED), 1),  # importing numpy and onnxruntime
        "load_ms": round(1000 * (loaded - begin), 1),
        "first_note_ms": round(note[0], 2),
        "note_ms": round(median(note[WARM_UP:]), 2),
        "worst_note_ms": round(max(note[WARM_UP:]), 2),
        "real_time_factor": round(median(note[WARM_UP:]) / 1000 / seconds, 5),
        "interpreter_mb": before["VmRSS"],
        "resident_mb": resident()["VmRSS"],
        "peak_mb": resident()["VmHWM"],
    }
    print(json.dumps(figures, indent=1))


def resident() -> dict[str, float | None]:
    """MB of memory now and at most (Linux; else unknown)."""
    found: dict[str, float | None] = {"VmRSS": None, "VmHWM": None}
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return found
    for key, _, value in (line.partition(":") for line in lines):
        if key in found:
            found[key] = round(int(value.split()[0]) / 1024, 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="NAME[=VALUE]", help="what to play; a name alone means 1")
    parser.add_argument("--pitch", type=float, help="MIDI, where it has pitches; left out, the one nearest to 60")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same sounds")
    parser.add_argument("--latent", type=numbers, metavar="Z,Z,…", help="a latent instead of the seed's")
    parser.add_argument("--level", type=float, metavar="DB", help="peak in dB of full scale; left out, as trained")
    parser.add_argument("--count", type=int, help="how many sounds to write; 1")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the WAV files")
    parser.add_argument("--core", type=int, help="stay on this processor core (Linux)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--pipe", action="store_true", help="a sound to stdout for each line of stdin")
    instead.add_argument("--bench", action="store_true", help="measure on this machine")
    args = parser.parse_args()
    try:
        run(args)
    except (Refused, OSError) as refusal:
        if isinstance(refusal, BrokenPipeError):  # the reader has gone: nothing is left to do
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit(130)


def run(args: argparse.Namespace) -> None:
    if args.seed < 0:
        raise Refused("A seed is a whole number from 0 up.")
    if args.count is not None and args.count < 1:
        raise Refused("--count is a whole number from 1 up.")
    if args.words and (args.pipe or args.bench):
        raise Refused("Words are for sounds in files; --pipe reads them from its lines, --bench takes all in turn.")
    if not INSTRUMENT.is_file():
        raise Refused(f"{INSTRUMENT.name} is missing beside {Path(__file__).name}: copy the whole folder.")
    if args.core is not None:
        stay_on(args.core)
    if args.bench:
        bench(args)
    elif args.pipe:
        pipe(Instrument(INSTRUMENT), args)
    elif args.words or args.count:
        write_all(Instrument(INSTRUMENT), args)
    else:
        list_all(Instrument(INSTRUMENT))


def stay_on(core: int) -> None:
    if not hasattr(os, "sched_setaffinity"):
        raise Refused("--core works on Linux alone.")
    try:
        os.sched_setaffinity(0, {core})
    except (OSError, ValueError, OverflowError):
        cores = ", ".join(str(one) for one in sorted(os.sched_getaffinity(0)))
        raise Refused(f"There is no core {core} here; there are {cores}.") from None


if __name__ == "__main__":
    main()
