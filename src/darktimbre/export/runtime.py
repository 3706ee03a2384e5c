"""Opens an instrument in the runtime wanted: torch, onnxruntime, or whichever a measurement finds faster here.

What `auto` finds is kept, so that an instrument sounds the same to the bit from launch to launch: the two runtimes
agree within rounding, not in the last bits.
"""

import hashlib
import json
import os
import platform
import statistics
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeGuard

import torch

from darktimbre.audio.atomic import atomic_file
from darktimbre.bundle.bundle import Bundle
from darktimbre.export.onnx import GRAPH, export_onnx
from darktimbre.notes.errors import UserError
from darktimbre.notes.home import home
from darktimbre.synthesizer.runtime import OnnxNetwork, has_onnxruntime, require_onnxruntime
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.synthesizer.timing import WARM_UP, Stopwatch

RUNTIMES = ("auto", "torch", "onnx")
AT_LEAST, SECONDS = 5, 1.0  # rounds and seconds of a measurement
GAIN = 0.95  # onnxruntime is taken where its note takes at most this share of torch's: torch is the reference


def open_instrument(name: str, device: str = "cpu", runtime: str = "auto", inversion: str | None = None) -> Synthesizer:
    """Loads an instrument; `Synthesizer.runtime` is the runtime it plays by.

    Args:
        name: a bundle's folder, `starter`, or a Hugging Face id.
        device: a torch device; onnxruntime plays on the CPU alone.
        runtime: `torch`, `onnx` or `auto`, which prints what it chose and why.
        inversion: how its spectrograms become sound, if not as the bundle has it; see `Bundle.inverted_by`.

    Raises:
        UserError: no such bundle, device, runtime or inversion; or onnxruntime is wanted and not installed.
    """
    if runtime not in RUNTIMES:
        raise UserError(f"There is no runtime {runtime!r}; choose one of {', '.join(RUNTIMES)}.")
    bundle = Bundle.from_pretrained(name)
    instrument = Synthesizer(bundle if inversion is None else bundle.inverted_by(inversion), device)
    on_cpu = instrument.device.type == "cpu"
    if runtime == "onnx" and not on_cpu:
        raise UserError(
            f"onnxruntime plays on the CPU here, not on {device}: leave out --device, or take --runtime torch."
        )
    if runtime == "torch" or not on_cpu:
        return instrument
    if runtime == "onnx":
        return by_onnx(instrument)
    why_not = "onnxruntime is not installed; `pip install 'darktimbre[onnx]'` may make it faster"
    if has_onnxruntime():
        try:
            return _faster(instrument)
        except (UserError, OSError) as error:
            why_not = f"{error}".rstrip(".")
    print(f"Plays by torch: {why_not}.")
    return instrument


def by_onnx(instrument: Synthesizer, threads: int | None = None) -> Synthesizer:
    """The same instrument with its network in onnxruntime, exported at first and kept in `cache()`.

    Raises:
        UserError: onnxruntime is not installed, or the packages that export are not and nothing was kept.
    """
    require_onnxruntime()
    path, digest = _kept_as(instrument), instrument.bundle.digest
    if path.is_file():
        try:
            return Synthesizer(instrument.bundle, network=OnnxNetwork(path, digest=digest, threads=threads))
        except UserError:
            path.unlink(missing_ok=True)  # damaged; it is only a copy
    print("Preparing this instrument for onnxruntime (once, some seconds) …")
    export_onnx(instrument, path, with_sound=False)
    for old in path.parent.glob(f"{path.stem.split('-')[0]}-*"):  # of other versions of the packages
        if old.stem != path.stem:
            old.unlink(missing_ok=True)
    return Synthesizer(instrument.bundle, network=OnnxNetwork(path, digest=digest, threads=threads))


def cache() -> Path:
    """Where exported networks and measured choices are kept; deleting it costs a few seconds at the next launch."""
    return home() / "runtime"


