"""Hostile requests on a real port: nothing leaks, nothing hangs, nothing grows, and other clients go on."""

import asyncio
import contextlib
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import websockets
from tests.instrument.running import Running, running, until

from darktimbre.instrument.admission import Limits
from darktimbre.instrument.messages import DescriptionAnswer
from darktimbre.instrument.server import PageFile, page_files

LIMITS = Limits(
    json_bytes=8 << 10,
    upload_bytes=64 << 10,
    body_seconds=0.5,
    head_seconds=1.0,
    send_seconds=1.0,
    sockets=4,
    waiting=4,
)
PAGE = {"index.html": PageFile(b"<!doctype html>", "text/html"), "main.js": PageFile(b"export {}", "text/javascript")}


def described(wave: Any, rate: int) -> DescriptionAnswer:
    """A description of any sound."""
    return DescriptionAnswer(attributes={}, pitch=None, teacher="fake")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hostile")
    with running(folder, limits=LIMITS, page=PAGE, describer=described) as one:
        yield one


@pytest.fixture(autouse=True)
def _at_rest(served: Running, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After every attack the server is as before: nobody inside, nothing waiting, no bug reported, and it plays."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert until(lambda: _idle(served.statistics())), served.statistics()
    assert served.request("POST", "/api/render", {"pitch": 60}).status == 200


def _idle(statistics: dict[str, Any]) -> bool:
    waiting = [statistics["renderer"][name] for name in ("waiting_live", "waiting_http", "clients")]
    return not any([*waiting, statistics["clients"], *statistics["requests"].values()])


def _request(served: Running, method: str, path: str, *headers: str, host: str = "", token: bool = True) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or served.host}"]
    lines += [f"Authorization: Bearer {served.token}"] if token else []
    return "\r\n".join([*lines, *headers, "Connection: close", "", ""]).encode()


def _status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12])


def _tells_nothing(answer: bytes) -> None:
    for secret in (b"Traceback", b"/src/", b"site-packages", b".py", b'File "', b"darktimbre-"):
        assert secret not in answer, answer


# --- who ---


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "localhost:1", "127.0.0.1:1@evil.example"]
)
def test_a_rebound_name_gets_neither_page_nor_api(served: Running, host: str) -> None:
    for path in ("/", "/page/main.js", "/api/status", "/openapi.json"):
        answer = served.raw(_request(served, "GET", path, host=host))
        assert _status(answer) == 403
        assert served.token.encode() not in answer


def test_two_hosts_or_none_are_refused(served: Running) -> None:
    assert _status(served.raw(_request(served, "GET", "/", "Host: evil.example"))) in (400, 403)
    assert _status(served.raw(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")) == 400
    assert _status(served.raw(b"GET / HTTP/1.0\r\n\r\n")) == 403


def test_requests_and_preflights_of_another_page_are_refused(served: Running) -> None:
    for origin in ("http://evil.example", "null", f"https://{served.host}", f"http://{served.host}.evil.example"):
        answer = served.request("GET", "/api/status", headers={"Origin": origin})
        assert answer.status == 403
        preflight = served.request(
            "OPTIONS", "/api/render", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}, bare=True
        )
        assert preflight.status == 403
        assert not any(name.startswith("access-control") for name in {**answer.headers, **preflight.headers})
    assert served.request("GET", "/api/status", headers={"Origin": f"http://{served.host}"}).status == 200


def test_without_the_token_nothing_is_revealed(served: Running) -> None:
    for method, path in (("GET", "/api/instrument"), ("GET", "/openapi.json"), ("POST", "/api/render"), ("GET", "/x")):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"token={served.token}"}):
            answer = served.request(method, f"{path}?token={served.token}", headers=headers, bare=True)
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "link" in answer.error


def _upgrade(served: Running, path: str, *protocols: str, origin: str = "", host: str = "") -> bytes:
    """A request for a WebSocket."""
    lines = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    lines += [f"Origin: {origin}"] if origin else []
    lines += [f"Sec-WebSocket-Protocol: {', '.join(protocols)}"] if protocols else []
    return _request(served, "GET", path, *lines, host=host).replace(b"Connection: close", b"Connection: Upgrade")


