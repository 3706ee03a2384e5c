"""What surrounds the server on this machine: its port, and the browser that is opened."""

import asyncio
import socket
import sys
import threading
import webbrowser
from pathlib import Path

import pytest

from darktimbre.instrument import serving


def test_the_usual_port_gives_way_to_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(serving, "PORT", taken.getsockname()[1])
        with serving.bind("127.0.0.1", None) as other:
            assert other.getsockname()[1] != serving.PORT


def test_answers_are_sent_at_once_not_collected() -> None:
    """TCP_NODELAY on the server's side, without which each answer waits 40 ms for an acknowledgement."""
    taken: list[int] = []

    class Noted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connection = transport.get_extra_info("socket")
            taken.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def connect() -> None:
        listening = serving.bind("127.0.0.1", 0)
        server = await asyncio.get_running_loop().create_server(Noted, sock=listening)
        async with server:
            _, writer = await asyncio.open_connection(*listening.getsockname())
            while not taken:
                await asyncio.sleep(0.01)
            writer.close()

    asyncio.run(asyncio.wait_for(connect(), 10))
    assert taken[0] != 0


def test_a_browser_is_opened_where_one_can_be_seen_and_other_users_never_see_the_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened, done = [], threading.Event()
    monkeypatch.setattr(webbrowser, "open", lambda link: (opened.append(link), done.set()))
    serving.open_page("http://127.0.0.1:1/#token=x", tmp_path)
    assert done.wait(5)
    assert opened == [(tmp_path / "open.html").as_uri()]
    assert "http://127.0.0.1:1/#token=x" in (tmp_path / "open.html").read_text()
    assert (tmp_path / "open.html").stat().st_mode & 0o077 == 0
    if sys.platform == "linux":
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        assert not serving.has_display()
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
        assert serving.has_display()
