"""Law 3 at the two places that keep it: `Release` for one text, `ReplyStream` for a whole answer.

The detectors here are small, so that every hard case is near: a checksum (a candidate that fails must not hide the next
one), separators inside a match, a neighbour on either side, a view that drops characters, two detectors whose matches
overlap. tests/properties/test_loop_laws.py holds the shipped ones to the same law.
"""

import itertools
import re
from dataclasses import dataclass

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from bartizan.core.decision import NOTHING, Action, Decision, Edit, How, apply_edits
from bartizan.core.stream import Look, Release
from bartizan.core.subject import Context
from bartizan.exchange.anthropic import ANTHROPIC
from bartizan.exchange.body import read_body
from bartizan.exchange.openai import OPENAI
from bartizan.readers.eventstream import EventReader


def luhn(text):
    digits = [int(c) for c in text if c.isdigit()][::-1]
    return (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0


@dataclass(frozen=True)
class Pattern:
    """A detector of one rule, as in the sketch: every start is tried, every valid span reported."""

    expression: str
    alphabet: str  # a run of these at the text's end may still become a match
    reach: int
    valid: object = lambda _: True
    refuses: bool = False

    def spans(self, text, since=0):
        for match in re.compile(f"(?=({self.expression}))").finditer(text, since):
            if self.valid(match.group(1)):
                yield match.span(1)

    def settled(self, text):
        start, first = len(text), max(0, len(text) - self.reach)
        while start > first and text[start - 1] in self.alphabet:
            start -= 1
        return start


CARD = Pattern(r"(?<![0-9])[0-9](?:[ -]?[0-9]){5}(?![0-9])", "0123456789 -", 12, luhn)
KEY = Pattern(r"(?<![a-z0-9-])sk-[a-z0-9]{6}(?![a-z0-9])", "abcdefghijklmnopqrstuvwxyz0123456789-", 10)
BAD = Pattern(r"(?<![a-z])bad(?![a-z])", "abdcefghijklmnopqrstuvwxyz", 4, refuses=True)
DROPPED = "\u200b"


def dropped(text):
    """The text without its zero-width characters, and where each character that stays came from."""
    kept = [(c, i) for i, c in enumerate(text) if c != DROPPED]
    return "".join(c for c, _ in kept), [i for _, i in kept]


def seen(text, patterns, since=0, views=True):
    """(start, end, refuses) of everything seen, raw and with characters dropped."""
    out = {(*span, p.refuses) for p in patterns for span in p.spans(text, since)}
    if views and DROPPED in text:
        bare, at = dropped(text)
        for p in patterns:
            out |= {(at[s], at[e - 1] + 1, p.refuses) for s, e in p.spans(bare) if at[s] >= since}
    return sorted(out)


def looker(patterns, path=""):
    def look(kept, since):
        settled = min(p.settled(kept) for p in patterns)
        bare, at = dropped(kept)
        if len(bare) < len(kept):
            for p in patterns:
                back = p.settled(bare)
                settled = min(settled, at[back - 1] + 1 if back else 0)
            while settled > 0 and kept[settled - 1] == DROPPED:  # The left neighbour must be one that the view keeps.
                settled -= 1
        found = seen(kept, patterns, since)
        edits = tuple(Edit(path, s, e, How.REDACT, "█") for s, e, refuses in found if not refuses)
        refused = min((s for s, _, refuses in found if refuses), default=None)
        return Look(max(settled, since), edits, refused, NOTHING if refused is None else Decision(action=Action.BLOCK))

    return look


def released(text, cuts, patterns):
    release = Release(looker(patterns))
    out = [release.feed(text[a:b]).text for a, b in itertools.pairwise([0, *cuts, len(text)])]
    out.append(release.feed("", last=True).text)
    return "".join(out), release


def whole(text, patterns):
    return apply_edits(text, [Edit("", s, e, How.REDACT, "█") for s, e, refuses in seen(text, patterns) if not refuses])


PIECES = (
    "424242|42 42-42|12 |4242420|41|4|2|18|0| |-|a|sk-abc123|sk-abc|sk-|sk-424242|hello |7|\u200b|4\u200b2|sk\u200b-a"
)
pieces = st.sampled_from(PIECES.split("|"))
texts = st.lists(pieces, max_size=12).map("".join)


@settings(max_examples=400)
@given(texts, st.data())
def test_what_leaves_is_the_edited_text(text, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    sent, release = released(text, cuts, (CARD, KEY))
    assert sent == whole(text, (CARD, KEY))
    assert release.text == text
    assert apply_edits(text, release.edits) == sent


@settings(max_examples=40)
@given(st.lists(pieces, max_size=4).map("".join))
def test_every_cut_in_two_and_letter_by_letter(text):
    wanted = whole(text, (CARD, KEY))
    for cut in range(len(text) + 1):
        assert released(text, [cut], (CARD, KEY))[0] == wanted
    assert released(text, list(range(1, len(text))), (CARD, KEY))[0] == wanted


@settings(max_examples=300)
@given(st.lists(pieces | st.sampled_from(["bad", " bad ", "ba", "d", "badly"]), max_size=12).map("".join), st.data())
def test_what_left_before_a_refusal_is_a_prefix_that_ends_before_it(text, data):
    patterns = (CARD, KEY, BAD)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    sent, release = released(text, cuts, patterns)
    refused = [s for s, _, refuses in seen(text, patterns) if refuses]
    assert release.refused == bool(refused)
    if not refused:
        assert sent == whole(text, patterns)
        return
    edits = [Edit("", s, e, How.REDACT, "█") for s, e, refuses in seen(text, patterns) if not refuses]
    first = min([refused[0], *(e.start for e in edits if e.start < refused[0] < e.end)])
    assert apply_edits(text, [e for e in edits if e.end <= first]).startswith(sent)
    assert release.done <= refused[0]
    assert release.decision.action is Action.BLOCK


# ---- The same through a whole exchange


class Rules:
    """What a reply stream needs of a loop, made of the patterns above."""

    def __init__(self, patterns, hold=False):
        self.patterns, self.hold = patterns, hold

    @property
    def policy(self):
        return self

    def holds_stream(self, _context):
        return self.hold

    def look(self, subject):
        return looker(self.patterns, subject.path)

    def judge(self, subject):
        decision = NOTHING
        for part in subject.walk():
            if isinstance(part.content, str):
                for s, e, refuses in seen(part.content, self.patterns):
                    spans = part.spans(s, e)
                    edits = frozenset(Edit(path, a, b, How.REDACT, "█") for path, a, b in spans)
                    decision |= Decision(action=Action.BLOCK) if refuses else Decision(edits=edits)
        return decision


def chunks(text, cuts, index):
    for a, b in itertools.pairwise([0, *cuts, len(text)]):
        yield {"id": "c", "choices": [{"index": index, "delta": {"content": text[a:b]}, "finish_reason": None}]}


def stopped(index):
    return {"id": "c", "choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}


def event(value):
    return b"data: " + orjson.dumps(value) + b"\n\n"


def cut(raw, data):
    places = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=10)))
    return [raw[a:b] for a, b in itertools.pairwise([0, *places, len(raw)])]


