"""Charts say what they show, in words, without ids and styles."""

from dataclasses import dataclass
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from bartizan.doors.console.charts import ACTED, MAX_BARS, WORDS, Mark, level, sparks, stacked, strip, told

HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Hour:
    start_us: int
    counts: dict[str, int]


def hours(*counts: dict[str, int]) -> list[Hour]:
    return [Hour(n * HOUR_US, one) for n, one in enumerate(counts)]


def when(at_us: int, step_us: int) -> str:
    return f"{at_us // HOUR_US:02}:00"


def drawn(chart) -> ElementTree.Element:
    return ElementTree.fromstring(str(chart.svg))


COUNTS = st.dictionaries(st.sampled_from(sorted(WORDS)), st.integers(0, 10**9), max_size=6)


@given(st.lists(COUNTS, max_size=30))
def test_any_numbers_draw_within_the_frame(counts: list[dict[str, int]]) -> None:
    for draw in (stacked, sparks, strip):
        chart = draw(hours(*counts), step_us=HOUR_US, says="what there is to see", when=when)
        root = drawn(chart)
        _, _, width, height = map(float, root.get("viewBox").split())
        assert root.get("role") == "img" and root.get("aria-label") == "what there is to see"
        for rect in root.iter("rect"):
            x, y = float(rect.get("x")), float(rect.get("y"))
            assert x >= 0 and x + float(rect.get("width")) <= width + 0.2
            assert y >= -5 and y + float(rect.get("height")) <= height + 0.2
        assert len(list(root.iter("title"))) == len(counts)
        for element in root.iter():
            assert not {"id", "style"} & set(element.attrib)


def test_the_table_has_the_same_numbers() -> None:
    chart = stacked(hours({"allow": 1200, "block": 3}, {"warn": 1}), step_us=HOUR_US, says="s", when=when)
    assert chart.headers == ("From", "Examined", "Allowed", "Warned", "Blocked")
    assert chart.rows == (("00:00", "1,203", "1,200", "0", "3"), ("01:00", "1", "0", "1", "0"))
    assert chart.outcomes == ("warn", "block")
    assert set(chart.outcomes) <= set(ACTED)


def test_one_blocked_item_in_a_busy_hour_is_seen() -> None:
    chart = stacked(hours({"redact": 100_000, "block": 1}), step_us=HOUR_US, says="s", when=when)
    (bar,) = (rect for rect in drawn(chart).iter("rect") if rect.get("class") == "block")
    assert float(bar.get("height")) >= 0.8


def test_a_change_is_marked_and_its_words_are_text() -> None:
    marks = [Mark(HOUR_US, "<script>alert(1)</script>"), Mark(99 * HOUR_US, "later")]
    chart = stacked(hours({}, {}, {}), step_us=HOUR_US, says='"><script>', marks=marks, when=when)
    assert "<script" not in chart.svg and "later" not in chart.svg
    assert any(text.text == "<script>alert(1)</script>" for text in drawn(chart).iter("text"))


def test_a_mark_names_its_numbers() -> None:
    one = Hour(0, {"allow": 923, "warn": 12, "block": 0})
    assert told(one, HOUR_US, when) == "00:00, 935 examined: 923 allowed, 12 warned"


def test_many_bars_are_the_last_ones() -> None:
    chart = sparks(hours(*[{"block": 1}] * (MAX_BARS + 5)), step_us=HOUR_US, says="s", when=when)
    assert len(chart.rows) == MAX_BARS


def test_a_level_is_bounded() -> None:
    for share, width in ((0.5, "50"), (7.0, "100"), (-1.0, "0"), (float("nan"), "0")):
        assert f'class="lvl" width="{width}"' in level(share)
