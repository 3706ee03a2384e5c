"""`darktimbre play`: an instrument in the browser, served on this machine."""

import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from darktimbre.cli.playing import BundleName, Device, Inversion
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from darktimbre.instrument.messages import ExportRequest, Heard
    from darktimbre.instrument.renderer import Renderer
    from darktimbre.notes.attributes import Attributes
    from darktimbre.synthesizer.synthesizer import Synthesizer

PORT = 8321
EXPORTS = ("sfz", "decentsampler", "wavs")
MEANING = (
    "anyone on the network who has the link can play, upload sounds and use this machine's processor; nothing is "
    "encrypted; and browsers give a page from the network no AudioWorklet, no MIDI and no recording"
)


def play(
    bundle: BundleName,
    host: Annotated[
        str, typer.Option(help="Address to listen at; only this machine can reach 127.0.0.1.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help=f"Port; 0 for any free one. {PORT} if that is free.", show_default=False),
    ] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    teacher: Annotated[
        str | None, typer.Option(help="Who listens to dropped sounds; by default whom the instrument learnt from.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The teacher's weights, instead of those kept by `weights`.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="What computes: auto, torch or onnx.")] = "auto",
    inversion: Inversion = None,
    device: Device = "cpu",
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help=f"Allow a --host that others can reach: {MEANING}.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name or address that others open; needed for 0.0.0.0. May be repeated."),
    ] = None,
) -> None:
    """Play an instrument in the browser: keyboard, sliders named after sounds, presets, recording.

    The page works offline and talks to this machine alone. Ctrl-C ends it.
    """
    from tempfile import TemporaryDirectory

    from darktimbre.cli.console import caution, say
    from darktimbre.cli.runtime import open_instrument
    from darktimbre.instrument import server, serving
    from darktimbre.instrument.admission import Admission, authority
    from darktimbre.instrument.presets import Presets
    from darktimbre.instrument.renderer import Renderer

    names = _names(host, allow_network, allow_host or [])
    with (
        _ends_in_order(),
        _bound(host, port) as listening,
        TemporaryDirectory(prefix="darktimbre-", ignore_cleanup_errors=True) as folder,
    ):
        if not _loopback(host):
            caution(f"Listening at {host}: {MEANING}.")
        admission = Admission.at(listening.getsockname()[1], names)
        instrument = open_instrument(bundle, device, runtime, inversion)
        with Renderer(instrument) as renderer:
            _warm_up(renderer)
            served = server.app(
                instrument,
                renderer,
                admission=admission,
                presets=Presets(_presets_file(instrument), instrument.bundle.digest),
                listener=Listener(instrument.attributes, teacher, weights, device),
                teacher=teacher_name(instrument.attributes, teacher, weights),
                exporter=_exporter(instrument, Path(folder)),
                exports=EXPORTS,
            )
            link = f"http://{authority(names[0], listening.getsockname()[1])}/#token={admission.token}"
            say(f"Playing {bundle} at {link}\nCtrl-C ends it.")
            if browser and _has_display():
                _open(link, Path(folder))
            try:
                serving.serve(served, listening, admission)
                return
            except KeyboardInterrupt:
                pass  # first give back what is held here
    _leave()


@contextmanager
def _ends_in_order() -> "Iterator[None]":
    """SIGTERM, and a terminal that is closed, end it as Ctrl-C does: the folder goes with what lies in it."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    asked = [number for number in asked if signal.getsignal(number) != signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, signal.default_int_handler) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave() -> None:
    """Ends by Ctrl-C without Python's own way out, which takes a second or two to take torch to pieces."""
    import os
    import sys

    from darktimbre.cli.console import INTERRUPTED, complain

    complain("Stopped on your request.")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


class Listener:
    """Who listens to dropped sounds: loaded when the first is dropped, and told once where it is not the right one."""

    def __init__(
        self, attributes: "Attributes", teacher: str | None = None, weights: Path | None = None, device: str = "cpu"
    ) -> None:
        import threading

        self._attributes, self._teacher, self._weights, self._device = attributes, teacher, weights, device
        self._lock = threading.Lock()
        self._ready: tuple[Any, Attributes] | None = None

    def __call__(self, wave: "NDArray[Any]", rate: int) -> "Heard":
        """What is heard in a wave (sample,), and its pitch, if any."""
        from darktimbre.cli.listening import heard_levels, heard_pitch
        from darktimbre.instrument.messages import Heard

        try:
            pitch = heard_pitch(wave, rate) if self._attributes.pitches else None
        except UserError:
            pitch = None
        if not self._attributes.names:
            return Heard({}, pitch, "")
        with self._lock:
            if self._ready is None:
                self._ready = self._load()
            tagger, attributes = self._ready
            return Heard(heard_levels(wave, rate, tagger, attributes), pitch, tagger.name)

    def _load(self) -> "tuple[Any, Attributes]":
        """The teacher, and the attributes as if the instrument had learnt from it."""
        from dataclasses import replace

        from darktimbre import teachers
        from darktimbre.cli.console import caution

        own = self._attributes.teacher
        if self._teacher is not None or self._weights is not None:
            tagger = teachers.load(self._teacher or own, device=self._device, weights=self._weights)
        else:
            tagger = teachers.load(teacher_name(self._attributes, None, None), device=self._device)
        if tagger.digest != self._attributes.teacher_digest:
            remedy = "" if self._teacher or self._weights else f" `darktimbre weights` gets {own} onto this machine."
            caution(
                f"{tagger.name} listens to what you drop, but this instrument learnt from {own} with other weights: "
                f"what it hears only resembles what the sliders mean.{remedy}"
            )
        return tagger, replace(self._attributes, teacher_digest=tagger.digest)


def teacher_name(attributes: "Attributes", teacher: str | None, weights: Path | None) -> str:
    """Who will listen: the one asked for, else the instrument's own if it is here, else the one that ships along."""
    from darktimbre.teachers.weights import kept

    own = attributes.teacher
    if teacher is not None or weights is not None:
        return teacher or own
    return own if own == "embedded" or (_known(own) and kept(own)) else "embedded"


def _known(teacher: str) -> bool:
    from darktimbre import teachers

    return teacher in teachers.tagger.NAMES


def _names(host: str, allow_network: bool, allowed: list[str]) -> list[str]:
    """What the page's address may be called, the one to print first.

    Raises:
        UserError: the address is open to the network and that was not allowed, or nobody knows what it is called.
    """
    if _loopback(host):
        if allowed:
            raise UserError("--allow-host is for a --host that others can reach; leave it out.")
        return ["127.0.0.1" if host == "localhost" else host, "localhost"]
    if not allow_network:
        raise UserError(f"--host {host} lets others in: {MEANING}. Add --allow-network if you want that.")
    if host in ("0.0.0.0", "::"):
        if not allowed:
            raise UserError(
                f"With --host {host}, say by --allow-host what name or address others open, such as 192.168.1.20."
            )
        return allowed
    return [host, *allowed]


def _loopback(host: str) -> bool:
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise UserError(f"--host takes an address of this machine, such as 127.0.0.1, not {host!r}.") from None


def _bound(host: str, port: int | None) -> socket.socket:
    """A listening socket at the port asked for, or at the usual one, or, where that is taken, at any."""
    from darktimbre.instrument.serving import bind

    address = "127.0.0.1" if host == "localhost" else host
    if port is not None:
        return bind(address, port)
    try:
        return bind(address, PORT)
    except UserError:
        return bind(address, 0)


def _presets_file(instrument: "Synthesizer") -> Path:
    import re

    from darktimbre.instrument.describe import name_of
    from darktimbre.teachers.weights import home

    name = re.sub(r"[^\w.-]+", "-", name_of(instrument)).strip("-.")[:60] or "instrument"
    return home().parent / "presets" / f"{name}-{instrument.bundle.digest[:12]}.json"


def _warm_up(renderer: "Renderer") -> None:
    """The first note takes longer than all that follow; it is the one a player hears first, too."""
    from darktimbre.synthesizer.patch import Patch

    patch = Patch()
    middle = renderer.sources[len(renderer.sources) // 2]
    renderer.note(patch.key(renderer.instrument.bundle.digest), patch, middle, timeout=300.0)


def _exporter(instrument: "Synthesizer", folder: Path) -> "Callable[[ExportRequest], Path]":
    """Makes archives for samplers inside `folder`."""

    def export(asked: "ExportRequest") -> Path:
        from secrets import token_hex
        from tempfile import TemporaryDirectory

        from darktimbre.export.packing import export_zip

        settings = asked.model_dump(exclude={"format", "patches"})
        with TemporaryDirectory(dir=folder) as room:  # holds the samples unpacked, too: several times the archive
            made = export_zip(instrument, asked.format, asked.patches, Path(room), **settings)
            return made.rename(folder / f"{token_hex(8)}{made.suffix}")

    return export


def _has_display() -> bool:
    import os
    import sys

    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(link: str, folder: Path) -> None:
    """Opens the page by way of a file that only this user can read: other users see what commands are given."""
    import threading
    import webbrowser

    way = folder / "open.html"
    way.touch(mode=0o600)
    way.write_text(f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={link}">\n')
    # Some browsers' commands return only when the browser ends.
    threading.Thread(target=webbrowser.open, args=(way.as_uri(),), daemon=True).start()
