"""Which requests the page's server takes: Host, Origin, token, media type, sizes, rates. Pure rules, no HTTP.

An instrument in a browser is a program that any web page of the same browser can send requests to, so each request has
to prove that it comes from the page itself or from a script that was given the token:

- `Host` must be exactly an address that was given at the start: a foreign name that resolves to this machine (DNS
  rebinding) carries its own;
- `Origin`, which browsers send along and pages cannot change, must be one of these, too; there are no CORS headers;
- the token, new at every launch, stands in the page's address behind `#` and so never leaves the browser by itself;
- bodies are JSON by media type, which no form can send.
"""

import hmac
import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from darktimbre.notes.errors import UserError

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case, as ASGI has them

SUBPROTOCOL = "darktimbre.1"
UPLOADS = ("/api/describe", "/api/encode")  # take a sound file as it is
OPEN = ("/", "/page/", "/favicon.ico")  # what a browser fetches before the page's script has the token


@dataclass(frozen=True)
class Limits:
    """How much one server takes on; every number is per server unless it says otherwise.

    Attributes:
        json_bytes: of one JSON body.
        upload_bytes: of one uploaded sound.
        body_seconds: for a JSON body to arrive; uploads have four times as long.
        notes: of one batch.
        batch_samples: samples of all sounds of one batch.
        patches: of one export.
        renders, uploads, batches, exports: requests of that kind worked on at once.
        waiting: renders that wait for their turn; the next is refused. Of the other kinds, 4 may wait.
        wait_seconds: for a turn.
        render_seconds: for one note.
        decode_seconds: for decoding one upload.
        batch_seconds, export_seconds: for one batch or export.
        downloads: archives that are being made or sent.
        sockets: live connections.
        message_bytes: of one live message.
        messages: a second and live connection; faster ones are slowed down. A page sends one a frame while something is
            dragged, and there are displays of 240 frames a second.
        flood_seconds: for messages to come faster than that on end; then the connection is closed.
        outgoing, outgoing_bytes: events waiting for one live client that reads slowly, and bytes sent but not taken.
        send_seconds: for a client to take something of what is sent to it.
        connections: in all.
        head_seconds: for the head of a request to arrive.
        head_bytes: of a request line with its headers.
    """

    json_bytes: int = 256 << 10
    upload_bytes: int = 32 << 20
    body_seconds: float = 10.0
    notes: int = 128
    batch_samples: int = 1 << 24
    patches: int = 12
    renders: int = 8
    uploads: int = 2
    batches: int = 1
    exports: int = 1
    waiting: int = 56
    wait_seconds: float = 20.0
    render_seconds: float = 30.0
    decode_seconds: float = 20.0
    batch_seconds: float = 300.0
    export_seconds: float = 900.0
    downloads: int = 4
    sockets: int = 16
    message_bytes: int = 64 << 10
    messages: float = 250.0
    flood_seconds: float = 5.0
    outgoing: int = 512
    outgoing_bytes: int = 4 << 20
    send_seconds: float = 20.0
    connections: int = 192
    head_seconds: float = 10.0
    head_bytes: int = 16 << 10


class Refusal(Exception):
    """What a request is answered instead of being served: a status and one sentence with the remedy.

    Attributes:
        status: of HTTP.
        sentence: for people.
        retry_after: seconds, where coming later helps.
    """

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry_after = status, sentence, retry_after


