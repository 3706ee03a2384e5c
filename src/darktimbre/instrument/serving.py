"""The server's application → a port of this machine: uvicorn, with clocks for those who send or read nothing."""

import asyncio
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from darktimbre.instrument.admission import Admission, Limits
from darktimbre.instrument.guard import App, Guard
from darktimbre.notes.errors import UserError

PORT = 8321  # the usual one
FRAGMENTS = 1024  # of one live message


def bind(host: str, port: int | None) -> socket.socket:
    """A listening socket at an address of this machine; port 0 is any free one, None the usual one or else any.

    Raises:
        UserError: the address is not this machine's, or the port is in use.
    """
    if port is None:
        try:
            return bind(host, PORT)
        except UserError:
            return bind(host, 0)
    host = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol left at 0, asyncio would not know TCP, leave Nagle's algorithm on, and each answer take 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # On Windows, SO_REUSEADDR would let two programs listen at one port, and the other option keeps such ones out.
    kept = "SO_EXCLUSIVEADDRUSE" if sys.platform == "win32" else "SO_REUSEADDR"
    listening.setsockopt(socket.SOL_SOCKET, getattr(socket, kept), 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        why = (error.strerror or str(error)).lower()
        raise UserError(f"{host} port {port} cannot be used ({why}): give another --port, or 0 for any.") from error
    return listening


@contextmanager
def ends_by_signals() -> Iterator[None]:
    """Inside, SIGTERM, and a terminal that is closed, end the process as Ctrl-C does: by a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def has_display() -> bool:
    """Whether a browser could be seen here."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_page(link: str, folder: Path) -> None:
    """Opens the page by way of a file that only this user can read: other users see what commands are given."""
    way = folder / "open.html"
    way.touch(mode=0o600)
    way.write_text(
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={link}">\n', "utf-8"
    )
    # Some browsers' commands return only when the browser ends.
    threading.Thread(target=webbrowser.open, args=(way.as_uri(),), daemon=True).start()


def server(app: App, admission: Admission) -> uvicorn.Server:
    """What serves the application behind its guard: `run([listening])`, until `should_exit` is set."""
    limits = admission.limits
    config = uvicorn.Config(
        Guard(app, admission),
        http=_with(limits, _Http),
        ws=_with(limits, _Live),
        ws_max_size=limits.message_bytes,
        ws_per_message_deflate=False,  # no message grows when it is unpacked, and samples hardly shrink
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=0,
        h11_max_incomplete_event_size=limits.head_bytes,
    )
    return uvicorn.Server(config)


def serve(app: App, listening: socket.socket, admission: Admission) -> None:
    """Serves until Ctrl-C or SIGTERM ends the process.

    Raises:
        KeyboardInterrupt: it was; also where Ctrl-C is otherwise ignored, as in a shell's background.
    """
    with closing(listening):
        server(app, admission).run([listening])
    raise KeyboardInterrupt


class _Clock:
    """A time by which something must have happened, or the connection is cut, with all that still waits in it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, seconds: float) -> None:
        self._loop, self._transport, self._seconds = loop, transport, seconds
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts it, unless it runs."""
        if self._handle is None:
            self._handle = self._loop.call_later(self._seconds, self._transport.abort)

    def stop(self) -> None:
        """It has happened."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _Cut(asyncio.Protocol):
    """What both protocols share: a connection whose answers are not taken for too long is cut."""

    limits: Limits
    loop: asyncio.AbstractEventLoop

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._taken = _Clock(self.loop, transport, self.limits.send_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._taken.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taken.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taken.stop()


class _Http(_Cut, H11Protocol):
    """HTTP/1.1, cut when the head of a request does not arrive, or nothing of an answer is taken, for too long."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head = _Clock(self.loop, transport, self.limits.head_seconds)
        if len(self.connections) > 2 * self.limits.connections:  # beyond those that are answered 503
            transport.abort()
        self._head.start()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head.stop()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._head.stop()
        super().handle_websocket_upgrade(event)

    def _await_head(self) -> None:
        """The clock runs while no request is served; a kept connection is closed earlier by uvicorn's own."""
        serving = self.cycle is not None and not self.cycle.response_complete
        if serving or self.transport.get_protocol() is not self:
            self._head.stop()
        else:
            self._head.start()


class _Live(_Cut, WebSocketsSansIOProtocol):
    """A WebSocket, cut when nothing is taken for too long: waiting for it to close in order would be for ever.

    So is one that sends what costs nothing to send and has to be kept: fragments without content or end, and pings
    whose answers are not read.
    """

    def handle_cont(self, event: Any) -> None:
        super().handle_cont(event)
        if len(self.frames) > FRAGMENTS:
            self.transport.abort()

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.transport.get_write_buffer_size() > self.limits.outgoing_bytes:
            self.transport.abort()


def _with(limits: Limits, protocol: type[Any]) -> type[Any]:
    return type(protocol.__name__, (protocol,), {"limits": limits})
