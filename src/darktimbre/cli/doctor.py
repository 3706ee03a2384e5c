"""`darktimbre doctor`: what is installed, on what machine, what is missing and what to do about it."""

import importlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from darktimbre.notes.errors import UserError

GOOD, MISSING, BROKEN = "good", "missing", "broken"
OLDEST = (3, 11)
ROOM = 2.0  # GB that a quickstart and its environment want to have free
LIBRARIES = (
    "torch", "numpy", "scipy", "lightning_fabric", "pydantic", "yaml", "pyarrow", "soundfile", "soxr", "fluidsynth",
    "mido", "safetensors", "huggingface_hub", "matplotlib", "tensorboard", "h5py", "tflite",
)  # fmt: skip
OPTIONAL = ("fluidsynth",)  # imports only where FluidSynth itself is there; has a line of its own
SOUND_FORMATS = ("WAV", "AIFF", "FLAC", "OGG", "MP3")


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        what: what was looked at.
        state: `good`, `missing` (darktimbre goes on without it) or `broken` (it cannot).
        found: what is there.
        remedy: what to do where it is not good.
    """

    what: str
    state: str
    found: str
    remedy: str = ""


def doctor(json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Tell what is installed, which device and which weights there are, what is missing and the remedy.

    Exit status 1 where something is broken without which nothing works; what is merely missing is said.
    """
    found = list(examine())
    broken = [one for one in found if one.state == BROKEN]
    if json_:
        typer.echo(json.dumps({"well": not broken, "findings": [asdict(one) for one in found]}, indent=1))
    else:
        _print(found)
    if broken:
        raise typer.Exit(1)


def _print(found: list[Finding]) -> None:
    from rich.text import Text

    from darktimbre.cli.console import console

    marks = {GOOD: ("✓", "green"), MISSING: ("–", "yellow"), BROKEN: ("✗", "red")}
    width = max(len(one.what) for one in found)
    for one in found:
        mark, colour = marks[one.state]
        console().print(Text.assemble((mark, colour), f" {one.what:<{width}}  {one.found}"), soft_wrap=True)
        if one.remedy:
            console().print(f"  {'':<{width}}  → {one.remedy}", markup=False, soft_wrap=True)


def examine() -> Iterator[Finding]:
    """All findings; a look that itself fails is one that is broken."""
    for look in (_python, _libraries):
        yield look()
    for part in (
        _torch, _devices, _allocator, _sound_files, _fluidsynth, _soundfonts, *_teachers(), _starter, _disk,
    ):  # fmt: skip
        yield _guarded(part)


