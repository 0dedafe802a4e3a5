"""Classical models behind the Open Inference Protocol: KServe, Triton, MLServer and whatever speaks like them.

The path names the model, as `NAME` or as `UPSTREAM/NAME`, which is how clients that quote names write a slash.

Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bartizan.core.decision import Action, Decision
from bartizan.core.errors import InputError
from bartizan.core.subject import Context
from bartizan.exchange.body import Body, read_body
from bartizan.exchange.dialect import JSON, Answer, Asked, Notice, Reply, packed
from bartizan.exchange.reply_stream import Judge, Notices, ReplyStream
from bartizan.readers.inference import question, reply

HEALTH = "/v2/health/"
MODELS = "/v2/models/"
BINARY = b"inference-header-content-length"  # Its presence says that tensors follow the JSON as bytes.
_NAME = re.compile(r"[A-Za-z0-9][\w.:@+~-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Served:
    """What a path asks for. `verb` is `/infer`, `/ready`, or "" for what the model takes and gives."""

    model: str
    version: str
    verb: str

    def path(self, model: str) -> str:
        """The same with the model as its upstream calls it."""
        return f"{MODELS}{model}{f'/versions/{self.version}' if self.version else ''}{self.verb}"


def served_at(path: str) -> Served | None:
    """What a decoded path asks for; None where it is no path of a model, or a name that no server gives one."""
    if not path.startswith(MODELS):
        return None
    words = path[len(MODELS) :].split("/")
    verb = words.pop() if len(words) > 1 and words[-1] in ("infer", "ready") else ""
    version = ""
    if len(words) > 2 and words[-2] == "versions":
        *words, _, version = words
    if len(words) > 2 or not all(_NAME.fullmatch(word) for word in (*words, version or "1")):
        return None
    return Served("/".join(words), version, verb and f"/{verb}")


@dataclass(frozen=True, slots=True)
class Question(Asked):
    """A request as it was read. Its model stands in the path, where nothing can be edited."""

    def effective(self, decision: Decision) -> Decision:
        """The decision that holds: what would edit the model's name blocks."""
        if any(edit.path == "/model" for edit in decision.edits):
            return replace(decision, action=Action.BLOCK)
        return decision


class Inference:
    """`POST /v2/models/NAME[/versions/VERSION]/infer`."""

    name = "inference"
    path = MODELS

    def request(self, body: Body, context: Context) -> Asked:
        """A question; its model is the context's."""
        assert isinstance(body.value, dict)
        return Question(body, context.model, False, question(body.value, context, body.number))

    def answer(self, raw: bytes, context: Context) -> Answer:
        """An answer, or the server's own error."""
        body = read_body(raw)
        assert isinstance(body.value, dict)
        if "outputs" not in body.value and "error" not in body.value:
            raise InputError("it has neither outputs nor an error")
        return Answer(body, reply(body.value, context, body.number))

    def reply_stream(self, asked: Asked, loop: Judge, context: Context, notices: Notices | None = None) -> ReplyStream:
        """There is none: no question asks for a stream."""
        raise InputError("the protocol has no streams")

    def error(self, status: int, message: str, *, code: str | None = None, bartizan: object = None) -> bytes:
        """`{"error": …}`."""
        return packed({"error": message} | ({"bartizan": bartizan} if bartizan is not None else {}))

    def refusal(self, notice: Notice) -> Reply:
        """400."""
        return Reply(400, (JSON,), self.error(400, notice.message(), bartizan=notice.as_json()))

    def models(self, ids: Iterable[str]) -> bytes:
        """The protocol has no list of models."""
        return packed({"models": list(ids)})


INFERENCE = Inference()
