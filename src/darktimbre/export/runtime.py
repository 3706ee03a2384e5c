"""Opens an instrument in the runtime wanted: torch, torch with bfloat16 products, onnxruntime, or the fastest here.

What `auto` finds is kept, so that an instrument sounds the same to the bit from launch to launch: torch and onnxruntime
agree within rounding, not in the last bits, and bfloat16 within `ROUNDED`.
"""

import hashlib
import json
import math
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
from darktimbre.models.config import ProgressiveConfig
from darktimbre.models.convolution import computes_bf16
from darktimbre.notes.errors import UserError
from darktimbre.notes.home import home
from darktimbre.synthesizer.runtime import OnnxNetwork, require_onnxruntime
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.synthesizer.timing import WARM_UP, Stopwatch

RUNTIMES = ("auto", "torch", "bf16", "onnx")
NAMES = {"torch": "torch", "bf16": "torch in bfloat16", "onnx": "onnxruntime"}
AT_LEAST, SECONDS = 5, 1.0  # rounds and seconds of a measurement
GAIN = 0.95  # another runtime is taken where its note takes at most this share of torch's: torch is the reference
ROUNDED = -30.0  # dB: how large the error of bfloat16 may be (`rounding_db`) for `auto` to take it


def open_instrument(name: str, device: str = "cpu", runtime: str = "auto", inversion: str | None = None) -> Synthesizer:
    """Loads an instrument; `Synthesizer.runtime` is the runtime it plays by.

    Args:
        name: a bundle's folder, `starter`, or a Hugging Face id.
        device: a torch device; the other runtimes play on the CPU alone.
        runtime: `torch`, `bf16`, `onnx` or `auto`, which prints what it chose and why.
        inversion: how its spectrograms become sound, if not as the bundle has it; see `Bundle.inverted_by`.

    Raises:
        UserError: no such bundle, device, runtime or inversion; or the runtime wanted cannot be had here.
    """
    if runtime not in RUNTIMES:
        raise UserError(f"There is no runtime {runtime!r}; choose one of {', '.join(RUNTIMES)}.")
    bundle = Bundle.from_pretrained(name)
    instrument = Synthesizer(bundle if inversion is None else bundle.inverted_by(inversion), device)
    on_cpu = instrument.device.type == "cpu"
    if runtime in ("bf16", "onnx") and not on_cpu:
        raise UserError(
            f"The runtime {runtime} plays on the CPU, not on {device}: leave out --device, or take --runtime torch."
        )
    if runtime == "torch" or not on_cpu:
        return instrument
    return _fastest(instrument) if runtime == "auto" else by(runtime, instrument)


def by(runtime: str, instrument: Synthesizer) -> Synthesizer:
    """An instrument that torch plays, in the runtime of this name.

    Raises:
        UserError: it cannot be had here, or not for this instrument.
    """
    return {"torch": lambda one: one, "bf16": by_bf16, "onnx": by_onnx}[runtime](instrument)


def by_bf16(instrument: Synthesizer) -> Synthesizer:
    """The same instrument, its network's convolutions multiplying bfloat16.

    Raises:
        UserError: the processor has no such units, with which alone it is faster, or the network is no GAN's.
    """
    if not computes_bf16(torch.device("cpu")):
        raise UserError(
            "This processor has no units for bfloat16, so that the runtime bf16 would be slower than torch."
        )
    if instrument.encodes or not isinstance(instrument.bundle.network, ProgressiveConfig):
        raise UserError("The runtime bf16 plays only the generators of GANs.")
    return Synthesizer(instrument.bundle, bf16=True)


def rounding_db(instrument: Synthesizer, rounded: Synthesizer, notes: int = 4) -> float:
    """Error of a rounded network's sound in dB, the loudest of some notes: energy of the difference of magnitudes
    (STFT of 1024 samples), relative to the notes'. Phases are left out: partials that drift apart by a small error of
    frequency sound alike, and differ as waves."""
    window = torch.hann_window(1024)
    one, other = (
        torch.stft(torch.from_numpy(each.render(seed=range(notes))), 1024, window=window, return_complex=True).abs()
        for each in (instrument, rounded)
    )
    share = (one - other).square().sum(dim=(1, 2)) / one.square().sum(dim=(1, 2)).clamp_min(1e-12)
    return 10 * math.log10(max(float(share.max()), 1e-12))


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


def _fastest(instrument: Synthesizer) -> Synthesizer:
    """The fastest as measured here now or, for this bundle, machine and number of threads, at some time."""
    threads = torch.get_num_threads()
    found = _choices(instrument).get(_circumstances(threads))
    when, opened = "as measured before", {"torch": instrument}
    if not _valid(found):
        others, why_not = alternatives(instrument)
        if not others:
            print(f"Plays by torch: {why_not}.")
            return instrument
        opened |= others
        measured = compare(opened)
        found = _choices(instrument).get(_circumstances(threads))  # another process may have measured meanwhile
        if not _valid(found):
            found, when = measured, "measured now, and kept"
            keep_choice(instrument, threads, found)
    runtime = found["runtime"]
    chosen = opened[runtime] if runtime in opened else by(runtime, instrument)
    figures = ", ".join(f"{NAMES[one]} {ms:.1f} ms" for one, ms in found["ms"].items())
    print(f"Plays by {NAMES[runtime]} ({when}; a note takes {figures}).")
    return chosen


def alternatives(instrument: Synthesizer) -> tuple[dict[str, Synthesizer], str]:
    """The instrument by each other runtime that can be had here and is accurate enough, and why one is missing."""
    found, why_not = {}, ""
    for runtime in ("bf16", "onnx"):
        try:
            one = by(runtime, instrument)
        except (UserError, OSError) as error:
            why_not = f"{error}".rstrip(".")
            continue
        if runtime == "bf16" and rounding_db(instrument, one) > ROUNDED:
            continue
        found[runtime] = one
    return found, why_not


def compare(opened: dict[str, Synthesizer]) -> dict[str, Any]:
    """All take turns for about a second; the `choice` by the medians of a whole note."""
    watches = {runtime: Stopwatch(one) for runtime, one in opened.items()}
    taken: dict[str, list[float]] = {runtime: [] for runtime in opened}
    turns = list(watches)
    end, number = time.monotonic() + SECONDS, 0
    while number < WARM_UP + AT_LEAST or time.monotonic() < end:
        for runtime in turns:
            taken[runtime].append(watches[runtime].note(number).total)
        turns.reverse()  # threads of the one that still spin would else always burden the other
        number += 1
    return choice({runtime: 1e3 * statistics.median(seconds[WARM_UP:]) for runtime, seconds in taken.items()})


def choice(ms: dict[str, float]) -> dict[str, Any]:
    """The fastest runtime, with the figures; torch where there is little between them. `ms`: of a note, by runtime."""
    fastest = min(ms, key=lambda runtime: ms[runtime])
    runtime = fastest if ms[fastest] < GAIN * ms.get("torch", math.inf) else "torch"
    return {"runtime": runtime, "ms": {one: round(value, 3) for one, value in ms.items()}}


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
    if not isinstance(found, dict) or not isinstance(found.get("ms"), dict) or found.get("runtime") not in found["ms"]:
        return False
    return all(one in NAMES and isinstance(ms, int | float) for one, ms in found["ms"].items())


def _circumstances(threads: int) -> str:
    """What a choice holds for: this machine and a number of threads."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    processor = model or platform.processor() or platform.machine()
    return f"{platform.node()}, {processor}, {os.cpu_count()} cores, {threads} threads"
