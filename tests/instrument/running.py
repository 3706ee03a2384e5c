"""A real server at a real port, in a thread, with the tiny instrument; and the plainest client there is."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bundle.tiny import tiny_bundle

from darktimbre.bundle.bundle import Bundle
from darktimbre.instrument import server, serving
from darktimbre.instrument.admission import Admission, Limits
from darktimbre.instrument.presets import Presets
from darktimbre.instrument.renderer import Renderer
from darktimbre.synthesizer.synthesizer import Synthesizer


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """Its sentence; an error holds nothing else."""
        assert list(self.json) == ["error"], self.body
        return str(self.json["error"])


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    port: int
    token: str
    instrument: Synthesizer
    renderer: Renderer

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def request(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, bare: bool = False
    ) -> Answer:
        """One request by http.client; with token and JSON's media type, unless `bare`."""
        sent = {} if bare else dict(self.bearer)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None and not bare:
            sent["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {**sent, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def raw(self, content: bytes, *, wait: float = 10.0) -> bytes:
        """Bytes as they are; all that comes back until the server closes or is silent for `wait` seconds."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            got = b""
            try:
                connection.sendall(content)
                while part := connection.recv(1 << 16):
                    got += part
            except (TimeoutError, ConnectionError):
                pass
            return got

    def statistics(self) -> dict[str, Any]:
        return dict(self.request("GET", "/api/status").json)


@contextmanager
def running(
    folder: Path, *, limits: Limits | None = None, pitched: bool = True, bundle: Bundle | None = None, **more: Any
) -> Iterator[Running]:
    """Runs the tiny instrument, or that of a bundle; `more` goes to `server.app`."""
    instrument = Synthesizer(bundle or tiny_bundle(pitched=pitched))
    with serving.bind("127.0.0.1", 0) as listening, Renderer(instrument) as renderer:
        port = listening.getsockname()[1]
        admission = Admission.at(port, limits=limits or Limits())
        app = server.app(instrument, renderer, admission=admission, presets=Presets(folder / "presets.json"), **more)
        served = serving.server(app, admission)
        thread = threading.Thread(target=served.run, args=([listening],))
        thread.start()
        try:
            yield Running(port, admission.token, instrument, renderer)
        finally:
            served.should_exit = True
            thread.join(10)
            assert not thread.is_alive(), "the server did not end"


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
