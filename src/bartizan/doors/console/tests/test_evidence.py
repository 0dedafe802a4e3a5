"""The evidence is the text that was judged, marked where something was found, whoever sent it, however long it is."""

import json
import re
import time
from dataclasses import dataclass

import pytest
from dom import Dom, dom, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from bartizan.core.decision import Action, Decision, Edit, How, apply_edits
from bartizan.core.finding import Failure, Finding, Place, Seen, Severity
from bartizan.core.subject import Context, Kind, Subject, alone
from bartizan.doors.console.evidence import MAX_NOTES, View, evidence
from bartizan.doors.console.marking import Span, marked
from bartizan.doors.console.visible import Room
from bartizan.exchange.body import read_body
from bartizan.ledger.entry import entry
from bartizan.readers.chat import chat, reply
from bartizan.store.state import State
from bartizan.vault import MasterKey, Vault

XSS = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;"


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    state = State.open(home)
    yield Vault.open(state, MasterKey.load(home, {}, create=True))
    state.close()


def record(vault, subject, seen, edits=(), *, action=Action.ALLOW, side="request", door="gateway", bodies=True):
    made = entry(
        subject,
        Decision(action, frozenset(edits), seen=frozenset(map(Seen, seen))),
        exchange="X",
        side=side,
        door=door,
        policy="p@1 sha256:00",
        detectors="00",
        content=b"",
        vault=vault,
    )
    return made | ({"bodies": [{"side": side, "month": "2026-11", "commitment": "", "sealed": ""}]} if bodies else {})


def found(path, start, end, severity=Severity.HIGH, risk="secret.jwt"):
    return Finding(risk, severity, 0.9, (Place(path, start, end),), "it looks like one", (), "text.secrets@1")


def body_of(*messages, **fields) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": list(messages), **fields}).encode()


def text_of(view) -> Dom:
    """All text of the evidence, without numbers and chips."""
    made = "\x1f".join(str(piece.html) for block in view.blocks for piece in block.pieces)
    out = Dom()
    out.feed(re.sub(r"<sup>.*?</sup>", "", made))
    out.close()
    return out


def html_of(view) -> str:
    return "".join(str(piece.html) for block in view.blocks for piece in block.pieces)


# ---- Marks ----------------------------------------------------------------------------------------------------------


@dataclass
class Case:
    text: str
    spans: list[Span]


@st.composite
def cases(draw) -> Case:
    text = draw(st.text(st.sampled_from("ab<&\n\u200b\u0430"), max_size=40))
    places = st.integers(0, len(text))
    spans = []
    for number in range(1, draw(st.integers(0, 12)) + 1):
        start, end = sorted((draw(places), draw(places)))
        if start < end:
            spans.append(Span(start, end, number, f"m{number % 4 + 1}", number % 5))
    return Case(text, spans)


@given(cases(), st.data())
@settings(max_examples=300)
def test_marks_change_no_text_and_are_well_formed(case: Case, data) -> None:
    """However they overlap: every tag is closed in order, every finding that ends here has its number once."""
    start, end = sorted((data.draw(st.integers(0, len(case.text))), data.draw(st.integers(0, len(case.text)))))
    made, stop = marked(case.text, start, end, case.spans, [], Room(100_000))
    assert stop == end
    open_tags = []
    for close, tag in re.findall(r"<(/?)(\w+)", made):
        if close:
            assert open_tags.pop() == tag
        else:
            open_tags.append(tag)
    assert not open_tags
    bare = re.sub(r"<sup>.*?</sup>", "", made)
    assert dom(type(made)(bare)).text == plain(case.text[start:end])
    numbers = sorted(map(int, re.findall(r"<sup><a[^>]*>(\d+)</a>", made)))
    assert numbers == sorted(span.number for span in case.spans if start < span.end <= end and span.start < end)


@given(cases(), st.data())
@settings(max_examples=300)
def test_edits_stand_in_the_place_of_what_they_replaced(case: Case, data) -> None:
    edits, at = [], 0
    for _ in range(data.draw(st.integers(0, 4))):
        if at >= len(case.text):
            break
        start = data.draw(st.integers(at, len(case.text) - 1))
        stop = data.draw(st.integers(start + 1, len(case.text)))
        edits.append(Edit("", start, stop, How.REDACT, "[x]"))
        at = stop
    made, _ = marked(case.text, 0, len(case.text), case.spans, edits, Room(100_000))
    bare = re.sub(r"<sup>.*?</sup>", "", made)
    assert dom(type(made)(bare)).text == plain(apply_edits(case.text, edits))
    numbers = sorted(map(int, re.findall(r"<sup><a[^>]*>(\d+)</a>", made)))
    assert numbers == sorted(span.number for span in case.spans)


