"""An edit changes what was meant and no other byte, however a person laid the file out."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan import rules
from bartizan.core.errors import PolicyError
from bartizan.policy.clause import Mode, Then
from bartizan.policy.edit import (
    clause_text,
    quoted,
    with_clause_text,
    with_example,
    with_exception,
    with_mode,
    without_exception,
)
from bartizan.policy.read import read

DEFAULT = rules.text("bartizan.rules", "policies/default.yaml")
SHORT = "policy: p\nversion: 1\nclauses:\n  - id: one\n    says: x\n    when: {risk: '*'}\n    then: warn"
LAYOUTS = {
    "default": DEFAULT.replace("no-secrets-out", "one"),
    "block": """policy: p
version: 1
clauses:
- id: one   # the first
  says: >
    Folded
    text.

  when: {risk: secret.*}
  then: redact   # because
  # a comment about nothing
- id: two
  says: x
  when: {risk: '*'}
  then: warn
  mode: "observe"
""",
    "block text last": """policy: p
version: 1
clauses:
  - id: one
    when: {risk: secret.*}
    then: redact
    says: |
      Literal
      text.
# the end
""",
    "flow": "{policy: p, version: 1, clauses: [{id: one, says: x, when: {risk: '*'}, then: warn}]}\n",
    "flow clause": "policy: p\nversion: 1\nclauses:\n  - {id: one, says: x, when: {risk: '*'}, then: warn,}   # hm\n",
    "examples, empty": """policy: p
version: 1
clauses:
  - id: one
    says: x
    when: {risk: '*'}
    then: warn
    examples: {breaks: [], keeps: ["a",
       'b']}
exceptions: []
""",
    "examples, block": """policy: p
version: 1
exceptions:
  - clause: one
    who: {group: a}
    until: 2027-01-31
    why: x
    approved_by: y     # on paper

clauses:
  - id: one
    says: x
    when: {risk: '*'}
    then: warn
    examples:
      breaks:
      - a: plain text"
      - "quoted"   # honest
      keeps:
        - |
          a text
          of lines
    mode: enforce
""".replace('a: plain text"', "plain text"),
    "no line end": SHORT,
    "windows": SHORT.replace("\n", "\r\n") + "\r\n",
    "byte order mark": "\ufeff" + SHORT,
}


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that went and lines that came, with their ends."""
    lines = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    return [ln[2:] for ln in lines if ln[:1] == "-"], [ln[2:] for ln in lines if ln[:1] == "+"]


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_a_mode_is_changed_in_one_line(text: str) -> None:
    other = Mode.OBSERVE if read(text).clause("one").mode is Mode.ENFORCE else Mode.ENFORCE
    after = with_mode(text, "one", other)
    went, came = changed(text, after)
    assert len(went) <= 1 and len(came) <= 1 + (not text.endswith("\n"))
    assert read(after).clause("one").mode is other
    assert with_mode(after, "one", other) == after


def test_a_mode_goes_back_to_the_same_bytes() -> None:
    observed = with_mode(DEFAULT, "no-secrets-out", Mode.OBSERVE)
    assert changed(DEFAULT, observed)[1] == [
        "    mode: observe                  # or observe: record what would have happened\n"
    ]
    assert with_mode(observed, "no-secrets-out", Mode.ENFORCE) == DEFAULT


@pytest.mark.parametrize("side", ["breaks", "keeps"])
@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_an_example_is_one_more_line_at_most(text: str, side: str) -> None:
    example = 'a "text"\nwith \\ lines: and # signs \u202e \U0001f468'
    before = getattr(read(text).clause("one"), side)
    after = with_example(text, "one", side, example)
    went, came = changed(text, after)
    assert len(went) <= 1 and len(came) <= 1 + (not text.endswith("\n"))
    now = getattr(read(after).clause("one"), side)
    assert now[: len(before)] == before and now[-1].text == example and len(now) == len(before) + 1
    assert "\u202e" not in after, "what a person cannot see is written as an escape"


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_an_exception_is_one_more_line_at_most_two(text: str) -> None:
    before = read(text).exceptions
    facts = {"who": {"group": "no"}, "until": "2027-03-01", "why": 'an "exercise"', "approved_by": "ciso"}
    after = with_exception(text, "one", **facts, where={"model": "gpt-*"})  # type: ignore[arg-type]
    went, came = changed(text, after)
    assert len(went) <= 1 and len(came) <= 2 + (not text.endswith("\n"))
    now = read(after).exceptions
    assert now[:-1] == before
    assert (now[-1].clause, now[-1].until, now[-1].why) == ("one", "2027-03-01", 'an "exercise"')
    assert [c.plain() for c in (*now[-1].who, *now[-1].where)] == [["no"], ["gpt-*"]]


def test_edits_one_after_another_all_hold() -> None:
    text = LAYOUTS["block"]
    for n in range(5):
        text = with_example(text, "one", "keeps", f"text {n}")
        text = with_exception(text, "two", who={"person": f"p{n}"}, until="2027-03-01", why="a", approved_by="b")
    policy = read(with_mode(text, "two", Mode.ENFORCE))
    assert [e.text for e in policy.clause("one").keeps] == [f"text {n}" for n in range(5)]
    assert len(policy.exceptions) == 5 and policy.clause("two").enforced


def test_a_clause_that_is_not_there_is_said() -> None:
    for edit in (
        lambda: with_mode(DEFAULT, "none", Mode.OBSERVE),
        lambda: with_example(DEFAULT, "none", "keeps", "x"),
        lambda: with_exception(DEFAULT, "none", who={"group": "a"}, until="2027-03-01", why="a", approved_by="b"),
        lambda: with_mode("just text", "none", Mode.OBSERVE),
    ):
        with pytest.raises(PolicyError):
            edit()


