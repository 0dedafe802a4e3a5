"""What is typed into the box above the events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.core.errors import InputError, LimitError
from bartizan.events.filter import FIELDS, MAX_TERMS, MAX_TEXT, Filter, Term
from bartizan.events.moment import moment
from bartizan.events.row import DISCIPLINES, OUTCOMES

NOW_US = 1_800_000_000 * 1_000_000  # 2027-01-15T08:00:00Z
HOUR_US = 3_600_000_000

VALUES = {
    "action": st.sampled_from(OUTCOMES),
    "would": st.sampled_from(OUTCOMES),
    "discipline": st.sampled_from(DISCIPLINES),
    "failed": st.sampled_from(["yes", "no"]),
    "severity": st.sampled_from(["info", "low", "medium+", "high+", "critical"]),
    "shape": st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    "after": st.sampled_from(["15m", "1h", "7d", "2026-11-23", "2026-11-23T06:30", "06:30"]),
    "before": st.sampled_from(["90s", "2w", "2026-11-23 06:30:05", "2026-11-23T06:30Z"]),
}
TERMS = st.sampled_from(FIELDS).flatmap(
    lambda name: st.builds(
        Term,
        st.just(name),
        VALUES.get(name, st.text(max_size=12)),
        st.just(False) if name in ("after", "before") else st.booleans(),
    )
)
FILTERS = st.builds(
    lambda terms, words: Filter(tuple(terms), tuple(words), NOW_US),
    st.lists(TERMS, max_size=10, unique=True),
    st.lists(st.text(min_size=1, max_size=12), max_size=5, unique=True),
)


def parsed(text: str) -> Filter:
    return Filter.parse(text, NOW_US)


@given(FILTERS)
def test_a_filter_as_text_is_the_same_filter(filter_: Filter) -> None:
    if len(filter_.text) <= MAX_TEXT:
        assert parsed(filter_.text) == filter_


@given(st.text(max_size=200))
def test_any_text_is_a_filter_or_says_what_is_wrong_without_repeating_it(text: str) -> None:
    try:
        filter_ = parsed(text)
    except InputError as error:
        assert str(error).startswith("term ")
    else:
        assert parsed(filter_.text) == filter_


def test_terms_words_and_quotes() -> None:
    filter_ = parsed('action:block  who:"Mara Lindqvist" -app:chat acquisition "two words" severity:HIGH+ app:""')
    assert filter_.terms == (
        Term("action", "block"),
        Term("who", "Mara Lindqvist"),
        Term("app", "chat", negated=True),
        Term("severity", "high+"),
        Term("app", ""),
    )
    assert filter_.words == ("acquisition", "two words")


def test_actions_may_be_said_as_they_are_shown() -> None:
    assert parsed("action:held action:Blocked").values("action") == ("review", "block")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acton:block", 'term 1: no such field; did you mean "action"?'),
        ("https://a.example", "term 1: no such field; There are: action, "),
        ("x action:blok", 'term 2: action: did you mean "block"?'),
        ("severity:hihg+", 'term 1: severity: did you mean "high"?'),
        ("discipline:safety", "term 1: discipline: did you mean"),
        ("failed:1", "term 1: failed: It is one of yes, no"),
        ("after:soon", "term 1: after: not a moment; write 15m"),
        ("after:2026-13-01", "term 1: after: not a moment"),
        ("before:25:00", "term 1: before: not a moment"),
        ("-after:1h", "term 1: after: takes no minus; write before"),
        ("shape:12", "term 1: shape: sixteen hexadecimal digits"),
        ('who:"Mara', "term 1: the quote is not closed"),
        ('who:Ma"ra', "term 1: a quote inside a value"),
        ('"a"b', "term 1: a quoted value ends with its quote"),
        ('""', "term 1: there is nothing between the quotes"),
        ("who:", "term 1: a value is missing"),
        ("-word", "term 1: only fields take a minus"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(text)
    assert str(caught.value).startswith(said)


def test_a_filter_has_bounds() -> None:
    with pytest.raises(LimitError, match="at most 1000 characters"):
        parsed("x" * (MAX_TEXT + 1))
    with pytest.raises(LimitError, match="at most 20 terms"):
        parsed(" ".join(f"w{n}" for n in range(MAX_TERMS + 1)))
    full = parsed(" ".join(f"app:a{n}" for n in range(MAX_TERMS)))
    with pytest.raises(LimitError, match="at most 20 terms"):
        full.plus("app", "one more")
    assert full.minus("app", "a3").values("app", negated=True) == ("a3",)  # takes the place of app:a3


def test_values_are_added_and_taken_away() -> None:
    filter_ = parsed("action:block words").plus("who", "p-1").minus("app", "chat")
    assert filter_.text == "action:block who:p-1 -app:chat words"
    assert filter_.plus("app", "chat").text == "action:block who:p-1 app:chat words"
    assert filter_.minus("who", "p-1").text == "action:block -app:chat -who:p-1 words"
    assert filter_.plus("after", "1h").plus("after", "7d").values("after") == ("7d",)
    assert filter_.without("who:p-1").text == filter_.without(Term("who", "p-1")).text == "action:block -app:chat words"
    assert filter_.without("app").without("words").text == "action:block who:p-1"


def test_names_become_pseudonyms_and_unknown_ones_stay() -> None:
    mara = "p-" + "0a" * 10
    filter_ = parsed(f'who:"Mara" who:{mara} -who:nobody')
    found = filter_.resolved({"Mara": mara}.get)
    assert found.terms == (Term("who", mara), Term("who", "nobody", negated=True))


def test_moments() -> None:
    day_us = 24 * HOUR_US
    assert moment("15m", NOW_US) == NOW_US - HOUR_US // 4
    assert moment("7d", NOW_US) == NOW_US - 7 * day_us
    assert moment("2027-01-15", NOW_US) == NOW_US - 8 * HOUR_US
    assert moment("2027-01-15T07:00", NOW_US) == moment("07:00", NOW_US) == NOW_US - HOUR_US
    assert moment("999999w", NOW_US) == 0
    assert moment("0001-01-01", NOW_US) == 0
    assert moment("9999-12-31", NOW_US) == 253_402_214_400 * 1_000_000
    assert moment("tomorrow", NOW_US) is None
    assert (parsed("after:2h after:1h").since_us, parsed("before:1h").until_us) == (NOW_US - HOUR_US, NOW_US - HOUR_US)
    assert (parsed("x").since_us, parsed("x").until_us) == (None, None)
