"""Plays the instrument that lies beside this file as instrument.onnx; needs numpy and onnxruntime, nothing more.

    python play.py                            what it plays
    python play.py drums/kick --count 4       four kicks: drums-kick-0.wav …
    python play.py Trumpet=0.8 --pitch 60 --seed 3 --out sounds
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

STARTED = time.perf_counter()

try:
    import numpy as np
    import onnxruntime
except ImportError as error:
    sys.exit(f"{error.name} is missing: pip install numpy onnxruntime")

WARM_UP, ROUNDS = 3, 50  # notes that --bench plays before its clock counts, and that it measures
INSTRUMENT = Path(__file__).with_name("instrument.onnx")


FACTS = ("attributes", "pitches", "baseline", "latent", "sample_rate", "samples", "parameters")  # of the card


class Instrument:
    """One ONNX file, ready to play on one thread."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Notes come one at a time and are alike, so no memory is held in reserve for larger ones.
        options.enable_cpu_mem_arena = False
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        told = self.session.get_modelmeta().custom_metadata_map
        card = {key: json.loads(told[f"darktimbre.{key}"]) for key in FACTS}
        self.names: list[str] = card["attributes"]
        self.pitches: list[float] = card["pitches"]  # MIDI; none for one-shots
        self.baseline: list[float] = card["baseline"]  # what is not asked for
        self.latent: int = card["latent"]
        self.rate: int = card["sample_rate"]  # Hz
        self.samples: int = card["samples"]  # of a note
        self.parameters: int = card["parameters"]

    def play(self, words: dict[str, float], *, pitch: float | None = None, seed: int = 0, place: int = 0) -> np.ndarray:
        """One note (sample,), float32, full scale ±1."""
        fed = {"latent": latent(seed, place, self.latent)[None], "condition": self.condition(words, pitch)[None]}
        return self.session.run(["wave"], fed)[0][0]

    def condition(self, words: dict[str, float], pitch: float | None) -> np.ndarray:
        """One-hot pitch, then the attributes; asking for a subclass ("drums/kick") asks for its class too."""
        soft = np.array(self.baseline, np.float32)
        for word, value in words.items():
            soft[self.index(word)] = value
            above = word.rpartition("/")[0]
            if above.lower() in self._lower and above not in words:
                soft[self.index(above)] = value
        one_hot = np.zeros(len(self.pitches), np.float32)
        if self.pitches:
            apart = np.abs(np.array(self.pitches) - (60 if pitch is None else pitch))
            if pitch is not None and apart.min() > 0.5:
                raise Refused(
                    f"This instrument plays MIDI {min(self.pitches):g} to {max(self.pitches):g}, not {pitch:g}."
                )
            one_hot[int(np.argmin(apart))] = 1
        return np.concatenate([one_hot, soft])

    def index(self, word: str) -> int:
        """Place of an attribute, in any letter case."""
        if word.lower() in self._lower:
            return self._lower.index(word.lower())
        near = difflib.get_close_matches(word.lower(), self._lower, n=3, cutoff=0.3) or self._lower[:3]
        known = ", ".join(self.names[self._lower.index(one)] for one in near)
        raise Refused(f"This instrument has no {word!r}; it has {known} … (python {Path(__file__).name} lists all).")

    @property
    def _lower(self) -> list[str]:
        return [name.lower() for name in self.names]


class Refused(Exception):
    """A wish that cannot be met, as a sentence."""


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
    if any(not 0 <= value <= 1 for value in words.values()):
        raise Refused("A value lies between 0 and 1.")
    return words


def pcm(sound: np.ndarray) -> bytes:
    """16-bit little-endian samples."""
    return np.round(np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()


def list_all(instrument: Instrument) -> None:
    print(f"{instrument.samples / instrument.rate:g} s at {instrument.rate} Hz, {instrument.parameters:,} parameters.")
    if instrument.pitches:
        print(f"Pitches (MIDI): {min(instrument.pitches):g} to {max(instrument.pitches):g}.")
    print("Words: " + ", ".join(instrument.names))


def write_all(instrument: Instrument, args: argparse.Namespace) -> None:
    words = words_of(args.words)
    args.out.mkdir(parents=True, exist_ok=True)
    stem = "-".join(words).replace("/", "-").replace(" ", "-").lower() or "sound"
    for place in range(args.count or 1):
        sound = instrument.play(words, pitch=args.pitch, seed=args.seed, place=place)
        path = args.out / f"{stem}-{place}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, instrument.rate, 0, "NONE", ""))
            file.writeframes(pcm(sound))
        print(path)


def pipe(instrument: Instrument, args: argparse.Namespace) -> None:
    """A sound to standard output for each line of standard input; a line that is no wish is told and passed over."""
    for place, line in enumerate(iter(sys.stdin.readline, "")):
        try:
            sound = instrument.play(words_of(line.split(";")), pitch=args.pitch, seed=args.seed, place=place)
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
        instrument.play({instrument.names[place % len(instrument.names)]: 1.0}, seed=args.seed, place=place)
        note.append(1000 * (time.perf_counter() - start))
    seconds = instrument.samples / instrument.rate
    told = {
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
    print(json.dumps(told, indent=1))


def resident() -> dict[str, float | None]:
    """MB of memory now and at most (Linux; else unknown)."""
    told: dict[str, float | None] = {"VmRSS": None, "VmHWM": None}
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return told
    for key, _, value in (line.partition(":") for line in lines):
        if key in told:
            told[key] = round(int(value.split()[0]) / 1024, 1)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="NAME[=VALUE]", help="what to play; a name alone means 1")
    parser.add_argument("--pitch", type=float, help="MIDI, where the instrument has pitches; the nearest is played")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same sounds")
    parser.add_argument("--count", type=int, help="how many sounds to write; 1")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the WAV files")
    parser.add_argument("--core", type=int, help="stay on this processor core (Linux)")
    parser.add_argument("--pipe", action="store_true", help="a sound to stdout for each line of stdin")
    parser.add_argument("--bench", action="store_true", help="measure on this machine")
    args = parser.parse_args()
    try:
        if args.seed < 0:
            raise Refused("A seed is a whole number from 0 up.")
        if args.core is not None:
            stay_on(args.core)
        if args.bench:
            return bench(args)
        instrument = Instrument(INSTRUMENT)
        if args.pipe:
            pipe(instrument, args)
        elif args.words or args.count:
            write_all(instrument, args)
        else:
            list_all(instrument)
    except Refused as refusal:
        sys.exit(str(refusal))


def stay_on(core: int) -> None:
    if not hasattr(os, "sched_setaffinity"):
        raise Refused("--core works on Linux alone.")
    try:
        os.sched_setaffinity(0, {core})
    except OSError:
        cores = ", ".join(str(one) for one in sorted(os.sched_getaffinity(0)))
        raise Refused(f"There is no core {core} here; there are {cores}.") from None


if __name__ == "__main__":
    main()