@given(st.text(max_size=40))
def test_any_text_survives_its_quotes(value: str) -> None:
    if any("\ud800" <= char <= "\udfff" for char in value):
        return  # No file in UTF-8 holds a lone surrogate.
    text = f"{SHORT}\n    examples: {{keeps: [{quoted(value)}]}}\n"
    assert read(text).clause("one").keeps[0].text == value


# ---- A clause as a whole ---------------------------------------------------------------------------------------------

OTHER = """id: one
says: |
  Other words,

    laid out.
# a remark
when:
  risk:
  - personal.*
then: review   # by two
approvals: 2
"""
IN_LINES = {name: text for name, text in LAYOUTS.items() if name != "flow"}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_a_clause_put_back_as_it_was_changes_no_byte(text: str) -> None:
    for clause in read(text).clauses:
        own = clause_text(text, clause.id)
        for same in (own, own.rstrip(), own.replace("\n", "\r\n"), own + "\n\n"):
            assert with_clause_text(text, clause.id, same) == text


@pytest.mark.parametrize("text", IN_LINES.values(), ids=IN_LINES)
def test_a_clause_goes_in_whatever_its_own_layout(text: str) -> None:
    out = with_clause_text(text, "one", OTHER)
    clause = read(out).clause("one")
    assert (clause.then, clause.approvals, clause.says) == (Then.REVIEW, 2, "Other words,\n\n  laid out.\n")
    assert [c for c in read(out).clauses if c.id != "one"] == [c for c in read(text).clauses if c.id != "one"]
    assert clause_text(out, "one") == OTHER
    own = clause_text(text, "one")
    back = with_clause_text(out, "one", own)
    assert clause_text(back, "one") == own and read(back).clauses == read(text).clauses
    if "\n" in own.rstrip():
        assert back.rstrip() == text.rstrip()


@pytest.mark.parametrize("text", IN_LINES.values(), ids=IN_LINES)
def test_around_a_new_clause_every_byte_is_kept(text: str) -> None:
    out = with_clause_text(text, "one", OTHER)
    start = min(at for at in (text.find("{id: one"), text.find("id: one")) if at >= 0)
    behind = (text.find(mark, start) for mark in ("\n  - id: ", "\n  # a comment about", "\n# the end"))
    end = min((at for at in behind if at >= 0), default=len(text.rstrip()))
    assert out.startswith(text[:start]) and out.endswith(text[end:])
    assert ("\r\n" in out) == ("\r\n" in text) and out.count("\r\n") in (0, out.count("\n"))


def test_a_clause_in_brackets_takes_one_in_brackets() -> None:
    out = with_clause_text(LAYOUTS["flow"], "one", "{id: one, says: x, when: {risk: secret.*}, then: block}")
    assert out == LAYOUTS["flow"].replace("'*'}, then: warn", "secret.*}, then: block")
    with pytest.raises(PolicyError):
        with_clause_text(LAYOUTS["flow"], "one", OTHER)


WRONG = {
    "no mapping": ("just words", "the clause", 1),
    "two clauses": ("- id: one\n- id: two\n", "the clause", 1),
    "a second document": ("id: one\n---\nid: two\n", "the clause", 2),
    "an anchor": ("id: &a one\n", "the clause", 1),
    "a wrong word": (OTHER.replace("then: review", "then: reveiw"), "the clause", 10),
    "no says": ("id: one\nwhen: {risk: '*'}\nthen: warn\n", "the clause", 1),
    "nothing": ("", "the clause", 0),
    "an id that an exception names": (OTHER.replace("id: one", "id: other"), "policy.yaml", 5),
    "the id of another": (OTHER.replace("id: one", "id: two"), "policy.yaml", None),
}


@pytest.mark.parametrize(("new", "file", "line"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_clause_is_said_by_its_own_lines(new: str, file: str, line: int | None) -> None:
    exempt = "exceptions:\n  - {clause: one, who: {group: a}, until: 2027-01-31, why: x, approved_by: y}\n"
    text = LAYOUTS["block"].replace("clauses:", exempt + "clauses:")
    with pytest.raises(PolicyError) as error:
        with_clause_text(text, "one", new)
    problem = error.value.problems[0]
    if line is not None and file != "policy.yaml":
        assert (problem.file, problem.line) == (file, line)
    else:
        assert problem.file == file


FACTS = {"until": "2027-03-01", "why": "an exercise", "approved_by": "ciso"}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_an_exception_goes_with_its_lines_alone(text: str) -> None:
    one = with_exception(text, "one", who={"group": "red"}, **FACTS)
    two = with_exception(one, "one", who={"group": "red"}, where={"model": "gpt-*"}, **FACTS)
    keys = [exempt.key for exempt in read(two).exceptions]
    assert len(set(keys)) == len(keys) >= 2
    assert without_exception(two, keys[-1]) == one
    without = without_exception(two, keys[-2])
    assert [e.key for e in read(without).exceptions] == [*keys[:-2], keys[-1]]
    none = two
    for key in keys:
        none = without_exception(none, key)
    assert read(none).exceptions == () and read(none).clauses == read(text).clauses
    with pytest.raises(PolicyError, match="no such exception"):
        without_exception(none, keys[0])
    assert [e.key for e in read(with_exception(none, "one", who={"group": "red"}, **FACTS)).exceptions] == [keys[-2]]


def test_an_exception_in_many_lines_goes_whole() -> None:
    text = LAYOUTS["examples, block"]
    (exempt,) = read(text).exceptions
    out = without_exception(text, exempt.key)
    went, came = changed(text, out)
    assert came == ["exceptions: []\n"] and len(went) == 6 and went[0] == "exceptions:\n"
