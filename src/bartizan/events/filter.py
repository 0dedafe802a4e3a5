"""What a person asks of the events, as they type it: `action:block who:p-… after:1h -app:chat "two words"`.

Terms about one field are alternatives, different fields must all hold, and none of those with a minus may. Whatever
`Filter.text` gives is read as the same filter again. Messages never repeat what was typed: it may be content.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from bartizan.core.errors import InputError, LimitError
from bartizan.events.moment import EXAMPLES, moment
from bartizan.events.row import DISCIPLINES, OUTCOMES, SEVERITIES, Row

MAX_TEXT = 1000  # characters
MAX_TERMS = 20  # words included
FIELDS = (
    "action", "would", "who", "group", "app", "key", "provider", "model", "clause", "risk", "discipline", "kind",
    "door", "severity", "failed", "exchange", "shape", "after", "before",
)  # fmt: skip
PREFIXED = frozenset({"app", "provider", "model", "clause", "risk"})  # take a trailing `*`
_SAID = {"allowed": "allow", "warned": "warn", "redacted": "redact", "asked": "justify", "held": "review"}
_SAID |= {"blocked": "block"}
_SPACE = re.compile(r"\s+")
_FIELD = re.compile(r"(-?)([A-Za-z][A-Za-z_-]*):")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE = re.compile(r'[^\s"]+')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PSEUDONYM = re.compile(r"p-[0-9a-f]{20}")
_SHAPE = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition; `negated`: it must not hold."""

    field: str
    value: str
    negated: bool = False

    @property
    def text(self) -> str:
        value = self.value if _BARE.fullmatch(self.value) else _quoted(self.value)
        return f"{'-' if self.negated else ''}{self.field}:{value}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on events, and words to look for in their sealed texts. `now_us` is what `1h` counts from."""

    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()
    now_us: int = 0

    @classmethod
    def parse(cls, text: str, now_us: int) -> Filter:
        """Read what was typed. Raises InputError with a hint, LimitError."""
        if len(text) > MAX_TEXT:
            raise LimitError(f"a filter has at most {MAX_TEXT} characters")
        terms: dict[Term, None] = {}
        words: dict[str, None] = {}
        at, count = 0, 0
        while at < len(text):
            if space := _SPACE.match(text, at):
                at = space.end()
                continue
            count += 1
            where = f"term {count}"
            if count > MAX_TERMS:
                raise LimitError(f"a filter has at most {MAX_TERMS} terms")
            if match := _FIELD.match(text, at):
                value, at = _value(text, match.end(), where)
                terms[_term(match[2].lower(), value, bool(match[1]), now_us, where)] = None
            elif text[at] == "-":
                raise InputError('only fields take a minus, as in -action:allow; quote it to look for it: "-…"', where)
            else:
                word, at = _value(text, at, where)
                if not word:
                    raise InputError("there is nothing between the quotes", where)
                words[word] = None
        return cls(tuple(terms), tuple(words), now_us)

    @property
    def text(self) -> str:
        """The filter as it could be typed."""
        return " ".join([*(term.text for term in self.terms), *map(_word, self.words)])

    def plus(self, field: str, value: str) -> Filter:
        """Also with this value; no longer without it. Raises InputError."""
        return self._with(_term(field, value, False, self.now_us, field))

    def minus(self, field: str, value: str) -> Filter:
        """Without this value. Raises InputError."""
        return self._with(_term(field, value, True, self.now_us, field))

    def _with(self, term: Term) -> Filter:
        opposite = replace(term, negated=not term.negated)
        moments = {"after", "before"} & {term.field}  # the last one said counts
        kept = (t for t in self.terms if t not in (term, opposite) and t.field not in moments)
        terms = (*kept, term)
        if len(terms) + len(self.words) > MAX_TERMS:
            raise LimitError(f"a filter has at most {MAX_TERMS} terms")
        made = replace(self, terms=terms)
        if len(made.text) > MAX_TEXT:
            raise LimitError(f"a filter has at most {MAX_TEXT} characters")
        return made

    def without(self, term: Term | str) -> Filter:
        """With this term, or one of this field's name or text, taken out; a word by its text."""
        if isinstance(term, Term):
            return replace(self, terms=tuple(t for t in self.terms if t != term))
        return replace(
            self,
            terms=tuple(t for t in self.terms if term not in (t.text, t.field)),
            words=tuple(word for word in self.words if term not in (word, _word(word))),
        )

    def resolved(self, who: Callable[[str], str | None]) -> Filter:
        """With names turned into pseudonyms. A name that nobody has (None) stays, and matches nothing."""
        terms = (
            replace(term, value=who(term.value) or term.value)
            if term.field == "who" and term.value and not _PSEUDONYM.fullmatch(term.value)
            else term
            for term in self.terms
        )
        return replace(self, terms=tuple(dict.fromkeys(terms)))

    @property
    def since_us(self) -> int | None:
        """Events from this moment on; None without a bound."""
        return max((moment(t.value, self.now_us) or 0 for t in self.terms if t.field == "after"), default=None)

    @property
    def until_us(self) -> int | None:
        """Events before this moment; None without a bound."""
        return min((moment(t.value, self.now_us) or 0 for t in self.terms if t.field == "before"), default=None)

    def values(self, field: str, *, negated: bool = False) -> tuple[str, ...]:
        """What is asked (or not wanted) of one field."""
        return tuple(term.value for term in self.terms if term.field == field and term.negated == negated)

    def matches(self, row: Row) -> bool:
        """Whether a row is meant; what Live asks of each new one. Words are not looked for."""
        since_us, until_us = self.since_us, self.until_us
        if (since_us is not None and row.time_us < since_us) or (until_us is not None and row.time_us >= until_us):
            return False
        for field in FIELDS[:-2]:
            wanted, unwanted = self.values(field), self.values(field, negated=True)
            if wanted or unwanted:
                has = _has(row, field)
                if wanted and not any(_meets(field, value, has) for value in wanted):
                    return False
                if any(_meets(field, value, has) for value in unwanted):
                    return False
        return True


