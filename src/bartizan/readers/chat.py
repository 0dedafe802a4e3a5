"""Chats as providers spell them (OpenAI chat completions, Anthropic messages), as one tree of texts.

Every string, key and number of a body is examined, known field or not, but for the words of the protocol itself
(`VOCABULARY`: roles, types, enumerated settings, names of known fields) and what nothing here can read: pictures,
audio and files become children without content, which the loop answers with a Failure.

**Few subjects.** A text costs a pass of its own, so all leaves of one trust and role are joined to one text, with a
separator that no pattern crosses (a line feed, U+0000, a line feed), and `parts` lead back. Adjacent text parts of one
message stand in it twice: each for itself, and once more glued together, as a model reads them.

**Paths** are JSON Pointers (RFC 6901) whose names are all known words: an unknown key is a person's own text and must
not stand in a record, so it is written by position, `@2` for the third member of its object. `…#key` is a key itself,
`…#` begins a path in JSON that a string holds, as the arguments of a tool call do: `/choices/0/message/tool_calls/0/
function/arguments#/@0`. A string that should hold JSON and cannot be read in one way only is examined as what it is.

**Trust**: system and developer are the operator's own words, the assistant's are a model's. Results and definitions of
tools, documents and unknown roles are foreign: a tool's description is often somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from bartizan.core.errors import InputError, LimitError
from bartizan.core.subject import Context, Direction, Kind, Part, Subject, Trust
from bartizan.readers.strict_json import MAX_DEPTH, deeper, loads

SEPARATOR = "\n\0\n"
MAX_NESTING = 2  # JSON in JSON in JSON; deeper is examined as the text it is.
MAX_LEVELS = MAX_DEPTH + 10  # Of a body and the JSON in it together, with what stands around a message.
MIN_FIGURE = 5  # Characters; no number that means a person or an account is shorter, and settings like 0.7 are.
MIN_SEALED = 256  # Characters; a shorter "picture" is examined as text too.

ROLES: dict[str, tuple[Trust, str]] = {
    "system": (Trust.OWN, "system"),
    "developer": (Trust.OWN, "system"),
    "user": (Trust.USER, "user"),
    "assistant": (Trust.MODEL, "assistant"),
    "tool": (Trust.FOREIGN, "tool"),
    "function": (Trust.FOREIGN, "tool"),
}
_FOREIGN = ROLES["tool"]

NAMES = frozenset(
    """
    accepted_prediction_tokens additionalProperties allOf allowed_callers allowed_domains annotations anyOf
    approximate arguments audio audio_tokens authorization_token betas blocked_domains budget_tokens bytes
    cache_control cache_creation cache_creation_input_tokens cache_read_input_tokens cached_tokens call_id caller
    category choices citation citations cited_text city code completion_tokens completion_tokens_details const
    container content content_block context context_management country created created_at custom data datatype default
    definitions defs delta description detail developer disable_parallel_tool_use display document document_index
    document_title edits effort enabled encrypted_content encrypted_index end_block_index end_char_index end_index
    end_page_number enum error error_code error_message expires_at explanation file file_data file_id file_ids
    filename finish_reason format frequency_penalty function function_call functions grammar id image image_url
    image_url_detail include_obfuscation include_usage index inference_geo input input_audio input_schema
    input_tokens input_tokens_details inputs is_error items json_schema keep logit_bias logprob logprobs maxItems
    maxLength max_completion_tokens max_content_tokens max_length max_tokens max_uses maximum mcp_servers media_type
    message message_id messages metadata minItems minLength minimum modalities model moderation n name obfuscation
    object oneOf output_config output_format output_tokens output_tokens_details outputs page_age parallel_tool_calls
    param parameters partial_json pattern prediction prefixItems presence_penalty processed_by prompt_cache_key
    prompt_cache_retention prompt_tokens prompt_tokens_details properties reasoning reasoning_content
    reasoning_details reasoning_effort reasoning_tokens refusal region rejected_prediction_tokens required
    response_format return_code role safety_identifier schema search_context_size seed server_name server_tool_use
    service_tier shape signature source speed start_block_index start_char_index start_index start_page_number status
    stderr stdout stop stop_details stop_reason stop_sequence stop_sequences store stream stream_options strict
    summary syntax system system_fingerprint temperature text text_editor thinking thinking_tokens thread timezone
    title token tool_call_id tool_calls tool_choice tool_name tool_references tool_use_id tools top_k top_logprob
    top_logprobs top_p total_tokens transcript ttl type type_ url url_citation usage user user_id user_location
    verbosity video_url voice web_fetch_requests web_search_options web_search_requests
    """.split()  # noqa: SIM905  A hundred lines of quoted words would say no more.
)
"""Names of fields that the protocols define. They are never examined, and stand in paths."""

VOCABULARY = frozenset(
    """
    1h 5m aac adaptive any application/pdf approximate array assistant audio auto base64 batch boolean char_location
    chat.completion chat.completion.chunk code_execution_tool_result concise content content_block_location
    content_filter custom default developer disabled document enabled end_turn ephemeral error file flac flex
    function function_call gif grammar high image image/gif image/jpeg image/png image/webp image_url input_audio
    integer jpeg json_object json_schema lark length list low max max_tokens medium message minimal model mp3 none
    null number object opus page_location pause_turn pcm16 png priority redacted_thinking refusal regex required
    scale search_result server_tool_use standard standard_only stop stop_sequence string system text text/plain
    thinking tool tool_calls tool_result tool_use url url_citation user verbose wav web_fetch_tool_result
    web_search_tool_result webp xhigh
    """.split()  # noqa: SIM905
)
"""Words of the protocols themselves, wherever they stand alone as a value."""

_ENVELOPE = frozenset({"id", "object", "created", "model", "system_fingerprint", "service_tier", "usage"})
_DOCUMENTS = frozenset({"tool_result", "document", "search_result"})
_MEDIA = frozenset({"data", "file_data", "file_id", "image_url", "video_url", "source", "audio"})
_LINKS = frozenset({"url", "image_url", "video_url", "file_data"})  # Where a data: URL is one; elsewhere it is a text.
_SOUNDS = frozenset({"wav", "mp3", "pcm16", "flac", "opus", "aac"})
_PICTURES = frozenset({"png", "jpg", "jpeg", "gif", "webp"})
_TEXTS = ("json", "xml", "csv", "yaml", "javascript", "html", "rtf")  # How types of texts end that are not text/….
_DATA_URL = re.compile(r"data:([\w.+-]+(?:/[\w.+-]+)?)?(?:;[\w=.+-]*)*;base64,", re.ASCII)
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_=-\r\n"


def segment(key: str, position: int) -> str:
    """What stands for a member in a path: its name if the protocol gave it, else where it stands."""
    return key if key in NAMES else f"@{position}"


def chat(
    value: object,
    *,
    direction: Direction = Direction.OUT,
    context: Context | None = None,
    number: Callable[[str], str] | None = None,
) -> Subject:
    """A request body of either provider, or a bare list of messages (which then stands under `/messages`).

    Args:
        value: What the JSON says.
        direction: Where it goes; used where no `context` says so.
        context: Who sent it where.
        number: The number at a path as it is written, where its value may have lost digits.

    Raises:
        LimitError: nested deeper than any body that `strict_json` lets pass.
    """
    walk = Leaves(number)
    if type(value) is list:
        walk.messages(value, "/messages")
    elif type(value) is dict:
        walk.request(value)
    else:
        walk.leaves(value, "", ROLES["user"])
    return walk.subject(value, context or Context(direction=direction))


def reply(value: object, *, context: Context | None = None, number: Callable[[str], str] | None = None) -> Subject:
    """A whole answer of either provider. Its envelope (ids, model, usage) and log probabilities are not examined:

    those are the provider's, and copies of a text that is.
    """
    walk = Leaves(number)
    if type(value) is dict:
        walk.answer(value)
    else:
        walk.leaves(value, "", ROLES["assistant"])
    return walk.subject(value, context or Context(direction=Direction.IN))


def signed(value: object, path: str) -> bool:
    """Whether the place lies in a part that carries a signature (or is sealed), so that an edit would break it."""
    for name in path.partition("#")[0].split("/")[1:]:
        if type(value) is dict:
            if value.get("signature") or value.get("encrypted_content") or value.get("type") == "redacted_thinking":
                return True
            value = list(value.values())[int(name[1:])] if name.startswith("@") else value.get(name)
        elif type(value) is list:
            value = value[int(name)]
    return False


Who = tuple[Trust, str]


class Gather:
    """Leaves on their way to as few texts as trust and role allow."""

    def __init__(self) -> None:
        self._texts: dict[Who, list[list[tuple[str, str]]]] = {}

    def leaf(self, text: str, path: str, who: Who) -> None:
        """A text that stands for itself."""
        self._texts.setdefault(who, []).append([(path, text)])

    def glued(self, run: list[tuple[str, str]], who: Who) -> None:
        """Texts (path, text) that a reader puts together without anything in between."""
        self._texts.setdefault(who, []).append(run)

    def subjects(self) -> Iterator[Subject]:
        """One text for each trust and role."""
        for (trust, role), runs in self._texts.items():
            if len(runs) == 1 and len(runs[0]) == 1:
                path, text = runs[0][0]
                yield Subject(Kind.TEXT, path, text, trust, role)
                continue
            parts: list[Part] = []
            texts: list[str] = []
            at = 0
            for run in runs:
                for path, text in run:
                    parts.append(Part(path, at, len(text)))
                    texts.append(text)
                    at += len(text)
                texts.append(SEPARATOR)
                at += len(SEPARATOR)
            texts.pop()
            yield Subject(Kind.TEXT, "", "".join(texts), trust, role, parts=tuple(parts))


class Leaves(Gather):
    """One pass over a body, in document order."""

    def __init__(self, number: Callable[[str], str] | None = None) -> None:
        super().__init__()
        self._number = number
        self._unread: list[Subject] = []

    def subject(self, value: object, context: Context) -> Subject:
        return Subject(Kind.CHAT, "", value, children=(*self.subjects(), *self._unread), context=context)

    def request(self, value: dict[str, object]) -> None:
        for i, (key, item) in enumerate(value.items()):
            if key == "messages" and type(item) is list:
                self.messages(item, "/messages")
            elif key == "system":
                self.content(item, "/system", ROLES["system"])
            elif key == "tools" or key == "functions":
                self.leaves(item, f"/{key}", ROLES["tool"], key)
            else:
                self.member(key, i, item, "", ROLES["user"])

    def answer(self, value: dict[str, object]) -> None:
        who = ROLES["assistant"]
        for i, (key, item) in enumerate(value.items()):
            if key in _ENVELOPE:
                continue
            if key == "choices" and type(item) is list:
                for n, choice in enumerate(item):
                    self._choice(choice, f"/choices/{n}", who)
            elif key == "content":
                self.content(item, "/content", who)
            else:
                self.member(key, i, item, "", who)

    def _choice(self, choice: object, path: str, who: Who) -> None:
        if type(choice) is not dict:
            self.leaves(choice, path, who)
            return
        for i, (key, item) in enumerate(choice.items()):
            if key == "message" and type(item) is dict:
                self.message(item, f"{path}/message", who)
            elif key != "logprobs" and key != "index":
                self.member(key, i, item, path, who)

    def messages(self, messages: list[object], path: str) -> None:
        texts = self._texts
        for n, message in enumerate(messages):
            if type(message) is not dict:
                self.leaves(message, f"{path}/{n}", ROLES["user"])
                continue
            role = message.get("role")
            who = ROLES.get(role) if type(role) is str else None
            if who is not None and len(message) == 2 and type(text := message.get("content")) is str:
                texts.setdefault(who, []).append([(f"{path}/{n}/content", text)])
            else:
                self.message(message, f"{path}/{n}", who or (ROLES["user"] if role is None else ROLES["tool"]))

    def message(self, message: dict[str, object], path: str, who: Who) -> None:
        for i, (key, item) in enumerate(message.items()):
            if key == "content":
                self.content(item, f"{path}/content", who)
            else:
                self.member(key, i, item, path, who)

    def content(self, content: object, path: str, who: Who) -> None:
        """A string, or a list of parts; texts that stand side by side are also read as one."""
        if type(content) is not list:
            self.leaves(content, path, who)
            return
        run: list[tuple[str, str]] = []
        for n, part in enumerate(content):
            here = f"{path}/{n}"
            text = part.get("text") if type(part) is dict else part
            if type(text) is str:
                where = here if part is text else f"{here}/text"
                self.leaf(text, where, who)
                run.append((where, text))
                if type(part) is dict and len(part) > 1:
                    self.part(part, here, who)
                continue
            self._run(run, who)
            run = []
            if type(part) is dict:
                self.part(part, here, who)
            else:
                self.leaves(part, here, who)
        self._run(run, who)

    def _run(self, run: list[tuple[str, str]], who: Who) -> None:
        if len(run) > 1:
            self.glued(run, who)

    def part(self, part: dict[str, object], path: str, who: Who) -> None:
        """One part of a content, without its own text."""
        sort = part.get("type")
        if type(sort) is str and (sort in _DOCUMENTS or sort.endswith("_tool_result")):
            who = ROLES["tool"]
        opaque = self._media(part, path, who)
        for i, (key, item) in enumerate(part.items()):
            if key == opaque:
                continue
            if key == "content":
                self.content(item, f"{path}/content", who)
            elif key != "text" or type(item) is not str:
                self.member(key, i, item, path, who)

    def member(self, key: str, i: int, item: object, path: str, who: Who, depth: int = 0) -> None:
        """One member of an object: the key, where it is none of the protocol's, and the value."""
        if key in NAMES:
            path = f"{path}/{key}"
        else:
            path = f"{path}/@{i}"
            if key:
                self.leaf(key, f"{path}#key", who)
        if type(item) is str:
            if item in VOCABULARY:
                return
            if key == "arguments":
                self.nested(item, path, who, depth)
                return
        self.leaves(item, path, who, key, depth)

    def leaves(self, value: object, path: str, who: Who, key: str = "", depth: int = 0) -> None:
        """Every leaf of a value, whatever it is; `key` is the member it is the value of."""
        kind = type(value)
        if kind is str:
            self._text(value, path, who, key, depth)  # type: ignore[arg-type]  # mypy does not follow `kind`.
        elif kind is bool or value is None:
            return
        elif kind is int or kind is float:
            self._figure(value, path, who)  # type: ignore[arg-type]
        elif depth > MAX_LEVELS:
            raise LimitError(f"nested deeper than {MAX_LEVELS}", path.partition("#")[0])
        elif isinstance(value, dict):
            opaque = self._media(value, path, who)
            for i, (name, item) in enumerate(value.items()):
                if name == opaque:
                    continue
                if name == "content" and type(item) is list and not depth:  # Of a document, of a prediction.
                    self.content(item, f"{path}/content", who)
                else:
                    self.member(str(name), i, item, path, who, depth + 1)
        elif isinstance(value, list | tuple):
            for n, item in enumerate(value):
                self.leaves(item, f"{path}/{n}", who, key, depth + 1)
        else:
            raise InputError(f"a {kind.__name__} is not a JSON value", path)

    def nested(self, text: str, path: str, who: Who, depth: int = 0) -> None:
        """JSON in a string. What can be read in two ways, not at all, or is too deep, is examined as the text it is."""
        try:
            value = loads(text.encode()) if path.count("#") < MAX_NESTING else None
        except (InputError, UnicodeEncodeError):
            value = None
        if isinstance(value, dict | list) and not (depth and deeper(value, MAX_LEVELS - depth - 1)):
            inner = self._number
            self._number = None
            self.leaves(value, f"{path}#", who, depth=depth + 1)
            self._number = inner
        elif text:
            self.leaf(text, path, who)

    def _text(self, text: str, path: str, who: Who, key: str, depth: int) -> None:
        if not text or text in VOCABULARY:
            return
        if key == "arguments":
            self.nested(text, path, who, depth)
            return
        if (
            key in _LINKS
            and text.startswith("data:")
            and (head := _DATA_URL.match(text))
            and not _textual(head[1] or "")
        ):
            self.sealed(path, who, _label(head[1] or ""))
            if _opaque(text, head.end()):
                return
        self.leaf(text, path, who)

    def _figure(self, value: float, path: str, who: Who) -> None:
        text = repr(value)
        if len(text) < MIN_FIGURE:
            return
        if type(value) is float and self._number is not None and (len(text) > 12 or "e" in text):
            text = self._number(path)
        self.leaf(text, path, who)

    def _media(self, value: dict[str, object], path: str, who: Who) -> str | None:
        """Notes what of an object is a picture, sound or file; the name of its member that is no text, or None."""
        if _MEDIA.isdisjoint(value):
            return None
        sort, data = value.get("type"), value.get("data")
        kind = value.get("media_type") or value.get("format")
        if isinstance(data, str) and isinstance(kind, str) and sort != "text" and not _textual(kind):
            self.sealed(f"{path}/data", who, _label(kind))
            return "data" if _opaque(data) else None
        if isinstance(sealed := value.get("file_data"), str) and not sealed.startswith("data:"):
            self.sealed(f"{path}/file_data", who, "file")
            return "file_data" if _opaque(sealed) else None
        for key in ("image_url", "video_url"):
            link = value.get(key)
            url = link.get("url") if isinstance(link, dict) else link
            if isinstance(url, str) and not url.startswith("data:"):
                self.sealed(f"{path}/{key}", who, "picture" if key == "image_url" else "file")
        source, sound = value.get("source"), value.get("audio")
        if isinstance(source, dict) and source.get("type") in ("url", "file"):
            self.sealed(f"{path}/source", who, "picture" if sort == "image" else "file")
        if isinstance(sound, dict) and "id" in sound and "data" not in sound:
            self.sealed(f"{path}/audio", who, "audio")
        if isinstance(value.get("file_id"), str) and sort != "file":
            self.sealed(f"{path}/file_id", who, "file")
        return None

    def sealed(self, path: str, who: Who, label: str) -> None:
        """Something at a path that nothing here can read."""
        trust, role = who
        self._unread.append(Subject(Kind.FILE, path, None, trust, role, frozenset({label})))


def _label(kind: str) -> str:
    family = kind.partition("/")[0].lower()
    if family == "image" or family in _PICTURES:
        return "picture"
    return "audio" if family == "audio" or family in _SOUNDS else "file"


def _textual(kind: str) -> bool:
    """Whether a media type, or a format, is that of a text; a data: URL without one is one (RFC 2397)."""
    kind = kind.lower()
    if "/" not in kind:
        return kind not in _SOUNDS and kind not in _PICTURES
    return kind.startswith("text/") or kind.endswith(_TEXTS)


def _opaque(text: str, start: int = 0) -> bool:
    """Whether this is nothing but base64, and long enough not to be a text of its own."""
    if len(text) - start < MIN_SEALED or not text.isascii():
        return False
    return not text[start:].encode().translate(None, _ALPHABET)