def asked(dialect, n=1):
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True, "n": n}
    return dialect.request(read_body(orjson.dumps(body)), Context())


def runs(text):
    """Whether a run is as long as a match may be: its end may be held back alone, and its event leaves in two."""
    return any(re.search(f"[{re.escape(one.alphabet)}]{{{one.reach},}}", text) for one in (CARD, KEY))


def played(stream, raw, data):
    sent = b"".join([stream.feed(piece) for piece in cut(raw, data)])
    ending = stream.finish(True)
    return sent + ending.before + ending.last, ending


@settings(max_examples=150)
@given(st.lists(texts, min_size=1, max_size=3), st.booleans(), st.data())
def test_a_client_reads_the_edited_text_of_every_choice(answers, hold, data):
    """However the model cuts its texts into events, mixes the choices, and the network cuts the bytes."""
    queues = [
        list(chunks(t, sorted(data.draw(st.lists(st.integers(0, len(t)), max_size=5))), i))
        for i, t in enumerate(answers)
    ]
    order = data.draw(st.permutations([i for i, queue in enumerate(queues) for _ in queue]))
    events = [event(queues[i].pop(0)) for i in order] + [event(stopped(i)) for i in range(len(answers))]
    raw = b"".join(events) + b"data: [DONE]\n\n"
    patterns = (CARD, KEY)
    stream = OPENAI.reply_stream(asked(OPENAI, len(answers)), Rules(patterns, hold), Context())
    out, ending = played(stream, raw, data)
    got = [""] * len(answers)
    for one in EventReader().feed(out):
        if one.data != b"[DONE]":
            for choice in orjson.loads(one.data)["choices"]:
                got[choice["index"]] += choice["delta"].get("content", "")
    assert got == [whole(text, patterns) for text in answers]
    assert out.count(b'"finish_reason":"stop"') == len(answers)
    assert out.endswith(b"data: [DONE]\n\n")
    assert not ending.refused
    if not ending.decision.edits and not any(map(runs, answers)):
        assert out == raw


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from(["text", "tool_use"]), texts), min_size=1, max_size=3), st.booleans(), st.data()
)
def test_a_client_reads_the_edited_text_of_every_block(blocks, hold, data):
    def named(value):
        return b"event: " + value["type"].encode() + b"\n" + event(value)

    raw = named({"type": "message_start", "message": {"id": "m", "content": []}})
    for i, (kind, text) in enumerate(blocks):
        text = text if kind == "text" else orjson.dumps({"q": text}).decode()
        raw += named({"type": "content_block_start", "index": i, "content_block": {"type": kind}})
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
        for a, b in itertools.pairwise([0, *cuts, len(text)]):
            delta = (
                {"type": "text_delta", "text": text[a:b]}
                if kind == "text"
                else {"type": "input_json_delta", "partial_json": text[a:b]}
            )
            raw += named({"type": "content_block_delta", "index": i, "delta": delta})
        raw += named({"type": "content_block_stop", "index": i})
    raw += named({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}) + named(
        {"type": "message_stop"}
    )
    patterns = (CARD, KEY)
    stream = ANTHROPIC.reply_stream(asked(ANTHROPIC), Rules(patterns, hold), Context())
    out, ending = played(stream, raw, data)
    if ending.refused:  # Only a match that began in one text block and ended in the next one.
        assert not hold
        assert any(a[0] == b[0] == "text" for a, b in itertools.pairwise(blocks))
        return
    got = [""] * len(blocks)
    for one in EventReader().feed(out):
        value = orjson.loads(one.data)
        if value["type"] == "content_block_delta":
            got[value["index"]] += value["delta"].get("text", value["delta"].get("partial_json"))
    for (kind, text), read in zip(blocks, got, strict=True):
        if kind == "tool_use":
            assert orjson.loads(read) == {"q": whole(text, patterns)}
        elif not hold:
            assert read == whole(text, patterns)
    if not ending.decision.edits and not any(map(runs, (text for _, text in blocks))):
        assert out == raw


