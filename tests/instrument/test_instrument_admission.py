"""The rules of who may send requests and how many, by themselves: every refusal that `admission` and `turns` know."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

from darktimbre.instrument.admission import Admission, Refusal, authority, media_type, page_names
from darktimbre.instrument.messages import LONGEST, first_error, live_message, strict_json
from darktimbre.instrument.turns import Gate, Pace, Places, collect
from darktimbre.notes.errors import UserError

ADMISSION = Admission.at(8321, token="secret")
HOST, TOKEN = (b"host", b"127.0.0.1:8321"), (b"authorization", b"Bearer secret")
JSON = (b"content-type", b"application/json")
LIVE = (b"sec-websocket-protocol", b"darktimbre.1, token.secret")


def _status(method: str | None, path: str, *headers: tuple[bytes, bytes]) -> int:
    refusal = ADMISSION.refusal(path, headers, method)
    return 200 if refusal is None else refusal.status


# --- who ---


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"127.0.0.1:8321", 200), (b"localhost:8321", 200), (b"LOCALHOST:8321", 200), (b"127.0.0.1", 403),
        (b"127.0.0.1:8322", 403), (b"127.0.0.1:80", 403), (b"evil.example:8321", 403),
        (b"127.0.0.1.evil.example:8321", 403), (b"localhost.:8321", 403), (b"127.1:8321", 403),
        (b"[::1]:8321", 403), (b"0.0.0.0:8321", 403), (b"", 403),
        (b"localhost:8321@evil.example", 403), (b"evil.example#localhost:8321", 403), (b" localhost:8321", 403),
        (b"localhost:8321\x00", 403), ("lоcalhost:8321".encode(), 403),
    ],
)  # fmt: skip
def test_a_host_is_one_of_the_list_exactly(host: bytes, status: int) -> None:
    assert _status("GET", "/api/status", (b"host", host), TOKEN) == status
    assert _status(None, "/api/live", (b"host", host), LIVE) == status
    assert _status("GET", "/", (b"host", host)) == status


def test_heads_have_a_size() -> None:
    assert _status("GET", "/", HOST, (b"x", b"x" * 16_000)) == 200
    assert _status("GET", "/", HOST, (b"x", b"x" * 9_000), (b"y", b"y" * 9_000)) == 431
    assert _status("GET", "/" + "x" * 17_000, HOST) == 431


def test_one_host_and_no_other() -> None:
    assert _status("GET", "/", HOST, (b"host", b"evil.example")) == 403
    assert _status("GET", "/", HOST, HOST) == 403
    assert _status("GET", "/") == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"http://127.0.0.1:8321", 200), (b"http://localhost:8321", 200), (b"https://127.0.0.1:8321", 403),
        (b"http://127.0.0.1:8322", 403), (b"http://127.0.0.1", 403), (b"http://evil.example", 403), (b"null", 403),
        (b"", 403), (b"http://127.0.0.1:8321.evil.example", 403), (b"file://", 403), (b"http://127.0.0.1:8321/", 403),
    ],
)  # fmt: skip
def test_an_origin_is_the_pages_own_or_none(origin: bytes, status: int) -> None:
    assert _status("POST", "/api/render", HOST, TOKEN, JSON, (b"origin", origin)) == status
    assert _status(None, "/api/live", HOST, LIVE, (b"origin", origin)) == status
    assert _status("GET", "/page/main.js", HOST, (b"origin", origin)) == status


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (b"Bearer secret", 200), (b"bearer secret", 200), (b"Bearer secre", 401), (b"Bearer secretx", 401),
        (b"secret", 401), (b"Bearer  secret", 401), (b"Basic secret", 401), (b"Bearer", 401), (b"", 401),
        ("Bearer sécret".encode(), 401),
    ],
)  # fmt: skip
def test_the_token_is_this_launchs(given: bytes, status: int) -> None:
    assert _status("GET", "/api/status", HOST, (b"authorization", given)) == status
    assert _status("GET", "/openapi.json", HOST, (b"authorization", given)) == status


def test_the_token_is_given_once_and_no_path_but_the_pages_goes_without() -> None:
    assert _status("GET", "/api/status", HOST, TOKEN, TOKEN) == 401
    for path in ("api/status", "openapi.json", "docs", "redoc", "pages", "api", "/", "x/page/main.js", "Page/a"):
        assert _status("GET", f"/{path}", HOST) == 401, path
    for path in ("/", "/page/main.js", "/favicon.ico"):
        assert _status("GET", path, HOST) == 200
        assert _status("POST", path, HOST, TOKEN, JSON) == 405


@pytest.mark.parametrize(
    ("offered", "status"),
    [
        (b"darktimbre.1, token.secret", 200), (b"token.secret,darktimbre.1", 200), (b"darktimbre.1", 401),
        (b"token.secret", 401), (b"darktimbre.1, token.wrong", 401), (b"darktimbre.1, secret", 401), (b"", 401),
        (b"darktimbre.2, token.secret", 401), (b"darktimbre.1, token.", 401),
    ],
)  # fmt: skip
def test_a_live_connection_offers_protocol_and_token(offered: bytes, status: int) -> None:
    assert _status(None, "/api/live", HOST, (b"sec-websocket-protocol", offered)) == status
    assert _status(None, "/api/live", HOST, TOKEN) == 401


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (b"application/json", 200), (b"Application/JSON; charset=utf-8", 200), (b"text/plain", 415), (b"", 415),
        (b"application/x-www-form-urlencoded", 415), (b"multipart/form-data; boundary=x", 415),
        (b"application/jsonp", 415), (b"text/plain; application/json", 415), (b"application/json, text/plain", 415),
    ],
)  # fmt: skip
def test_what_is_sent_is_json_by_its_type(kind: bytes, status: int) -> None:
    for method, path in (("POST", "/api/render"), ("PUT", "/api/presets/a"), ("POST", "/api/anything")):
        assert _status(method, path, HOST, TOKEN, (b"content-type", kind)) == status
    assert _status("POST", "/api/render", HOST, TOKEN) == 415
    assert _status("POST", "/api/render", HOST, TOKEN, JSON, JSON) == 415
    assert _status("POST", "/api/render", HOST, TOKEN, JSON, (b"content-encoding", b"gzip")) == 415


@pytest.mark.parametrize("path", ["/api/describe", "/api/encode"])
def test_a_sound_is_sent_as_bytes_and_by_no_form(path: str) -> None:
    for kind in (b"application/octet-stream", b"audio/wav"):
        assert _status("PUT", path, HOST, TOKEN, (b"content-type", kind)) == 200
    assert _status("PUT", path, HOST, TOKEN) == 200
    for kind in (b"multipart/form-data; boundary=x", b"text/plain", b"application/json"):
        assert _status("PUT", path, HOST, TOKEN, (b"content-type", kind)) == 415


def test_every_launch_has_its_own_token_and_never_shows_it() -> None:
    first, second = Admission.at(1), Admission.at(1)
    assert first.token != second.token
    assert len(first.token) >= 43  # 256 bits
    assert first.token not in repr(first)


def test_addresses_as_browsers_write_them() -> None:
    assert authority("LocalHost", 80) == "localhost"
    assert authority("::1", 8321) == "[::1]:8321"
    assert Admission.at(80, ["192.168.1.2"]).hosts == {"192.168.1.2"}
    assert media_type([(b"content-type", b" Audio/WAV ; x=y")]) == "audio/wav"


# --- how much ---


async def _chunks(*parts: bytes, pause: float = 0.0) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(pause)
        yield part


def test_a_body_is_counted_as_it_comes_whatever_it_declares() -> None:
    async def read(*parts: bytes, declared: int | None = None, pause: float = 0.0) -> bytes:
        return await collect(_chunks(*parts, pause=pause), declared, limit=8, seconds=0.2)

    assert asyncio.run(read(b"1234", b"5678", declared=8)) == b"12345678"
    for parts, declared in (((b"12345", b"6789"), None), ((b"123456789",), 2), ((), 9)):
        with pytest.raises(Refusal) as refused:
            asyncio.run(read(*parts, declared=declared))
        assert refused.value.status == 413
    with pytest.raises(Refusal) as refused:
        asyncio.run(read(b"1", b"2", b"3", pause=0.1))
    assert refused.value.status == 408


def test_a_gate_lets_some_work_some_wait_and_sends_the_rest_away() -> None:
    async def crowd() -> tuple[list[int], int]:
        gate, let_go, most = Gate(2, 3, 5.0), threading.Event(), 0
        at_work: list[int] = []

        def work(number: int) -> int:
            nonlocal most
            at_work.append(number)
            most = max(most, len(at_work))
            let_go.wait(5)
            at_work.remove(number)
            return number

        tasks = [asyncio.create_task(gate.run(work, number, seconds=5)) for number in range(9)]
        await asyncio.sleep(0.1)
        assert gate.inside == 5
        let_go.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert gate.inside == 0
        refused = [one for one in done if isinstance(one, Refusal)]
        assert {(one.status, one.retry_after) for one in refused} == {(503, 1)}
        assert most == 2
        return [one for one in done if isinstance(one, int)], len(refused)

    assert asyncio.run(crowd()) == ([0, 1, 2, 3, 4], 4)


def test_work_that_takes_too_long_is_answered_but_keeps_its_place_until_it_ends() -> None:
    async def late() -> None:
        gate, let_go = Gate(1, 1, 0.1), threading.Event()
        with pytest.raises(Refusal) as refused:
            await gate.run(let_go.wait, 5, seconds=0.05)
        assert (refused.value.status, gate.inside) == (504, 1)
        with pytest.raises(Refusal) as refused:  # the turn does not come
            await gate.run(time.time, seconds=1)
        assert (refused.value.status, gate.inside) == (503, 1)
        let_go.set()
        await asyncio.sleep(0.1)
        assert gate.inside == 0
        assert await gate.run(lambda: 3, seconds=1) == 3
        with pytest.raises(ZeroDivisionError):
            await gate.run(lambda: 1 // 0, seconds=1)

    asyncio.run(late())


def test_places_are_given_back_on_errors() -> None:
    places = Places(1)
    with pytest.raises(KeyError), places.place():
        raise KeyError
    with places.place(), pytest.raises(Refusal):
        places.enter()
    assert places.taken == 0


def test_a_pace_bounds_the_rate_in_the_long_run(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = Pace(10.0, burst=5.0)
    assert [pace.wait() for _ in range(5)] == [0.0] * 5
    for _ in range(100):  # a sender that waits as required, and sends at once again
        now += pace.wait()
    assert now == pytest.approx((100 - 1) / 10, abs=0.11)


# --- JSON ---


@pytest.mark.parametrize(
    "text",
    [
        "{", "", "[1,]", "{'a':1}", '{"a":NaN}', '{"a":Infinity}', '{"a":-Infinity}', '{"a":1e999}', '{"a":-1e999}',
        '{"a":' + "9" * 5000 + "}", '{"a":1,"a":2}', '{"x":{"a":1,"a":1}}', "[" * 100_000, '{"a":' * 100_000,
        b"\xff\xfe", b'{"a":"\xed\xa0\x80"}', b"\xef\xbb\xbf{}", "{} {}", "nul", '"\x01"',
    ],
)  # fmt: skip
def test_what_is_not_json_in_every_way_is_refused(text: str | bytes) -> None:
    with pytest.raises(UserError):
        strict_json(text)


def test_json_is_read_as_it_stands() -> None:
    assert strict_json('{"a": [1, 2.5, -3e2, true, null, "\\u00e9"], "b": {"a": 1}}') == {
        "a": [1, 2.5, -300.0, True, None, "é"],
        "b": {"a": 1},
    }


@pytest.mark.parametrize(
    "message",
    [
        "[]", "3", "{}", '{"type":"patch"}', '{"type":"x"}', '{"type":"near","pitch":"60"}x', '{"type":"near"}',
        '{"type":"patch","generation":-1,"patch":{}}', '{"type":"patch","generation":4294967296,"patch":{}}',
        '{"type":"patch","generation":1.5,"patch":{}}', '{"type":"patch","generation":true,"patch":{}}',
        '{"type":"patch","generation":1,"patch":{},"rate":7999}', '{"type":"patch","generation":1,"patch":{"x":1}}',
        '{"type":"patch","generation":1,"patch":{"attributes":{"\\ud800":1}}}', '{"type":"near","pitch":1e300}',
    ],
)  # fmt: skip
def test_a_live_message_is_one_of_two_and_complete(message: str) -> None:
    with pytest.raises(UserError):
        live_message(message)


def test_a_sentence_never_grows_with_what_was_sent() -> None:
    with pytest.raises(UserError) as refused:
        live_message('{"type":"near","pitch":1,"%s":2}' % ("x" * 60_000))
    assert len(str(refused.value)) <= LONGEST + 2
    missing = [{"loc": ("body",), "type": "missing", "msg": "Field required"}]
    assert first_error(missing) == "The request has no body: send JSON."


@pytest.mark.parametrize(
    ("host", "allowed", "names"),
    [
        ("127.0.0.1", [], ["127.0.0.1", "localhost"]),
        ("localhost", [], ["127.0.0.1", "localhost"]),
        ("::1", [], ["::1", "localhost"]),
        ("192.168.1.20", [], ["192.168.1.20"]),
        ("192.168.1.20", ["studio.local"], ["192.168.1.20", "studio.local"]),
        ("0.0.0.0", ["10.0.0.5", "studio.local"], ["10.0.0.5", "studio.local"]),
    ],
)
def test_the_list_of_names_is_exactly_what_was_reported(host: str, allowed: list[str], names: list[str]) -> None:
    assert page_names(host, True, allowed) == names