# ---- Chats ----------------------------------------------------------------------------------------------------------


def test_a_chat_is_shown_message_by_message_with_its_findings(vault) -> None:
    raw = body_of(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"my key is SECRET {XSS}"},
        {"role": "assistant", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
    )
    body = read_body(raw)
    subject = chat(body.value)
    told = record(vault, subject, [found("/messages/1/content", 10, 16)])
    shown = evidence(told, raw, View.SENT, vault)
    headings = [(block.heading, block.label) for block in shown.blocks]
    assert headings == [
        ("System, message 1", ""),
        ("User, message 2", ""),
        ("Assistant, message 3", "part 1"),
        ("", "part 2"),
    ]
    assert '<mark class="m1" data-n="1">SECRET</mark><sup><a href="#f1"' in html_of(shown)
    assert text_of(shown).text == f"Be brief.\x1fmy key is SECRET {XSS}\x1fone\x1ftwo"
    assert text_of(shown).tags <= {"mark", "span"}
    (note,) = shown.notes
    assert (note.number, note.risk, note.severity, note.marked, note.level) == (1, "secret.jwt", "high", True, 3)


def test_findings_are_numbered_as_the_text_is_read(vault) -> None:
    raw = body_of({"role": "user", "content": "aaa bbb"}, {"role": "user", "content": "ccc"})
    seen = [
        found("/messages/1/content", 0, 3, risk="a.last"),
        found("/messages/0/content", 4, 7, risk="b.second"),
        found("/messages/0/content", 0, 3, risk="c.first"),
    ]
    shown = evidence(record(vault, chat(read_body(raw).value), seen), raw, View.SENT, vault, first=5)
    assert [(note.number, note.risk) for note in shown.notes] == [(5, "c.first"), (6, "b.second"), (7, "a.last")]


def test_words_of_the_sender_in_a_path_are_found_by_their_digest(vault) -> None:
    raw = body_of(
        {"role": "user", "content": "x"},
        metadata={"my secret name": "SECRET"},
    )
    subject = chat(read_body(raw).value)
    (path,) = (p for p, text in subject.texts().items() if text == "SECRET")
    assert "@" in path
    told = record(vault, subject, [found(path, 0, 6)])
    assert path not in json.dumps(told)
    assert ">SECRET</mark>" in html_of(evidence(told, raw, View.SENT, vault))


def test_arguments_of_a_tool_are_shown_where_they_stand(vault) -> None:
    call = {"function": {"name": "send", "arguments": json.dumps({"to": "SECRET"})}}
    raw = body_of({"role": "assistant", "content": None, "tool_calls": [call]})
    subject = chat(read_body(raw).value)
    (path,) = (p for p, text in subject.texts().items() if text == "SECRET")
    shown = evidence(record(vault, subject, [found(path, 0, 6)]), raw, View.SENT, vault)
    assert ">SECRET</mark>" in html_of(shown)