@settings(max_examples=100)
@given(st.lists(pieces | st.sampled_from([" bad ", "ba", "d"]), max_size=10).map("".join), st.data())
def test_a_refused_answer_ends_before_what_is_refused(text, data):
    patterns = (CARD, KEY, BAD)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    raw = b"".join(map(event, [*chunks(text, cuts, 0), stopped(0)])) + b"data: [DONE]\n\n"
    out, ending = played(OPENAI.reply_stream(asked(OPENAI), Rules(patterns), Context()), raw, data)
    values = [orjson.loads(e.data) for e in EventReader().feed(out) if e.data != b"[DONE]"]
    read = "".join(c["delta"].get("content", "") for v in values for c in v["choices"])
    refused = [s for s, _, refuses in seen(text, patterns) if refuses]
    assert ending.refused == bool(refused)
    assert [c["finish_reason"] for v in values for c in v["choices"] if c["finish_reason"]] == [
        "content_filter" if refused else "stop"
    ]
    if refused:
        edits = [Edit("", s, e, How.REDACT, "█") for s, e, refuses in seen(text, patterns) if not refuses]
        first = min([refused[0], *(e.start for e in edits if e.start < refused[0] < e.end)])
        assert apply_edits(text, [e for e in edits if e.end <= first]).startswith(read)
    else:
        assert read == whole(text, patterns)


SHARDS = [
    b"data: ", b"\n\n", b"\r", b"{}", b"null", b"[DONE]", b"event: message_start\n", b'{"error":7}',
    b'{"choices":[{"index":0,"delta":{"content":"x"}}]}', b'{"choices":[{"index":0,"delta":7}]}',
    b'{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":[]}}]}}]}',
    b'{"type":"content_block_delta","index":0,"delta":{"type":[]}}', b'{"type":"message_start","message":7}',
    b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","text":{},"input":[{}]}}',
]  # fmt: skip


@settings(max_examples=150)
@given(st.binary(max_size=60) | st.lists(st.sampled_from(SHARDS)).map(b"".join), st.data())
def test_no_upstream_bytes_ever_raise(raw, data):
    for dialect in (OPENAI, ANTHROPIC):
        stream = dialect.reply_stream(asked(dialect), Rules((CARD, KEY)), Context())
        _, ending = played(stream, raw, data)
        assert ending.failed or ending.last