@dataclass(frozen=True)
class Admission:
    """The rules of one launch.

    Attributes:
        hosts: what `Host` may be, exactly: name and port as a browser writes them, in lower case.
        token: secret of this launch.
        limits: sizes and rates.
    """

    hosts: frozenset[str]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    limits: Limits = Limits()

    @classmethod
    def at(cls, port: int, names: Iterable[str] = ("127.0.0.1", "localhost"), **rest: Any) -> "Admission":
        """The rules of a server that is called by these names or addresses at one port."""
        return cls(frozenset(authority(name, port) for name in names), **rest)

    def refusal(self, path: str, headers: Headers, method: str | None) -> Refusal | None:
        """Why a request is not served, or None.

        Args:
            path: decoded.
            headers: as sent.
            method: of HTTP; None for a WebSocket.
        """
        if len(path) + sum(len(name) + len(value) for name, value in headers) > self.limits.head_bytes:
            return Refusal(431, "The request's headers are too large: send fewer.")
        hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return Refusal(403, "This server answers only to the address it was started with: open that one.")
        origins = [value.decode("latin-1").lower() for name, value in headers if name == b"origin"]
        if any(origin not in {f"http://{host}" for host in self.hosts} for origin in origins):
            return Refusal(403, "Other web pages may not use this instrument: open its own page.")
        if method is None:
            return None if self._offered(headers) else Refusal(401, UNKNOWN)
        if path in OPEN or path.startswith(OPEN[1]):
            return None if method in ("GET", "HEAD") else Refusal(405, "The page can only be read.")
        given = [value for name, value in headers if name == b"authorization"]
        if len(given) != 1 or not self._is_token(given[0], b"Bearer "):
            return Refusal(401, UNKNOWN)
        return _body_refusal(path, headers, method)

    def _offered(self, headers: Headers) -> bool:
        """Whether a WebSocket offers the protocol and the token: browsers let a script set nothing else."""
        values = [value for name, value in headers if name == b"sec-websocket-protocol"]
        offered = [one.strip() for value in values for one in value.split(b",")]
        # Every one is compared, whatever came before, so that the time taken reveals nothing.
        return SUBPROTOCOL.encode() in offered and any([self._is_token(one, b"token.") for one in offered])  # noqa: C419

    def _is_token(self, given: bytes, prefix: bytes) -> bool:
        # The scheme's name is written in any letter case (RFC 9110 §11.1).
        same = hmac.compare_digest(given[len(prefix) :], self.token.encode())
        return same and given[: len(prefix)].lower() == prefix.lower()


EXPOSURE = (
    "anyone on the network who has the link can play, upload sounds and use this machine's processor; nothing is "
    "encrypted; and browsers give a page from the network no AudioWorklet, no MIDI and no recording"
)
"""What it means to listen at an address that other machines can reach."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address.

    Raises:
        UserError: it is no address.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise UserError(f"--host takes an address of this machine, such as 127.0.0.1, not {host!r}.") from None


def page_names(host: str, allow_network: bool, allowed: list[str]) -> list[str]:
    """What the page's address may be called, the one to print first.

    Raises:
        UserError: the address is open to the network and that was not allowed, or nobody knows what it is called.
    """
    if is_loopback(host):
        if allowed:
            raise UserError("--allow-host is for a --host that others can reach; leave it out.")
        return ["127.0.0.1" if host == "localhost" else host, "localhost"]
    if not allow_network:
        raise UserError(f"--host {host} lets others in: {EXPOSURE}. Add --allow-network if you want that.")
    if host in ("0.0.0.0", "::"):
        if not allowed:
            raise UserError(
                f"With --host {host}, say by --allow-host what name or address others open, such as 192.168.1.20."
            )
        return allowed
    return [host, *allowed]


UNKNOWN = "The token is missing or is not this launch's: open the link that `darktimbre play` printed."


def authority(name: str, port: int) -> str:
    """Name and port as browsers write them in `Host`: without the port where it is HTTP's own, IPv6 in brackets."""
    name = name.lower()
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return name if port == 80 else f"{name}:{port}"


def media_type(headers: Headers) -> str | None:
    """The type of a body without its parameters, in lower case; None where there is none."""
    values = [value.decode("latin-1") for name, value in headers if name == b"content-type"]
    return values[0].partition(";")[0].strip().lower() if len(values) == 1 else None if not values else ""


def _body_refusal(path: str, headers: Headers, method: str) -> Refusal | None:
    if method not in ("POST", "PUT", "PATCH"):
        return None
    if any(name == b"content-encoding" and value.strip().lower() != b"identity" for name, value in headers):
        return Refusal(415, "Compressed bodies are not read: send it as it is.")
    kind = media_type(headers)
    if path in UPLOADS:
        if kind in (None, "application/octet-stream") or (kind or "").startswith("audio/"):
            return None
        return Refusal(415, "Send the sound file itself, as application/octet-stream.")
    if kind != "application/json":
        return Refusal(415, "Send JSON, with the header Content-Type: application/json.")
    return None
