"""Around the server: refuses by the rules of `admission`, adds the headers of a hardened page, reveals no secrets."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from darktimbre.instrument.admission import Admission, Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_BODY_SECONDS, _BODY_BYTES = 1.0, 4 << 20  # how much of a refused body is read all the same
_OFF = ("camera", "display-capture", "geolocation", "microphone", "payment", "serial", "usb")
_BUG = "A request could not be served; this is a bug in darktimbre."
_log = logging.getLogger(__name__)


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: App, admission: Admission) -> None:
        self._app, self._admission = app, admission
        self._headers = _headers(admission)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._live(scope, receive, send)
        else:
            await self._request(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = self._hardened(scope, send)
        refusal = self._admission.refusal(scope["path"], scope["headers"], None)
        if refusal is not None:
            await receive()  # the handshake
            await answer(refusal, sending, prefix="websocket.http.response")
            return
        try:
            await self._app(scope, receive, sending)
        except Exception:
            _log.exception(_BUG)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = rest = False

        async def receiving() -> MutableMapping[str, Any]:
            nonlocal rest
            message = await receive()
            rest = bool(message.get("more_body"))
            return message

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if rest and message["status"] >= 400:
                    if message["status"] != 408:  # whose body has been waited for long enough
                        await discard(receive)
                    message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            await sending(message)

        rest = _has_body(scope) and not any(name == b"expect" for name, _ in scope["headers"])
        sending = self._hardened(scope, send)
        refusal = self._admission.refusal(scope["path"], scope["headers"], scope["method"])
        if refusal is not None:
            await answer(refusal, watched)
            return
        try:
            await self._app(scope, receiving, watched)
        except Exception:
            _log.exception(_BUG)
            if not started:
                await answer(Refusal(500, "Something went wrong here; the terminal says what."), watched)

    def _hardened(self, scope: Scope, send: Send) -> Send:
        """`send`, with our headers on every answer."""

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"].endswith("response.start"):
                headers = [*message.get("headers", []), *self._headers]
                if scope["path"].startswith(("/api", "/openapi")):
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        return sending


async def answer(refusal: Refusal, send: Send, prefix: str = "http.response") -> None:
    """Sends a refusal as JSON."""
    body = json.dumps({"error": refusal.sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in extra_headers(refusal).items()]
    await send({"type": f"{prefix}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body, "more_body": False})


def extra_headers(refusal: Refusal) -> dict[str, str]:
    """The headers of a refusal, for programs."""
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    return headers


async def discard(receive: Receive) -> None:
    """Reads a little of a body that nobody wants: a connection closed upon unread bytes loses its answer, too."""
    read = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_BODY_SECONDS):
            while read < _BODY_BYTES:
                message = await receive()
                read += len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
        for name, value in scope["headers"]
    )


def _headers(admission: Admission) -> list[tuple[bytes, bytes]]:
    # Browsers differ in whether 'self' covers WebSockets of the same host.
    sockets = " ".join(f"ws://{host}" for host in sorted(admission.hosts))
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' "
        f"{sockets}; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    off = ", ".join(f"{feature}=()" for feature in _OFF)
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": f"midi=(self), {off}",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]
