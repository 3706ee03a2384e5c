"""`darktimbre play`: an instrument in the browser, served on this machine."""

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from typer import Option

from darktimbre import teachers
from darktimbre.cli.console import INTERRUPTED, fail, say, warn
from darktimbre.cli.options import BundleName, Device, Inversion, Runtime, Teacher, Weights
from darktimbre.export import packing
from darktimbre.export import runtime as runtimes
from darktimbre.instrument import admission, messages, presets, renderer, server, serving, uploads
from darktimbre.notes import attributes as controls
from darktimbre.synthesizer import synthesizer, transfer
from darktimbre.teachers import weights as teacher_weights

EXPORTS = ("sfz", "decentsampler", "wavs")


def play(
    bundle: BundleName,
    host: Annotated[str, Option(help="Address to listen at; only this machine can reach 127.0.0.1.")] = "127.0.0.1",
    port: Annotated[
        int | None, Option(min=0, max=65535, help="Port; 0 for any free one. 8321 if that is free.", show_default=False)
    ] = None,
    browser: Annotated[bool, Option("--open/--no-open", help="Open the page in the browser.")] = True,
    teacher: Teacher = None,
    weights: Weights = None,
    runtime: Runtime = "auto",
    inversion: Inversion = None,
    device: Device = "cpu",
    allow_network: Annotated[
        bool,
        Option(
            "--allow-network",
            help="Allow a --host that others can reach: anyone on the network who has the link can play, upload sounds "
            "and use this machine's processor; nothing is encrypted; and browsers give a page from the network no "
            "AudioWorklet, no MIDI and no recording.",
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        Option(metavar="NAME", help="A name or address that others open; needed for 0.0.0.0. May be repeated."),
    ] = None,
) -> None:
    """Play an instrument in the browser: keyboard, sliders named after sounds, presets, recording.

    The page works offline and talks to this machine alone. Ctrl-C ends it.
    """
    names = admission.page_names(host, allow_network, allow_host or [])
    with (
        serving.ends_by_signals(),
        serving.bind(host, port) as listening,
        TemporaryDirectory(prefix="darktimbre-", ignore_cleanup_errors=True) as folder,
    ):
        if not admission.is_loopback(host):
            warn(f"Listening at {host}: {admission.EXPOSURE}.")
        address = listening.getsockname()[1]
        rules = admission.Admission.at(address, names)
        instrument = runtimes.open_instrument(bundle, device, runtime, inversion)
        chosen = teacher_name(instrument.attributes, teacher, weights)
        with renderer.Renderer(instrument) as rendering:
            rendering.warm_up()
            served = server.app(
                instrument,
                rendering,
                admission=rules,
                presets=presets.Presets.of(instrument),
                describer=describer(instrument.attributes, chosen, weights, device),
                teacher=chosen,
                exporter=exporter(instrument, Path(folder)),
                exports=EXPORTS,
            )
            link = f"http://{admission.authority(names[0], address)}/#token={rules.token}"
            say(f"Playing {bundle} at {link}\nCtrl-C ends it.")
            if browser and serving.has_display():
                serving.open_page(link, Path(folder))
            try:
                serving.serve(served, listening, rules)
                return
            except KeyboardInterrupt:
                pass  # first give back what is held here
    # Python's own way out takes a second or two to take torch to pieces.
    fail("Stopped on your request.")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def describer(
    attributes: "controls.Attributes", teacher: str | None, weights: Path | None, device: str
) -> "uploads.Describer | None":
    """What describes uploaded sounds by the teacher of that name; None where there is none."""
    if teacher is None:
        return None
    return uploads.TaggedSounds(attributes, lambda: load_teacher(attributes, teacher, weights, device))


def teacher_name(attributes: "controls.Attributes", teacher: str | None, weights: Path | None) -> str | None:
    """The teacher given, else the instrument's own if its weights are here, else the one in the package; None for
    styles, which no teacher predicts."""
    own = attributes.teacher
    if own == controls.STYLES:
        return None
    if teacher is not None or weights is not None:
        return teacher or own
    return own if own == "embedded" or (own in teachers.NAMES and teacher_weights.kept(own)) else "embedded"


def load_teacher(attributes: "controls.Attributes", name: str, weights: Path | None, device: str) -> "transfer.Tagger":
    """The teacher that describes uploaded sounds; warns where it is not the instrument's own."""
    tagger = teachers.load(name, device=device, weights=weights)
    differs = controls.teacher_mismatch(
        "This instrument was trained on labels by", attributes.labelled_by, "uploaded sounds are described by", tagger
    )
    if differs:
        own = attributes.teacher
        remedy = "" if weights or name == own else f" `darktimbre weights` gets {own} onto this machine."
        warn(f"{differs} exactly.{remedy}")
    return tagger


def exporter(instrument: "synthesizer.Synthesizer", folder: Path) -> "Callable[[messages.ExportRequest], Path]":
    """Makes archives for samplers inside `folder`."""

    def export(request: "messages.ExportRequest") -> Path:
        settings = request.model_dump(exclude={"format", "patches"})
        with TemporaryDirectory(dir=folder) as unpacked:
            made = packing.export_zip(instrument, request.format, request.patches, Path(unpacked), **settings)
            return made.rename(folder / f"{secrets.token_hex(8)}{made.suffix}")

    return export
