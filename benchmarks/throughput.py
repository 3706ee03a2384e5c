"""Notes a second of what stands before and after the network: pictures, tags, imports; beside librosa and LiteRT.

One thread, the plain way note by note as one writes it first; importing uses its worker processes, the plain loop one.
"""

import statistics
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Row
from benchmarks.turns import in_turns

RATE, SAMPLES = 16_000, 16_000
TEACHER = Path(__file__).resolve().parents[2] / "shared" / "teachers" / "yamnet.tflite"
Waves = NDArray[np.float32]


def run(quick: bool) -> list[Row]:
    """All rows; what is not on this machine is named in its row's note."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        waves = notes(64 if quick else 256)
        rows = [*pictures(waves, 2 if quick else 5), *tags(waves[: 32 if quick else 128], 2 if quick else 3)]
    finally:
        torch.set_num_threads(threads)
    return [*rows, imports(60 if quick else 400)]


def notes(count: int, rate: int = RATE, samples: int = SAMPLES) -> Waves:
    """Notes of the built-in orchestra, (note, sample)."""
    from darktimbre.corpus.builtin import ORCHESTRA, play

    members = [ORCHESTRA[number % len(ORCHESTRA)] for number in range(count)]
    return np.stack([play(who, 44 + i % 26, 60 + i % 60, samples, rate) for i, who in enumerate(members)])


def _row(what: str, ways: dict[str, Callable[[], Any]], count: int, repeats: int, note: str = "") -> Row:
    takes = in_turns(ways, repeats)
    rate = {name: count / statistics.median(seconds) for name, seconds in takes.items()}
    return Row(what, rate["fast"], rate.get("plain"), "notes/s", note=note, takes=takes)


# ----------------------------------------------------------------------------
# Pictures


def pictures(waves: Waves, repeats: int) -> list[Row]:
    """Encode and decode, log-magnitude and instantaneous frequency, against librosa."""
    import torch

    from darktimbre.representation.codec import codec_from_config

    codec = codec_from_config({"kind": "if"})
    batch = torch.from_numpy(waves)
    encoded = codec.encode(batch)
    seen = encoded.numpy()
    config = codec.config

    def encode_plain() -> None:
        import librosa

        for wave in waves:
            spectrum = librosa.stft(wave, n_fft=config.n_fft, hop_length=config.hop)[1:]
            level = np.log(np.abs(spectrum) + config.floor)
            phase = np.unwrap(np.angle(spectrum), axis=1)
            np.stack([level, np.diff(phase, axis=1, prepend=0) / np.pi])

    def decode_plain() -> None:
        import librosa

        for level, turns in seen:
            magnitude = np.exp((level + 0.8) / 1.6 * (codec.high - codec.low) + codec.low) - config.floor
            spectrum = magnitude * np.exp(1j * np.cumsum(turns, axis=1) * np.pi)
            librosa.istft(np.pad(spectrum, ((1, 0), (0, 0))), hop_length=config.hop, length=SAMPLES)

    with torch.inference_mode():
        ways: dict[str, dict[str, Callable[[], Any]]] = {
            "encode": {"fast": lambda: codec.encode(batch), "plain": encode_plain},
            "decode": {"fast": lambda: codec.decode(encoded), "plain": decode_plain},
        }
        return [_row(f"{name}, 1 thread (librosa)", both, len(waves), repeats) for name, both in ways.items()]


# ----------------------------------------------------------------------------
# Tags


def tags(waves: Waves, repeats: int) -> list[Row]:
    """YAMNet's port and the embedded teacher against YAMNet in its interpreter."""
    import torch

    from darktimbre import teachers
    from darktimbre.notes.errors import UserError

    plain, missing = _interpreter(waves)
    batch = torch.from_numpy(waves)
    rows = []
    for name, what in (("yamnet", "tag by YAMNet"), ("embedded", "tag by the embedded teacher")):
        try:
            found = TEACHER if name == "yamnet" and TEACHER.is_file() else None
            tagger = teachers.load(name, weights=found)
        except UserError as error:
            rows.append(Row(f"{what}: not measured", float("nan"), None, "notes/s", note=str(error)))
            continue
        ways: dict[str, Callable[[], Any]] = {"fast": lambda tagger=tagger: tagger.logits(batch)}  # type: ignore[misc]
        if plain is not None:
            ways["plain"] = plain
        rows.append(_row(f"{what}, 1 thread (LiteRT's YAMNet)", ways, len(waves), repeats, missing))
    return rows


def _interpreter(waves: Waves) -> tuple[Callable[[], None] | None, str]:
    """YAMNet in LiteRT, a clip at a time; or why not."""
    if not TEACHER.is_file():
        return None, "no yamnet.tflite beside this checkout to compare with"
    try:
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]
    except ImportError:
        return None, "ai-edge-litert is not installed"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = Interpreter(str(TEACHER), num_threads=1)
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    length = int(into["shape"][-1])

    def listen() -> None:
        for wave in waves:
            interpreter.set_tensor(into["index"], wave[:length])
            interpreter.invoke()
            interpreter.get_tensor(out)

    return listen, ""


# ----------------------------------------------------------------------------
# Import


def imports(count: int) -> Row:
    """A folder of 44.1 kHz stereo files, 1.2 s each, into a corpus; against librosa.load, file by file."""
    import soundfile

    from darktimbre.corpus.folder import import_folder

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "sounds"
        folder.mkdir()
        for number, wave in enumerate(notes(count, 44_100, 52_920)):
            left_right = np.stack([wave, np.roll(wave, 7)], axis=1)
            soundfile.write(folder / f"note{number:04d}_{44 + number % 26:03d}.wav", left_right, 44_100)

        def fast() -> None:
            import_folder(folder, Path(place) / "corpus", overwrite=True)

        def plain() -> None:
            import librosa

            rows = [
                librosa.util.fix_length(librosa.load(file, sr=RATE, mono=True)[0], size=SAMPLES)
                for file in sorted(folder.iterdir())
            ]
            np.save(Path(place) / "plain.npy", np.stack(rows))

        return _row(
            "import a folder of wavs (librosa.load)",
            {"fast": fast, "plain": plain},
            count,
            1,
            "worker processes that may die, pitch and rejects, included their start; the plain loop has none of it",
        )
