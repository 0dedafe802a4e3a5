"""Text that somebody else wrote, as it may stand in a page: escaped, bounded, and with nothing in it that is not seen.

Whoever writes a prompt, a file's name or a model's name writes to this page's readers too. So what shows nothing
(control, bidi, zero-width, tag characters), what looks like an ordinary space, and what is no character at all stands
as a chip that names it, a run of them as one chip; a run that spells a message is spelled out. Addresses are never
links. The rest is the text: without its chips a page's text equals what was given, a line end being a line feed.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import groupby

from markupsafe import Markup

from bartizan.readers.views import NOT_ASCII, fold

MAX_NAME = 400  # Code points of a name, a file name, a reason.
MAX_SPELLED = 300  # Code points of a hidden message that a chip spells out.
MAX_KINDS = 3  # Kinds of hidden characters that one chip names.
MAX_MARKS = 4  # Marks above or below one letter. Vietnamese has two; forty cover the lines above.
SMALLEST = 4  # Hidden characters in a row that may spell something.

_NAMES = {
    0x00AD: "soft hyphen",
    0x034F: "grapheme joiner",
    0x061C: "Arabic letter mark",
    0x200B: "zero-width space",
    0x200C: "zero-width non-joiner",
    0x200D: "zero-width joiner",
    0x200E: "left-to-right mark",
    0x200F: "right-to-left mark",
    0x2028: "line separator",
    0x2029: "paragraph separator",
    0x202A: "left-to-right embedding",
    0x202B: "right-to-left embedding",
    0x202C: "end of direction",
    0x202D: "left-to-right override",
    0x202E: "right-to-left override",
    0x2060: "word joiner",
    0x2066: "left-to-right isolate",
    0x2067: "right-to-left isolate",
    0x2068: "isolate",
    0x2069: "end of isolate",
    0x2800: "blank Braille pattern",
    0xFEFF: "zero-width no-break space",
    0xFFFC: "object in a text",
}
_CONTROLS = tuple(
    """
    null, start of heading, start of text, end of text, end of transmission, enquiry, acknowledge, bell, backspace,
    tab, line feed, vertical tab, form feed, carriage return, shift out, shift in, data link escape, device control 1,
    device control 2, device control 3, device control 4, negative acknowledge, synchronous idle, end of block, cancel,
    end of medium, substitute, escape, file separator, group separator, record separator, unit separator
    """.replace("\n   ", "")
    .strip()
    .split(", ")
)

# No-break and ideographic spaces (U+00A0, U+202F, U+3000) are left alone: French and Japanese are written with them.
HIDDEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    r"\u2028-\u202e\u205f-\u206f\u2800\u3164\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc"
    r"\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff"
)
_MARK = (
    r"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0"
    r"\ufe20-\ufe2f]"
)
_SHOWS_NOTHING = re.compile(rf"[{HIDDEN}]+|(?:(?<={_MARK * MAX_MARKS})){_MARK}+")
_HIDES = re.compile(rf"[{HIDDEN}]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})


def visible(text: str, most: int = MAX_NAME) -> Markup:
    """A name or a few sentences in the middle of a line, apart from the direction of what stands around it."""
    shown, rest = written(text[:most]), len(text) - most
    return Markup("<bdi>{}</bdi>{}").format(shown, left_out(rest) if rest > 0 else Markup(""))


def written(text: str) -> Markup:
    """A text with line feeds kept. As long as the text and more: who has not bounded it gives a `Room` the job."""
    text = text.replace("\r\n", "\n")
    if _SHOWS_NOTHING.search(text) is None:
        return Markup(text.translate(_ESCAPES))  # noqa: S704  Escaped here.
    out, at = [], 0
    for run in _SHOWS_NOTHING.finditer(text):
        start, end = run.span()
        if _joins_emoji(text, start, end):
            continue
        out += [text[at:start].translate(_ESCAPES), _chip(run[0])]
        at = end
    return Markup("".join([*out, text[at:].translate(_ESCAPES)]))  # noqa: S704  Escaped here.


class Room:
    """So many characters of HTML that a page has for texts, and how much did not fit."""

    def __init__(self, size: int) -> None:
        self.size = self.left = size

    def put(self, text: str) -> tuple[Markup, int]:
        """As much of the beginning of a text as fits, and how many of its code points that is."""
        out, at = [], 0
        while at < len(text) and self.left > 0:
            step = min(len(text) - at, max(200, min(4000, self.left)))
            if text[at + step - 1 : at + step + 1] == "\r\n":
                step += 1
            piece = self._fitting(text[at : at + step])
            if not piece:
                self.left = 0
                break
            made = written(piece)
            self.left -= len(made)
            out.append(made)
            at += len(piece)
        return Markup("").join(out), at

    def _fitting(self, piece: str) -> str:
        while piece and len(written(piece)) > self.left:
            piece = piece[: len(piece) // 2]
        return piece

    def add(self, made: Markup) -> Markup:
        """Something of the page's own, counted."""
        self.left -= len(made)
        return made


