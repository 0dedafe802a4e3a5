"""What somebody else wrote stands in a page as text alone, and nothing in it is unseen."""

import re

import pytest
from dom import dom, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from bartizan.doors.console.visible import Room, visible, written

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</bdi></div><svg/onload=alert(1)>",
    "&lt;b&gt; &amp;#x3c;",
    "{{ 7*7 }} ${7*7} <%= 7*7 %>",
    "javascript:alert(1)//http://evil.example/",
    "\u202egpj.exe\u202c",
    "a\u200b\u200b\u200bb",
    "\x00\x1b[31mred",
    "\ud83d alone \udc80",
    "\U000e0041\U000e0042\U000e003c\U000e0062\U000e003e",
    "e" + "\u0301" * 60,
    "\u05e9\u05dc\u05d5\u05dd (1)",
)


TEXTS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("<>&\"'\n\r\t \u200b\u200d\u202e\ufe0f\u2764\U0001f469\U000e0041\x00\u0301\ud800"),
    ),
    max_size=200,
)


@given(TEXTS)
@settings(max_examples=300)
def test_the_pages_text_is_the_text_that_was_given(text: str) -> None:
    """Escaped once, and only chips are added; joiners inside a picture and marks on letters are the text's own."""
    shown = dom(written(text))
    marks = re.compile(r"[\u0300-\u20f0\ufe00-\ufe2f\u200d]")
    assert marks.sub("", shown.text) == marks.sub("", plain(text))
    assert shown.tags <= {"span"} and shown.attributes <= {"class"}


@given(TEXTS, st.integers(0, 400))
@settings(max_examples=200)
def test_a_room_takes_the_beginning_and_says_how_much(text: str, size: int) -> None:
    room = Room(size)
    made, taken = room.put(text)
    assert len(made) <= size and room.left <= size
    assert taken == len(text) or room.left <= 0 or size < 600
    left, right = plain(text[:taken]), dom(made).text
    marks = re.compile(r"[\u0300-\u20f0\ufe00-\ufe2f\u200d\r]")
    assert marks.sub("", right) == marks.sub("", left)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_becomes_a_tag(text: str) -> None:
    shown = dom(visible(text))
    assert shown.tags <= {"bdi", "span"}
    assert shown.attributes <= {"class"}


SHOWN = {
    "a\u200b\u200b\u200bb": "zero-width space ×3",
    "\u202egpj.exe": "right-to-left override",
    "\x00": "null",
    "a\rb": "carriage return",
    "\udc80": "byte 0x80",
    "\ud83d": "unpaired surrogate",  # noqa: F601  No other key: ruff reads both as U+FFFD.
    "\ue000\ue001": "private character ×2",
    "\u2003": "em space",
    "x\ufe01\ufe02": "variation selector ×2",
    "\x00\x01\x02\x03": "null, start of heading, start of text, and 1 more hidden characters",
    "".join(chr(0xE0000 + ord(c)) for c in "run <b>"): "hidden text in 7 tag characters: run <b>",
    "".join(chr(0xFE00 + b) if b < 16 else chr(0xE0100 + b - 16) for b in b"hello"): (
        "hidden text in 5 variation selectors: hello"
    ),
    "e" + "\u0301" * 60: "mark over a letter ×56",
}


@pytest.mark.parametrize("text", SHOWN)
def test_what_hides_is_named(text: str) -> None:
    assert dom(written(text)).chips == SHOWN[text]


HONEST = (
    "one\ntwo\tthree",
    "a\r\nb",
    "\u2764\ufe0f",
    "\U0001f469\u200d\U0001f4bb",
    "10\u00a0000\u202f€",
    "e\u0301",
    "日本\u3000語",
)


@pytest.mark.parametrize("text", HONEST)
def test_what_belongs_there_is_left_alone(text: str) -> None:
    shown = dom(written(text))
    assert shown.text == text.replace("\r\n", "\n") and not shown.chips


def test_a_long_name_says_how_much_is_missing() -> None:
    shown = dom(visible("x" * 1000, 10))
    assert shown.text == "x" * 10
    assert shown.chips == "990 more characters"


def test_ten_megabytes_fit_a_room_at_once() -> None:
    room = Room(60_000)
    made, taken = room.put("a\u200b" * 5_000_000)
    assert len(made) <= 60_000 and 0 < taken < 10_000
