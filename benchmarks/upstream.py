"""An upstream that costs next to nothing: scripted answers over raw asyncio and httptools.

    python -m benchmarks.upstream PORT

The request's own words choose the script. `"inputs"` is a question to a classical model. `"stream":true` streams 32
chunks, else one JSON answer. A model called `…-50ms` waits 50 ms before its first byte; `…-drip` sends a chunk every
millisecond, as a model does, so that each one arrives by itself; others send all chunks at once.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

import httptools
import uvloop

CHUNKS = 32
DRIP_S = 0.001
FIRST_BYTE_S = 0.05
WORDS = ("The ", "quarter ", "closed ", "with ", "more ", "orders ", "than ", "planned, ")


def _answer() -> bytes:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(WORDS[i % 8] for i in range(CHUNKS))},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 40, "completion_tokens": CHUNKS, "total_tokens": 40 + CHUNKS},
    }
    raw = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(raw), raw)


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _chunk(raw: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(raw), raw)


def _prediction() -> bytes:
    scores = [0.91, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01]
    body = {"model_name": "m", "outputs": [{"name": "p", "shape": [1, 10], "datatype": "FP32", "data": scores}]}
    raw = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(raw), raw)


PLAIN = _answer()
PREDICTED = _prediction()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STREAM = [
    *(_chunk(_event({"content": WORDS[i % 8]})) for i in range(CHUNKS - 1)),
    _chunk(_event({}, "stop") + b"data: [DONE]\n\n"),
]
END = b"0\r\n\r\n"


class Scripted(asyncio.Protocol):
    """One connection. Requests on it are answered in order, one at a time."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        body = b"".join(self.body)
        self.body.clear()
        script = (
            self.predict if b'"inputs"' in body
            else self.drip if b"-drip" in body and b'"stream":true' in body
            else self.burst if b'"stream":true' in body
            else self.plain
        )  # fmt: skip
        if b"-50ms" in body:
            asyncio.get_running_loop().call_later(FIRST_BYTE_S, script)
        else:
            script()

    def plain(self) -> None:
        self.transport.write(PLAIN)

    def predict(self) -> None:
        self.transport.write(PREDICTED)

    def burst(self) -> None:
        self.transport.write(b"".join((HEAD, *STREAM, END)))

    def drip(self, at: int = -1) -> None:
        if self.transport.is_closing():
            return
        if at < 0:
            self.transport.write(HEAD)
        else:
            self.transport.write(STREAM[at])
        if at + 1 < len(STREAM):
            asyncio.get_running_loop().call_later(DRIP_S, self.drip, at + 1)
        else:
            self.transport.write(END)


async def serve(port: int) -> None:
    """Answer until killed."""
    server = await asyncio.get_running_loop().create_server(Scripted, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