def as_read(text: str, room: Room) -> tuple[Markup, int]:
    """As much of a text as fits, with letters of other scripts and forms as those that people take them for.

    What was another character is underlined, and says which.
    """
    text = text[: max(0, room.left)]
    out: list[Markup] = []
    begin = 0
    for run in NOT_ASCII.finditer(text):
        start, stop = run.span()
        while start < stop:
            end = start
            while end < stop and _folded(text[end]) != text[end] and not _HIDES.match(text[end]):
                end += 1
            if end == start:
                start += 1
                continue
            made, taken = room.put(text[begin:start])
            out.append(made)
            if taken < start - begin or room.left <= 0:
                return Markup("").join(out), begin + taken
            out.append(room.add(_was(text[start:end])))
            start = begin = end
    made, taken = room.put(text[begin:])
    return Markup("").join([*out, made]), begin + taken


def _was(run: str) -> Markup:
    points = " ".join(f"U+{ord(char):04X}" for char in run[:8]) + ("…" if len(run) > 8 else "")
    return Markup('<span class="was" title="written with {}">{}</span>').format(points, "".join(map(_folded, run)))


@lru_cache(maxsize=1 << 14)
def _folded(char: str) -> str:
    made = fold(char)
    return char if made is None else made


def left_out(count: int, what: str = "character") -> Markup:
    """What stands in the place of text that is not shown."""
    return Markup('<span class="hid cut">{} more {}</span>').format(f"{count:,}", what + "s" * (count != 1))


# ---- Inside ---------------------------------------------------------------------------------------------------------


def _joins_emoji(text: str, start: int, end: int) -> bool:
    """A joiner or a selector that an emoji is made with: the picture itself is what is seen."""
    run = text[start:end]
    if not start or run not in ("\ufe0f", "\u200d", "\ufe0f\u200d"):
        return False
    before = unicodedata.category(text[start - 1])
    if run == "\ufe0f":
        return before in ("So", "Sm") or text[start - 1] in "0123456789#*\u203c\u2049"
    return before in ("So", "Sk") and end < len(text) and unicodedata.category(text[end]) == "So"


def _chip(run: str) -> str:
    spelled = _spelled(run)
    if spelled is not None:
        return f'<span class="hid">{spelled}</span>'
    kinds = [(name, len(list(same))) for name, same in groupby(run, key=_name)]
    told = [name + (f" ×{count}" if count > 1 else "") for name, count in kinds[:MAX_KINDS]]
    if len(kinds) > MAX_KINDS:
        told.append(f"and {sum(count for _, count in kinds[MAX_KINDS:]):,} more hidden characters")
    return f'<span class="hid">{", ".join(told)}</span>'


def _name(char: str) -> str:
    code = ord(char)
    known = _NAMES.get(code)
    if known:
        return known
    if code < 0x20:
        return _CONTROLS[code]
    if code == 0x7F:
        return "delete"
    if 0x80 <= code < 0xA0:
        return f"control U+{code:04X}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"byte 0x{code - 0xDC00:02X}"  # How an undecodable byte is carried ("surrogateescape").
    if 0xD800 <= code <= 0xDFFF:
        return "unpaired surrogate"
    category = unicodedata.category(char)
    if category == "Co":
        return "private character"
    if category in ("Mn", "Me"):
        return "variation selector" if "VARIATION SELECTOR" in unicodedata.name(char, "") else "mark over a letter"
    if 0xE0000 <= code <= 0xE007F:
        return "tag character"
    if category == "Zs":
        return unicodedata.name(char).lower()
    return unicodedata.name(char, f"no character U+{code:04X}").lower().replace("u+", "U+")


def _spelled(run: str) -> str | None:
    """What a run of tag characters, or of variation selectors (one a byte), says to whoever reads it as that."""
    if len(run) < SMALLEST:
        return None
    tags = "".join(chr(ord(c) - 0xE0000) for c in run if 0xE0020 <= ord(c) <= 0xE007E)
    if len(tags) * 2 > len(run):
        return _hidden_text("tag characters", len(run), tags)
    raw = bytes(
        ord(c) - 0xFE00 if ord(c) <= 0xFE0F else ord(c) - 0xE0100 + 16
        for c in run
        if 0xFE00 <= ord(c) <= 0xFE0F or 0xE0100 <= ord(c) <= 0xE01EF
    )
    if len(raw) * 2 > len(run):
        return _hidden_text("variation selectors", len(run), raw.decode("utf-8", "replace"))
    return None


def _hidden_text(what: str, count: int, said: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in said[:MAX_SPELLED]).translate(_ESCAPES)
    more = "…" if len(said) > MAX_SPELLED else ""
    return f"hidden text in {count:,} {what}: {shown}{more}"