def _guarded(look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except (ImportError, OSError) as error:
        name = look.__name__.strip("_").replace("_", " ")
        return Finding(name, BROKEN, f"{type(error).__name__}: {error}", "install darktimbre again: `make setup`")


def _python() -> Finding:
    old = sys.version_info < OLDEST
    found = f"{platform.python_version()} ({sys.executable}) on {platform.platform(terse=True)}"
    remedy = f"darktimbre needs Python {OLDEST[0]}.{OLDEST[1]} or newer" if old else ""
    return Finding("Python", BROKEN if old else GOOD, found, remedy)


def _libraries() -> Finding:
    from darktimbre.cli.console import version

    lacking = []
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except Exception as error:  # a library that is half there fails in its own way
            if name not in OPTIONAL:
                lacking.append(f"{name} ({type(error).__name__})")
    if lacking:
        return Finding(
            "darktimbre", BROKEN, f"{version()}; without {', '.join(lacking)}", "install again: `make setup`"
        )
    return Finding("darktimbre", GOOD, f"{version()} with all its libraries ({Path(__file__).parents[1]})")


def _torch() -> Finding:
    import torch

    from darktimbre.training.distributed import computes_bf16

    narrow = "bf16" if computes_bf16(torch.device("cpu")) else "no bf16"
    cores = os.cpu_count() or 1
    return Finding("torch", GOOD, f"{torch.__version__}; {torch.get_num_threads()} threads on {cores} cores, {narrow}")


def _devices() -> Finding:
    import torch

    from darktimbre.training.distributed import computes_bf16

    if not torch.cuda.is_available():
        return Finding("device", GOOD, "cpu; no CUDA device, so training takes hours rather than minutes")
    told = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        narrow = ", bf16" if computes_bf16(torch.device("cuda", index)) else ""
        told.append(f"cuda:{index} {properties.name} ({properties.total_memory / 1e9:.0f} GB{narrow})")
    return Finding("device", GOOD, "; ".join(told))


def _allocator() -> Finding:
    from darktimbre.cli import allocator

    if allocator.tune():
        return Finding("allocator", GOOD, "tuned for large tensors")
    return Finding("allocator", MISSING, "not glibc's: it is left as it is", "training may take longer; nothing to do")


def _sound_files() -> Finding:
    import soundfile

    known = soundfile.available_formats()
    lacking = [name for name in SOUND_FORMATS if name not in known]
    found = f"{soundfile.__libsndfile_version__}: {', '.join(name for name in SOUND_FORMATS if name in known)}"
    remedy = f"a newer libsndfile reads {', '.join(lacking)}: `pip install -U soundfile`" if lacking else ""
    return Finding("libsndfile", MISSING if lacking else GOOD, f"{found} and {len(known)} formats in all", remedy)


def _fluidsynth() -> Finding:
    import ctypes

    from darktimbre.corpus.fluid import load_library

    try:
        library = load_library()
    except UserError as error:
        return Finding("FluidSynth", MISSING, "not here", str(error))
    told = library._fl.fluid_version_str
    told.restype = ctypes.c_char_p
    return Finding("FluidSynth", GOOD, told().decode())


def _soundfonts() -> Finding:
    from darktimbre.corpus.soundfont import installed_soundfonts

    fonts = installed_soundfonts()
    if fonts:
        return Finding("SoundFonts", GOOD, ", ".join(str(font) for font in fonts))
    return Finding(
        "SoundFonts", MISSING, "none", "`apt install fluid-soundfont-gm`, or `darktimbre render --soundfont`"
    )


def _teachers() -> list[Callable[[], Finding]]:
    from darktimbre.teachers.tagger import NAMES

    def look(name: str) -> Finding:
        what = f"teacher {name}"
        if name == "embedded":
            from darktimbre import teachers

            try:
                return Finding(what, GOOD, f"ships with darktimbre ({teachers.load(name).digest[:12]}…)")
            except UserError as error:
                return Finding(what, MISSING, "not here", str(error))
        from darktimbre.teachers.weights import kept, locate

        entry = kept(name)
        if entry:
            return Finding(what, GOOD, f"{locate(name)} ({entry['sha256'][:12]}…)")
        remedy = f"`darktimbre weights fetch {name}`, or `darktimbre weights add {name} FILE`"
        return Finding(what, MISSING, "no weights", remedy)

    return [lambda name=name: look(name) for name in NAMES]  # type: ignore[misc]


def _starter() -> Finding:
    from darktimbre.bundle.bundle import Bundle
    from darktimbre.bundle.where import has_starter

    remedy = "`darktimbre train darkgan-small --corpus CORPUS` makes an instrument"
    if not has_starter():
        return Finding("starter", MISSING, "this installation ships no instrument", remedy)
    try:
        bundle = Bundle.from_pretrained("starter", discriminator=True)
        bundle.generator()
    except UserError as error:
        return Finding("starter", MISSING, str(error), "install darktimbre again: `make setup`")
    seen = bundle.config.get("provenance", {}).get("notes_seen", 0)
    further = "" if bundle.discriminator is not None else "; for playing only"
    return Finding(
        "starter",
        GOOD,
        f"{bundle.digest[:12]}…, {len(bundle.attributes.names)} attributes, {seen:,} notes seen{further}",
    )


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    found = f"{free:.1f} GB free in {Path.cwd()}"
    remedy = f"a quickstart wants {ROOM:g} GB; free some, or work in another folder" if free < ROOM else ""
    return Finding("disk", MISSING if free < ROOM else GOOD, found, remedy)
