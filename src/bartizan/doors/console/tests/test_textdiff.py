"""Two texts line by line: what differs is there, with a little around it, however long the texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bartizan.doors.console.textdiff import AROUND, MAX_COMPARED, MAX_LINES, compared

LINES = st.lists(st.sampled_from(["a", "b", "- x", ""]), max_size=40)


def test_one_line_among_many() -> None:
    old = [f"line {n}" for n in range(5000)]
    new = [*old[:2500], "another", *old[2501:]]
    shown, cut = compared("\n".join(old), "\n".join(new))
    assert not cut
    assert [(line.sort, line.number, line.text) for line in shown] == [
        *(("same", n + 1, f"line {n}") for n in range(2497, 2500)),
        ("gone", 2501, "line 2500"),
        ("new", 2501, "another"),
        *(("same", n + 1, f"line {n}") for n in range(2501, 2504)),
    ]


def test_far_apart_there_is_a_gap() -> None:
    old = [str(n) for n in range(100)]
    new = ["first", *old[1:50], "middle", *old[51:]]
    shown, _ = compared("\n".join(old), "\n".join(new))
    assert [line.sort for line in shown].count("gap") == 1
    assert len(shown) < 8 * AROUND


def test_the_same_text_has_no_lines() -> None:
    assert compared("a\nb", "a\nb") == ((), False)
    assert compared("", "") == ((), False)


def test_what_is_too_much_is_cut_and_said() -> None:
    old = "\n".join(str(n) for n in range(MAX_COMPARED + 1))
    new = "\n".join(f"x{n}" for n in range(MAX_COMPARED + 1))
    shown, cut = compared(old, new)
    assert (len(shown), cut) == (MAX_LINES, True)


@given(LINES, LINES)
def test_what_went_and_what_came_makes_the_one_from_the_other(old: list[str], new: list[str]) -> None:
    shown, cut = compared("\n".join(old), "\n".join(new))
    was, now = "\n".join(old).splitlines(), "\n".join(new).splitlines()
    assert not cut
    for line in shown:
        if line.sort == "gone":
            assert was[line.number - 1] == line.text
        elif line.sort != "gap":
            assert now[line.number - 1] == line.text
    gone = {line.number - 1 for line in shown if line.sort == "gone"}
    came = {line.number - 1 for line in shown if line.sort == "new"}
    kept = [line for n, line in enumerate(was) if n not in gone]
    assert kept == [line for n, line in enumerate(now) if n not in came]
