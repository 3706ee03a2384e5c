"""One live connection: messages in, rendered notes out, by a bounded queue between renderer and a slow reader."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from darktimbre.audio.shape import resample
from darktimbre.instrument.admission import SUBPROTOCOL, Limits
from darktimbre.instrument.guard import Receive, Send
from darktimbre.instrument.messages import NearMessage, PatchMessage, live_message, note_frame, strict_json
from darktimbre.instrument.renderer import Busy, Event, Failed, Finished, NoteReady, Renderer, Started
from darktimbre.instrument.turns import Pace
from darktimbre.notes.errors import UserError

TYPES = {Started: "begun", Finished: "finished", Failed: "failed"}


class Gone(Exception):
    """The connection is to be closed: `code` of RFC 6455 and the reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


async def serve(receive: Receive, send: Send, renderer: Renderer, limits: Limits) -> None:
    """Serves one live connection, by ASGI's messages, until either side ends it."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        try:
            await send(message)
        except Exception as error:  # servers and frameworks have names of their own for it
            raise Gone(1006, "The other side has left.") from error

    await receive()  # the handshake, which the guard has let through
    session, both = None, []
    try:
        await sending({"type": "websocket.accept", "subprotocol": SUBPROTOCOL, "headers": []})
        session = LiveSession(renderer, limits)
        both = [asyncio.create_task(_receive(receive, session)), asyncio.create_task(session.send_events(sending))]
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except (Gone, Busy) as end:
        code, reason = (end.code, end.reason) if isinstance(end, Gone) else (1012, str(end))
        with suppress(Gone):
            await sending({"type": "websocket.close", "code": code, "reason": _short(reason)})
    finally:
        if session is not None:
            session.close()
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


def _short(reason: str) -> str:
    """As much of it as a close frame holds: 123 bytes (RFC 6455 §5.5)."""
    return reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")


async def _receive(receive: Receive, session: "LiveSession") -> None:
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        if text is None:
            raise Gone(1003, "Only text is understood here.")
        await session.receive(text)


class LiveSession:
    """What one live connection plays.

    `put` is called from the render thread; everything else belongs to the event loop that made this. What a slow reader
    has not taken when its patch changes is dropped; late notes of the patch before are still sent.
    """

    def __init__(self, renderer: Renderer, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._rate = self._generation = 0
        self._outgoing: deque[Started | Event] = deque()
        self._lock = threading.Lock()  # between deciding that an event is wanted and queueing it
        self._ready = asyncio.Event()
        self._pace = Pace(limits.messages)
        self._slowed_since: float | None = None
        self._sample_rate = renderer.instrument.sample_rate
        self._client = renderer.client(self.put)

    def close(self) -> None:
        """Cancels what is still to be rendered or sent."""
        self._client.close()
        self._outgoing.clear()

    def put(self, event: Event) -> None:
        """Queues an event; of an earlier generation, only a note.

        While a slider moves, each note is of an earlier state when it is there; the session knows by its number whether
        it is newer than the one it has.
        """
        with self._lock:
            if event.generation != self._generation and not isinstance(event, NoteReady):
                return
            self._outgoing.append(event)
        self._wake()

    async def receive(self, text: str) -> None:
        """Serves one message. Raises Gone: it does not follow the protocol, or its sender takes none of the answers."""
        await self._slow_down()
        if len(self._outgoing) > self._limits.outgoing:
            raise Gone(1013, "This connection takes too little of what it asks for.")
        try:
            message = live_message(text)
        except UserError as error:
            generation = _generation(text)
            if generation is None:
                raise Gone(1008, str(error)) from error
            self._refuse(generation, str(error))
            return
        if isinstance(message, NearMessage):
            self._client.near(message.pitch)
        else:
            self._play(message)

    async def _slow_down(self) -> None:
        """Waits where messages come too fast; meanwhile nothing more is read: the connection holds the sender back.

        What lies in the connection's own buffers would else be served for minutes, also after its sender has gone.

        Raises:
            Gone: they have come too fast for too long.
        """
        wait, now = self._pace.wait(), self._loop.time()
        self._slowed_since = (self._slowed_since or now) if wait else None
        if self._slowed_since is not None and now - self._slowed_since > self._limits.flood_seconds:
            raise Gone(1008, f"These are too many messages: send at most {self._limits.messages:g} a second.")
        if wait:
            await asyncio.sleep(wait)

    async def send_events(self, send: Send) -> None:
        """Sends what comes, for ever."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._outgoing:
                event = self._outgoing.popleft()
                if isinstance(event, NoteReady):
                    # Resampling takes milliseconds, in which the loop serves others.
                    frame = await asyncio.to_thread(self._frame, event, self._rate)
                    await send({"type": "websocket.send", "bytes": frame})
                else:
                    await send({"type": "websocket.send", "text": json.dumps(as_message(event))})

    def _frame(self, event: NoteReady, rate: int) -> bytes:
        return note_frame(event.generation, event.source, rate, resample(event.wave, self._sample_rate, rate))

    def _play(self, message: PatchMessage) -> None:
        with self._lock:
            self._outgoing.clear()
            self._generation, self._rate = message.generation, message.rate
        try:
            started = self._client.play(message.patch, message.near, message.generation)
        except (UserError, Busy) as error:
            self._refuse(message.generation, str(error))
            return
        self._outgoing.appendleft(started)  # before the cached notes, which `play` has queued already
        self._wake()

    def _refuse(self, generation: int, reason: str) -> None:
        self._outgoing.append(Failed(generation, reason))
        self._wake()

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ready.set)


def as_message(event: Started | Finished | Failed) -> dict[str, Any]:
    """An event as the page reads it."""
    return {"type": TYPES[type(event)], **asdict(event)}


def _generation(text: str) -> int | None:
    """The generation of a message that is otherwise wrong, so that its sender can be answered; None if it has none."""
    try:
        data = strict_json(text)
    except UserError:
        return None
    number = data.get("generation") if isinstance(data, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**32 else None