def _protocols(served: Running) -> tuple[str, str]:
    return "darktimbre.1", f"token.{served.token}"


def test_a_live_connection_is_refused_before_it_is_accepted(served: Running) -> None:
    def status(*protocols: str, path: str = "/api/live", **more: str) -> int:
        return _status(served.raw(_upgrade(served, path, *protocols, **more), wait=0.3))

    own = _protocols(served)
    assert status(*own) == status(*own, origin=f"http://{served.host}") == 101
    for more in ({"origin": "http://evil.example"}, {"origin": "null"}, {"host": "evil.example"}):
        assert status(*own, **more) == 403
    for protocols in (("darktimbre.1",), ("darktimbre.1", "token.wrong"), ()):
        assert status(*protocols) == 401
    assert status(*own, path="/api/other") in (403, 404)


# --- paths ---


@pytest.mark.parametrize(
    "path",
    [
        "/page/../server.py", "/page/%2e%2e/server.py", "/page/%2e%2e%2fserver.py", "/page/%252e%252e%252fserver.py",
        "/page/..%5cserver.py", "/page/..\\server.py", "/page/%00", "/page/main.js%00", "/page//etc/passwd",
        "/page/main.js/", "/page/%2fetc%2fpasswd", "//etc/passwd", "/etc/passwd", "/page/", "/page", "/page/.",
        "/page/..", "/page/__init__.py", "/page/./main.js", "/page/MAIN.JS", "/page/main.js%20",
        "/page/%c0%ae%c0%ae/server.py", "/page/file:///etc/passwd",
        "http://evil.example/page/main.js", "/page/main.js;x", "/static/../page/main.js", "/%70age/%2e%2e/api/status",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_page(served: Running, path: str) -> None:
    for token in (True, False):
        answer = served.raw(_request(served, "GET", path, token=token))
        assert _status(answer) in (400, 401, 404)
        assert b"export {}" not in answer
        assert b"root:" not in answer
        _tells_nothing(answer)


def test_links_and_hidden_files_are_not_part_of_a_page(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "page"
    (folder / "inner").mkdir(parents=True)
    (folder / "main.js").write_text("export {}")
    (folder / ".hidden").write_text("hidden")
    (folder / "inner" / "deep.js").write_text("deep")
    (folder / "link.js").symlink_to(tmp_path / "secret")
    (folder / "way").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.js")
    assert list(page_files(folder)) == ["main.js"]


@pytest.mark.parametrize(
    "name", ["%2e%2e%2fx", "..%2f..%2fetc%2fpasswd", "%00", "a%0ab", "a%5cb", "x" * 81, "%2fetc%2fx", "Fl%f6te"]
)
def test_no_presets_name_is_a_path(served: Running, name: str) -> None:
    answer = served.request("PUT", f"/api/presets/{name}", {"seed": 1})
    assert answer.status in (404, 422)
    _tells_nothing(answer.body)
    assert served.request("GET", "/api/presets").json == {"presets": {}, "skipped": 0}


# --- bodies ---


def test_oversized_bodies_are_counted_not_believed(served: Running) -> None:
    large = b'{"pitch": 60, "x": "' + b"x" * (16 << 10) + b'"}'
    assert served.request("POST", "/api/render", large).status == 413
    sound = b"\x00" * (128 << 10)
    assert served.request("PUT", "/api/describe", sound, headers=served.bearer, bare=True).status == 413
    for path, kind, size in (
        ("/api/render", "application/json", 16 << 10),
        ("/api/describe", "application/octet-stream", 128 << 10),
        ("/api/presets/a", "application/json", 16 << 10),
    ):
        method = "POST" if path == "/api/render" else "PUT"
        head = _request(served, method, path, f"Content-Type: {kind}", "Transfer-Encoding: chunked")
        body = b"".join(b"400\r\n" + b" " * 1024 + b"\r\n" for _ in range(size >> 10)) + b"0\r\n\r\n"
        answer = served.raw(head + body)
        assert _status(answer) == 413
        _tells_nothing(answer)
        claimed = _request(
            served, method, path, f"Content-Type: {kind}", f"Content-Length: {1 << 60}", "Expect: 100-continue"
        )
        answer = served.raw(claimed)
        assert _status(answer) == 413  # at once, and without a 100 before


def test_a_body_shorter_than_it_claims_or_slow_is_cut(served: Running) -> None:
    for body in (b"", b'{"pitch"'):
        began = time.monotonic()
        answer = served.raw(
            _request(served, "POST", "/api/render", "Content-Type: application/json", "Content-Length: 100") + body
        )
        assert _status(answer) == 408
        assert time.monotonic() - began < 5
    head = _request(served, "PUT", "/api/describe", "Content-Length: 60000")
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(head)
        began, got = time.monotonic(), b""
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 8 and not got:
                connection.sendall(b"x")
                connection.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    got = connection.recv(1 << 16)
        assert _status(got) == 408
        assert time.monotonic() - began < 5


def test_heads_that_never_end_are_cut(served: Running) -> None:
    def silent(content: bytes) -> float:
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(content)
            began = time.monotonic()
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1 << 16) == b""
            return time.monotonic() - began

    with ThreadPoolExecutor() as at_once:
        for waited in at_once.map(silent, (b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\n")):
            assert 0.5 < waited < 4
    assert _status(served.raw(b"\x16\x03\x01\x02\x00\x01\x00")) == 400  # the beginning of TLS
    assert _status(served.raw(_request(served, "GET", "/", "X: " + "x" * (64 << 10)))) in (400, 431)


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"\x00" * 500,
        b"GET / HTTP/1.1\nHost: x\n\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_not_http_is_answered_400_or_dropped(served: Running, content: bytes) -> None:
    answer = served.raw(content, wait=3)
    assert answer == b"" or _status(answer) in (400, 403)
    _tells_nothing(answer)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b'{"pitch":NaN}', 400), (b'{"pitch":1e999}', 400), (b'{"pitch":' + b"9" * 4000 + b"}", 400),
        (b"[" * 4000, 400), (b'{"pitch":60,"pitch":61}', 400), (b"\xff\xfe\x00", 400), (b"[]", 422), (b"", 422),
        (b"null", 422), (b'"x"', 422), (b'{"pitch":60.5}', 422), (b'{"pitch":"60"}', 422), (b'{"pitch":true}', 422),
        (b'{"pitch":0}', 422), (b'{"rate":1}', 422), (b'{"rate":99999999}', 422), (b'{"bits":8}', 422),
        (b'{"x":1}', 422),
        (b'{"velocity":0}', 422), (b'{"format":"/etc/passwd"}', 422), (b'{"patch":{"seed":1e30}}', 422),
        (b'{"patch":{"seed":18446744073709551616}}', 422), (b'{"patch":{"pad":[2,0]}}', 422),
        (b'{"patch":{"attributes":{"Drum":1e300}}}', 422), (b'{"patch":{"attributes":{"\\ud800":1}}}', 422),
        (b'{"patch":{"name":"\\u0000"}}', 422), (b'{"patch":{"attributes":{"Drum":0,"drum":1}}}', 422),
        (b'{"patch":{"attributes":[]}}', 422), (b'{"patch":null}', 422), (b'{"patch":{"bundle":"../x"}}', 422),
    ],
)  # fmt: skip
def test_malformed_requests_end_in_one_sentence(served: Running, body: bytes, status: int) -> None:
    answer = served.request("POST", "/api/render", body)
    assert answer.status == status, answer.body
    assert answer.error.endswith((".", "?", "…"))
    _tells_nothing(answer.body)
    if status == 422 and body not in (b"",):
        assert served.request("POST", "/api/render/batch", b'{"notes":[' + body + b"]}").status == 422


def test_batches_and_exports_are_bounded(served: Running) -> None:
    assert served.request("POST", "/api/render/batch", {"notes": [{}] * 129}).status == 422
    assert served.request("POST", "/api/render/batch", {"notes": []}).status == 422
    low = [{"pitch": 41}] * 128
    assert served.request("POST", "/api/render/batch", {"notes": low, "rate": 192000}).status == 413
    assert served.request("POST", "/api/export", {"patches": [{}] * 13}).status == 422


def test_broken_sounds_end_in_one_sentence(served: Running, shared: Callable[[str], Path]) -> None:
    folder = shared("sounds/defects/hound/testsamples/fuzz")
    for path in sorted(folder.iterdir())[:3]:
        answer = served.request("PUT", "/api/describe", path.read_bytes(), headers=served.bearer, bare=True)
        assert answer.status == 422
        assert "give another sound file" in answer.error
        _tells_nothing(answer.body)
    assert served.request("PUT", "/api/describe", b"", headers=served.bearer, bare=True).status == 422


# --- live ---


def _connect(served: Running) -> Any:
    return websockets.connect(f"ws://{served.host}/api/live", subprotocols=_protocols(served), max_size=None)


@contextlib.contextmanager
def _slow(served: Running, seconds: float) -> Iterator[socket.socket]:
    """A live connection that reads nothing; when it ends, the server has let go of it and holds little memory."""
    before = _memory()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(seconds)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(_upgrade(served, "/api/live", *_protocols(served)))
        yield connection
    assert until(lambda: served.statistics()["clients"] == 0)
    assert _memory() - before < 64 << 20


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 1008), ("[]", 1008), ('{"type":"x"}', 1008), (b"\x00\x01", 1003), ("x" * (65 << 10), 1009), ("", 1008),
        ("[" * 60_000, 1008), ('{"type":"near","pitch":NaN}', 1008), ('{"type":"' + "é" * 200 + '"}', 1008),
    ],
)  # fmt: skip
def test_a_client_that_breaks_the_protocol_is_disconnected(served: Running, message: str | bytes, code: int) -> None:
    async def speak() -> int:
        async with _connect(served) as connection:
            with contextlib.suppress(websockets.ConnectionClosed):
                await connection.send(message)
                await asyncio.wait_for(connection.recv(), 5)
            await asyncio.wait_for(connection.wait_closed(), 5)
            return int(connection.close_code)

    assert asyncio.run(speak()) == code


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\x05hello",  # not masked
        b"\xf1\x80\x00\x00\x00\x00",  # reserved bits
        b"\x83\x80\x00\x00\x00\x00",  # reserved opcode
        b"\x81\xff" + struct.pack(">Q", 1 << 62) + b"\x00" * 4,  # a length nobody has
        b"\x89\xfe\x01\x00" + b"\x00" * 4 + b"x" * 256,  # a ping too long
        b"\x80\x80\x00\x00\x00\x00",  # the end of what never began
        b"\x81\x82\x00\x00\x00\x00\xff\xfe",  # text that is no UTF-8
    ],
)
def test_malformed_frames_end_the_connection(served: Running, frame: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
        connection.sendall(_upgrade(served, "/api/live", *_protocols(served)))
        assert _status(connection.recv(1 << 16)) == 101
        connection.sendall(frame)
        with contextlib.suppress(ConnectionError):
            while connection.recv(1 << 16):
                pass  # a close frame, then the end; a hanging server would run into the timeout


def test_so_many_pages_and_no_more(served: Running) -> None:
    async def crowd() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(LIMITS.sockets):
                await stack.enter_async_context(_connect(served))
            with pytest.raises(websockets.InvalidStatus) as refused:
                await stack.enter_async_context(_connect(served))
            assert refused.value.response.status_code == 503
            assert b"close one" in refused.value.response.body

    asyncio.run(crowd())


def test_a_page_that_reads_nothing_is_cut_and_holds_little(served: Running) -> None:
    """It requests one keyboard after another at 192 kHz, 3 × 192 kB each, and takes nothing of it."""
    with _slow(served, 10) as connection:
        began, generation = time.monotonic(), 0
        with contextlib.suppress(OSError):  # once it is cut
            while time.monotonic() - began < 8:
                generation += 1
                message = {"type": "patch", "generation": generation, "patch": {"seed": generation % 7}, "rate": 192000}
                text = json.dumps(message).encode()
                connection.sendall(b"\x81\xfe" + struct.pack(">H", len(text)) + b"\x00" * 4 + text)
                time.sleep(0.01)
        assert 1.0 < time.monotonic() - began < 6


@pytest.mark.parametrize("frame", [b"\x00\x80", b"\x89\xfd"], ids=["fragments", "pings"])
def test_frames_without_end_are_cut(served: Running, frame: bytes) -> None:
    """Empty fragments of one message, or pings whose answers nobody reads: both would fill the memory."""
    payload = b"x" * (frame[1] & 0x7F)
    one = frame + b"\x00" * 4 + payload
    with _slow(served, 5) as connection, contextlib.suppress(ConnectionError):
        if not payload:
            connection.sendall(b"\x01\x80" + b"\x00" * 4)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            connection.sendall(one * 1000)
        pytest.fail("it was read without end")


def test_a_flood_of_messages_is_slowed_down_not_stored(tmp_path: Path) -> None:
    async def flood(one: Running) -> float:
        async with _connect(one) as connection:
            began = time.monotonic()
            for generation in range(1, 151):
                await connection.send(json.dumps({"type": "patch", "generation": generation, "patch": {"seed": 1}}))
            while True:
                message = await asyncio.wait_for(connection.recv(), 10)
                if isinstance(message, str) and json.loads(message) | {"seconds": 0} == {
                    "type": "finished", "generation": 150, "seconds": 0, "rendered": 0, "cached": 3,
                }:  # fmt: skip
                    return time.monotonic() - began

    with running(tmp_path, limits=Limits(messages=50.0)) as one:
        assert 1.5 < asyncio.run(flood(one)) < 8  # 50 at once, 100 more at 50 a second


def test_whoever_floods_and_leaves_gives_its_place_back(tmp_path: Path) -> None:
    """Also where megabytes of its messages still wait in the connection's buffers."""
    message = b'{"type":"near","pitch":60}'
    frame = bytes([0x81, 0x80 | len(message)]) + b"\x00" * 4 + message
    with (
        running(tmp_path, limits=Limits(messages=20.0, flood_seconds=0.5)) as one,
        _slow(one, 2) as connection,
        contextlib.suppress(OSError),
    ):
        for _ in range(100):
            connection.sendall(frame * 1000)


# --- fifty at once ---


def _memory() -> int:
    """Resident bytes of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_fifty_clients_at_once_are_all_answered(tmp_path: Path) -> None:
    def render(one: Running, number: int) -> int:
        return one.request("POST", "/api/render", {"pitch": 59 + number % 3, "patch": {"seed": number}}).status

    def gone(one: Running, number: int) -> int:
        """Sends a request and leaves without waiting."""
        body = json.dumps({"patch": {"seed": 1000 + number}}).encode()
        head = _request(one, "POST", "/api/render", "Content-Type: application/json", f"Content-Length: {len(body)}")
        with socket.create_connection(("127.0.0.1", one.port), timeout=5) as connection:
            connection.sendall(head + body)
        return 0

    def upload(one: Running, number: int) -> int:
        return one.request("PUT", "/api/describe", b"x" * 1000, headers=one.bearer, bare=True).status

    def live(one: Running, number: int) -> int:
        async def play() -> int:
            try:
                async with _connect(one) as connection:
                    for generation in (1, 2):
                        message = {"type": "patch", "generation": generation, "patch": {"seed": 2000 + number}}
                        await connection.send(json.dumps(message))
                        while '"finished"' not in str(await asyncio.wait_for(connection.recv(), 20)):
                            pass
                return 200
            except websockets.InvalidStatus as refused:
                return refused.response.status_code

        return asyncio.run(play())

    kinds = [render, render, gone, live, upload]
    with running(tmp_path, describer=described) as one:
        render(one, 0)
        threads, memory = threading.active_count(), _memory()
        with ThreadPoolExecutor(50) as crowd:
            began = time.monotonic()
            answers = list(crowd.map(lambda number: kinds[number % 5](one, number), range(50), timeout=30))
            took = time.monotonic() - began
        assert set(answers) <= {0, 200, 422, 503}
        assert answers.count(200) >= 20
        assert took < 20
        assert until(lambda: _idle(one.statistics()))
        renderer = one.statistics()["renderer"]
        assert (renderer["failed"], renderer["dropped_clients"]) == (0, 0)
        assert until(lambda: threading.active_count() <= threads + 8)  # the loop's own pool stays
        assert _memory() - memory < 128 << 20
        assert render(one, 0) == 200