def test_a_whole_answer_and_a_streamed_one(vault) -> None:
    whole = json.dumps({"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "SECRET"}}]})
    streamed = json.dumps({"/choices/0/delta/content": "SECRET"})
    for raw, path in ((whole, "/choices/0/message/content"), (streamed, "/choices/0/delta/content")):
        subject = reply(json.loads(whole))
        told = record(vault, subject, [found(path, 0, 6)], side="answer")
        shown = evidence(told, raw.encode(), View.SENT, vault)
        assert [(block.heading, block.label) for block in shown.blocks] == [("Answer", "")]
        assert ">SECRET</mark>" in html_of(shown)
        assert shown.labels[View.PASSED] == "What the person would get"


def test_what_the_model_got_has_the_edits_in_it(vault) -> None:
    raw = body_of({"role": "user", "content": "my key is SECRET, keep it"})
    edit = Edit("/messages/0/content", 10, 16, How.REDACT, "[credential]")
    told = record(vault, chat(read_body(raw).value), [found("/messages/0/content", 10, 16)], [edit])
    shown = evidence(told, raw, View.PASSED, vault)
    assert "SECRET" not in html_of(shown)
    assert text_of(shown).text.startswith("my key is [credential], keep it")
    blocked = record(vault, chat(read_body(raw).value), [], action=Action.BLOCK)
    assert "Nothing of this reached the model" in evidence(blocked, raw, View.PASSED, vault).said[0]


def test_the_raw_view_is_every_byte(vault) -> None:
    raw = body_of({"role": "user", "content": XSS}) + b"\n\xff\xfe"
    told = record(vault, alone("", Context()), [])
    shown = evidence(told | {"kind": "chat"}, raw, View.RAW, vault)
    assert text_of(shown).text == raw[:-2].decode()
    assert "byte 0xFF" in html_of(shown)


def test_as_a_reader_sees_it(vault) -> None:
    text = "p\u0430ssword\u200b\u200b \uff21\uff22 \U0001d41a"
    told = record(vault, alone(text, Context()), [found("", 0, 8)], door="python", side="subject")
    shown = evidence(told, text.encode(), View.READER, vault)
    assert text_of(shown).text == "password AB a"
    assert "zero-width space ×2" in html_of(shown)
    assert 'title="written with U+0430"' in html_of(shown)


# ---- Texts of other doors -------------------------------------------------------------------------------------------

DOORS = {
    "gateway": json.dumps({"text": "a SECRET"}).encode(),
    "inspect": b"a SECRET",
    "scan": b"a SECRET",
    "python": b"a SECRET",
}


@pytest.mark.parametrize("door", DOORS)
def test_a_bare_text_of_any_door(vault, door: str) -> None:
    told = record(vault, alone("a SECRET", Context()), [found("", 2, 8)], side="subject", door=door)
    shown = evidence(told, DOORS[door], View.SENT, vault)
    assert text_of(shown).text == "a SECRET"
    assert ">SECRET</mark>" in html_of(shown)


def test_a_line_of_many_and_a_text_that_looks_like_one(vault) -> None:
    line = b'{"id": 7, "text": "a SECRET"}\n'
    inner = record(vault, alone("a SECRET", Context()), [found("", 2, 8)], side="subject", door="inspect")
    assert ">SECRET</mark>" in html_of(evidence(inner, line, View.SENT, vault))
    start = line.index(b"SECRET")
    outer = record(vault, alone("", Context()), [found("", start, start + 6)], side="subject", door="inspect")
    assert ">SECRET</mark>" in html_of(evidence(outer, line, View.SENT, vault))


BROKEN = {
    "nothing": b"",
    "no JSON": b"{{{",
    "a duplicate key": b'{"a": 1, "a": 2}',
    "not UTF-8": b'{"messages": [{"content": "\xff"}]}',
    "a list": b"[1, 2]",
    "a number": b"7",
    "deep": b'{"a":' * 300 + b"1" + b"}" * 300,
    "many parts": b'{"messages": [' + b'{"role": "user", "content": "x"},' * 60_000 + b'{"content": ""}]}',
    "half a pair": b'{"messages": [{"content": "\\ud800"}]}',
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("view", View)
def test_a_body_that_cannot_be_taken_apart_is_shown_all_the_same(vault, name: str, view: View) -> None:
    told = record(vault, chat({"messages": []}), [found("/messages/0/content", 0, 4)])
    began = time.perf_counter()
    shown = evidence(told, BROKEN[name], view, vault)
    assert time.perf_counter() - began < 5
    html_of(shown).encode()
    assert shown.notes and len(html_of(shown)) < 60_000


# ---- Sealed and gone ------------------------------------------------------------------------------------------------


def test_before_it_is_opened_only_what_the_record_says(vault) -> None:
    seen = [found("/messages/0/content", 10, 30), Failure("died", ("secret.jwt",), (), "text.x@1")]
    shown = evidence(record(vault, Subject(Kind.CHAT, "", None), seen), None, View.SENT, vault)
    assert shown.sealed and not shown.gone and not shown.blocks
    assert [note.number for note in shown.notes] == [1, 0]
    assert shown.notes[0].places == ("messages › 0 › content, characters 10 to 30",)


def test_what_is_not_there_says_why(vault) -> None:
    subject = Subject(Kind.CHAT, "", None)
    kept = record(vault, subject, [])
    assert evidence(kept, None, View.SENT, vault, gone="its time was over").gone == "its time was over"
    assert "nothing was found" in evidence(record(vault, subject, [], bodies=False), None, View.SENT, vault).gone
    full = record(vault, subject, [], bodies=False) | {"unkept": "disk-full"}
    assert "disk was full" in evidence(full, None, View.SENT, vault).gone


# ---- Much -----------------------------------------------------------------------------------------------------------


def test_a_long_text_shows_the_passages_with_findings_and_leads_to_the_rest(vault) -> None:
    lines = [f"line {n}" for n in range(5000)]
    lines[1000], lines[1001], lines[4000] = "here is SECRET", "and more", "SECRET again"
    text = "\n".join(lines)
    places = [m.start() for m in re.finditer("SECRET", text)]
    told = record(
        vault, alone(text, Context()), [found("", at, at + 6) for at in places], side="subject", door="python"
    )
    shown = evidence(told, text.encode(), View.SENT, vault)
    (block,) = shown.blocks
    assert [piece.lines for piece in block.pieces] == [998, 2995, 996]
    around = text_of(shown).text.split("\x1f")[1]
    assert around == "line 998\nline 999\nhere is SECRET\nand more\nline 1002\n"
    after = evidence(told, text.encode(), View.SENT, vault, at=block.pieces[0].at)
    assert text_of(after).text.startswith("line 0\nline 1\n")
    assert len(html_of(after)) < 60_000 and after.blocks[0].pieces[-1].at


def test_going_on_reaches_the_end(vault) -> None:
    text = "".join(f"{n:07}\u200b\n" for n in range(9000))
    told = record(vault, alone(text, Context()), [], side="subject", door="python")
    for view in (View.SENT, View.RAW, View.READER):
        at, read = "0.0", ""
        while at:
            shown = evidence(told, text.encode(), view, vault, at=at)
            read += text_of(shown).text.replace("\x1f", "")
            at = shown.blocks[-1].pieces[-1].at
        assert read == plain(text)


@pytest.mark.parametrize("where", ["nonsense", "9999999.0", "0.99999999", "1.1.1", "-1.0", "\u0663.0"])
def test_any_link_shows_something_or_nothing(vault, where: str) -> None:
    told = record(vault, alone("abc", Context()), [], side="subject", door="python")
    for view in View:
        assert text_of(evidence(told, b"abc", view, vault, at=where)).text.replace("\x1f", "").strip() in ("", "abc")


def test_ten_megabytes_and_ten_thousand_findings(vault) -> None:
    """In time, within the page, and said to be more than is shown."""
    text = ("word " * 19 + "end\u200b<b>\n") * 100_000
    raw = body_of({"role": "user", "content": text})
    assert len(raw) > 10_000_000
    seen = [found("/messages/0/content", n * 1000, n * 1000 + 40, Severity(n % 5), f"r.{n}") for n in range(10_000)]
    told = record(vault, chat({"messages": []}), seen)
    for view in View:
        began = time.perf_counter()
        shown = evidence(told, raw, view, vault)
        took_s = time.perf_counter() - began
        assert took_s < 10  # Some 60 ms on a quiet machine; this is against minutes.
        assert shown.found == 10_000 and len(shown.notes) == MAX_NOTES
        assert all(note.severity == "critical" for note in shown.notes)
        assert len(html_of(shown)) < 60_000


def test_everything_at_one_place(vault) -> None:
    text = "x" * 200
    seen = [found("", 0, n % 200 + 1, Severity(n % 5), f"r.{n}") for n in range(10_000)]
    told = record(vault, alone(text, Context()), seen, side="subject", door="python")
    shown = evidence(told, text.encode(), View.SENT, vault)
    assert text_of(shown).text == text
    assert len(html_of(shown)) < 60_000


def test_a_finding_that_covers_it_all_shows_where_it_begins_and_ends(vault) -> None:
    text = "begin " + "y" * 1_000_000 + " end"
    told = record(vault, alone(text, Context()), [found("", 0, len(text))], side="subject", door="python")
    shown = evidence(told, text.encode(), View.SENT, vault)
    read = text_of(shown).text
    assert read.startswith("begin y") and read.endswith("y end") and len(read) < 10_000