def _kept_as(instrument: Synthesizer) -> Path:
    """The file of a network: named by its weights, and by all else that its graph or its bits follow from."""

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return ""

    digest = instrument.bundle.digest
    packages = {name: installed(name) for name in ("darktimbre", "torch", "onnxscript", "onnxruntime")}
    edits = [edit.model_dump(mode="json") for edit in instrument.bundle.edits]
    facts = [GRAPH, digest, instrument.bundle.network.model_dump(mode="json"), packages, *edits]
    key = json.dumps(facts, sort_keys=True)
    return cache() / f"{digest[:16]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.onnx"


# ----------------------------------------------------------------------------
# The choice


def _faster(instrument: Synthesizer) -> Synthesizer:
    """Torch or onnxruntime, as measured here now or, for this bundle, machine and number of threads, at some time."""
    threads = torch.get_num_threads()
    found = _choices(instrument).get(_circumstances(threads))
    when, other = "as measured before", None
    if not _valid(found):
        other = by_onnx(instrument)
        measured = compare(instrument, other)
        found = _choices(instrument).get(_circumstances(threads))  # another process may have measured meanwhile
        if not _valid(found):
            found, when = measured, "measured now, and kept"
            keep_choice(instrument, threads, found)
    chosen = instrument if found["runtime"] == "torch" else other or by_onnx(instrument)
    figures = f"torch {found['torch_ms']:.1f} ms a note, onnxruntime {found['onnx_ms']:.1f} ms"
    print(f"Plays by {'onnxruntime' if chosen.runtime == 'onnx' else 'torch'} ({when}: {figures}).")
    return chosen


def compare(by_torch: Synthesizer, by_onnx: Synthesizer) -> dict[str, Any]:
    """Both take turns for about a second; the `choice` by the medians of a whole note."""
    watches = (Stopwatch(by_torch), Stopwatch(by_onnx))
    taken: tuple[list[float], list[float]] = ([], [])
    turns = list(zip(watches, taken, strict=True))
    end, number = time.monotonic() + SECONDS, 0
    while number < WARM_UP + AT_LEAST or time.monotonic() < end:
        for watch, seconds in turns:
            seconds.append(watch.note(number).total)
        turns.reverse()  # threads of the one that still spin would else always burden the other
        number += 1
    return choice(*(1e3 * statistics.median(seconds[WARM_UP:]) for seconds in taken))


def choice(torch_ms: float, onnx_ms: float) -> dict[str, Any]:
    """The faster runtime, with the figures; torch where there is little between them."""
    runtime = "onnx" if onnx_ms < GAIN * torch_ms else "torch"
    return {"runtime": runtime, "torch_ms": round(torch_ms, 3), "onnx_ms": round(onnx_ms, 3)}


def kept_choice(instrument: Synthesizer, threads: int) -> str | None:
    """The runtime that `auto` has chosen for this instrument on this machine; None where it has not yet."""
    found = _choices(instrument).get(_circumstances(threads))
    return found["runtime"] if _valid(found) else None


def keep_choice(instrument: Synthesizer, threads: int, found: dict[str, Any]) -> None:
    """Lets `auto` go by a `choice` from now on."""
    path = _kept_as(instrument).with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    choices = {**_choices(instrument), _circumstances(threads): found}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(choices, indent=1), encoding="utf-8")


def _choices(instrument: Synthesizer) -> dict[str, Any]:
    try:
        choices = json.loads(_kept_as(instrument).with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return choices if isinstance(choices, dict) else {}


def _valid(found: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(found, dict) and found.get("runtime") in RUNTIMES[1:] and {"torch_ms", "onnx_ms"} <= set(found)


def _circumstances(threads: int) -> str:
    """What a choice holds for: this machine and a number of threads."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    processor = model or platform.processor() or platform.machine()
    return f"{platform.node()}, {processor}, {os.cpu_count()} cores, {threads} threads"