def severities(value: str) -> tuple[int, ...]:
    """What `high` or `high+` means, as numbers."""
    from_ = SEVERITIES[value.removesuffix("+")]
    return tuple(range(from_, max(SEVERITIES.values()) + 1)) if value.endswith("+") else (from_,)


def _has(row: Row, field: str) -> Collection[str]:
    """The values that a row has in a field."""
    if field == "failed":
        return ("yes" if row.failures else "no",)
    if field in ("group", "clause", "risk", "discipline"):
        return {"group": row.groups, "clause": row.clauses, "risk": row.risks, "discipline": row.disciplines}[field]
    name = {"action": "outcome", "who": "person"}.get(field, field)
    return (str(getattr(row, name)),)


def _meets(field: str, value: str, has: Collection[str]) -> bool:
    if field == "severity":
        return any(one in SEVERITIES and SEVERITIES[one] in severities(value) for one in has)
    if field == "would" and value == "allow":
        return "" in has
    if field in PREFIXED and value == "*":
        return any(has)
    if field in PREFIXED and value.endswith("*"):
        return any(one.startswith(value[:-1]) for one in has)
    return value in has


def _value(text: str, at: int, where: str) -> tuple[str, int]:
    """A value, quoted or bare, and where it ends."""
    if match := _QUOTED.match(text, at):
        end = match.end()
        if end < len(text) and not text[end].isspace():
            raise InputError("a quoted value ends with its quote; leave a space after it", where)
        return _ESCAPED.sub(r"\1", match[1]), end
    if text[at : at + 1] == '"':
        raise InputError("the quote is not closed", where)
    if match := _BARE.match(text, at):
        if text[match.end() : match.end() + 1] == '"':
            raise InputError(r"a quote inside a value is written \" within quotes", where)
        return match[0], match.end()
    raise InputError('a value is missing after the colon; "" means none', where)


def _term(field: str, value: str, negated: bool, now_us: int, where: str) -> Term:
    """A term that holds. Raises InputError."""
    if field not in FIELDS:
        near = difflib.get_close_matches(field, FIELDS, 1, 0.5)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        raise InputError(
            f"no such field; {hint}There are: {', '.join(FIELDS)}. To look for it as words, quote it", where
        )
    if field in ("action", "would"):
        return Term(field, _one_of(_SAID.get(value.lower(), value), OUTCOMES, field, where), negated)
    if field == "discipline":
        return Term(field, _one_of(value, DISCIPLINES, field, where), negated)
    if field == "failed":
        return Term(field, _one_of(value, ("yes", "no"), field, where), negated)
    if field == "severity":
        plus = "+" if value.endswith("+") else ""
        return Term(field, _one_of(value.removesuffix("+"), tuple(SEVERITIES), field, where) + plus, negated)
    if field == "shape" and not _SHAPE.fullmatch(value):
        raise InputError("shape: sixteen hexadecimal digits, as a group of similar events links to it", where)
    if field in ("after", "before"):
        if negated:
            raise InputError(f"{field}: takes no minus; write {'before' if field == 'after' else 'after'}", where)
        if moment(value, now_us) is None:
            raise InputError(f"{field}: not a moment; write {EXAMPLES}", where)
    return Term(field, value, negated)


def _one_of(value: str, known: tuple[str, ...], field: str, where: str) -> str:
    value = value.lower()
    if value in known:
        return value
    near = difflib.get_close_matches(value, known, 1, 0.5)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    raise InputError(f"{field}: {hint}It is one of {', '.join(known)}", where)


def _word(word: str) -> str:
    """A word so that it is read as one again."""
    plain = _BARE.fullmatch(word) and not _FIELD.match(word) and word[0] != "-"
    return word if plain else _quoted(word)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
