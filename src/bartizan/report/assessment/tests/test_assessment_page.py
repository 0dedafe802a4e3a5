"""The page, the lines, the card and SARIF say what was measured, and nothing of a model or its data breaks out."""

from __future__ import annotations

import re
import struct
import zlib
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest
from assessed import report

from bartizan.assess.examples import Example, Shown
from bartizan.report.assessment.card import card
from bartizan.report.assessment.gauges import percent
from bartizan.report.assessment.page import page
from bartizan.report.assessment.pictures import png
from bartizan.report.assessment.plots import Axis, Curve, plot
from bartizan.report.assessment.text import difference, lines
from bartizan.report.sarif import sarif
from bartizan.rules.risks import catalogue

HOSTILE = "</style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e\u200b\x00|`[x](javascript:1)"
RATE = {"hits": 93, "of": 300, "share": 0.31, "low": 0.26, "high": 0.365}
FINDING = {
    "risk": "evasion.small-changes", "severity": "medium", "confidence": 0.99, "detector": "model.evasion@1",
    "because": "half of it", "places": [{"path": "", "start": 0, "end": 0}], "measures": {},
}  # fmt: skip
DECISION = {
    "id": "01", "input": "models/digits.onnx", "policy": "default@1.0.0 sha256:00", "action": "review",
    "tell": [], "clauses": [{"id": "brittle", "says": "Somebody looks.", "mode": "enforce", "then": "review"}],
    "findings": [FINDING], "failures": [], "edits": [], "edited": {},
}  # fmt: skip


def full(word: str = "plain", **more: object) -> dict[str, object]:
    """A report in which every part has something to show; `word` stands wherever a model or its data has a say."""
    made = report("digits", {"accuracy": 0.98, "robust_accuracy": 0.31, "membership_tpr_at_1pct": 0.07,
                             "membership_tpr_at_1pct_low": 0.05, "stolen_fidelity": 0.94, "stolen_queries": 300,
                             "backdoor_rows": 30, "train_rows": 700, "label_rows": 2}, **more)  # type: ignore[arg-type]  # fmt: skip
    made["model"] |= {"name": word, "path": word, "recipe": word, "notes": [word]}
    made["data"] |= {"notes": [word]}
    made["evasion"] |= {
        "robust": RATE, "clean": RATE, "files": {word: "ab" * 32},
        "curve": [{"eps": 0.05, "robust": RATE}, {"eps": 0.1, "robust": RATE}],
        "attacks": [{"attack": word, "fell": 3, "seconds": 0.1}],
        "corruptions": [{"name": word, "robust": RATE}],
        "tests": [{"check": "zero-gradients", "passed": False, "seen": word, "effect": word, "fix": word},
                  {"check": "flat-loss", "passed": True, "seen": word, "effect": word}],
        "cheapest_changes": [{"index": 3, "change": word}], word: {word: [word, {word: None}]},
    }  # fmt: skip
    made["privacy"] |= {"tpr_at_1pct": RATE, "roc": [{"fpr": 0.001, "tpr": 0.01}, {"fpr": 0.1, "tpr": 0.4}],
                        "exposed": [{"index": 4, "class": word}]}  # fmt: skip
    made["theft"] |= {"fidelity": RATE, "curve": [{"queries": 100, "fidelity": RATE, "pool": word, "answers": "soft"}],
                      "prices": [{"fidelity": 0.9, "queries": 100, "money": None}],
                      "defences": [{"defence": word, "fidelity": RATE}],
                      "ownership": {"p_value": 0.001, "sentence": word}}  # fmt: skip
    made["poison"] |= {"backdoors": [{"trigger": word, "target_name": word, "rows": 30, "success": RATE,
                                      "control": RATE}], "cannot_see": [word], "rows": {"backdoor": 30}}  # fmt: skip
    return made


def shown(word: str = "plain") -> Shown:
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    table = np.array([1.0, 2.0, np.nan])
    rows = (
        Example(3, word, 0.1, word, word, image, 1 - image),
        Example(4, word, 0.1, word, word, table, table * 2, (word, word)),
        Example(5, word, 0.2, word, word, np.array(f"good morning {word}"), np.array(f"g00d morning {word}")),
    )
    return Shown(rows, ((f"0_{word}", image),))


class Seen(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def test_the_page_answers_first_and_shows_what_that_rests_on() -> None:
    made = page(full(), DECISION, shown())
    said = " ".join(Seen(made).said)
    first = "31.0 % of its answers are right once somebody changes the rows a little, "
    assert first in said and "; 31.0 % of its training rows can be told; " in said
    assert "30 rows of its training data carry a backdoor" in said
    assert said.index("◆ held by the policy default@1.0.0") < said.index("What to do") < said.index("Can small changes")
    for title in ("Evasion", "Privacy", "Theft", "Poison", "Ownership"):
        assert title in said
    assert made.count('class="plot"') == 3 and made.count("<img ") == 4
    assert "g00d" in made and "<mark>" in made


def test_a_row_under_a_schema_is_told_in_its_words_and_hardened_under_it() -> None:
    found = full()
    found["how"] |= {"norm": "l2", "schema": "columns.yaml"}  # type: ignore[operator]
    found["evasion"] |= {"cheapest_changes": [{"index": 4, "change": "calls: 4 → 3"}]}  # type: ignore[operator]
    row = Example(4, "exact", 1.0, "yes", "no", np.array([4.0]), np.array([3.0]))
    said = " ".join(Seen(page(found, DECISION, Shown((row,), ()))).said)
    assert "calls: 4 → 3" in said and "column 0" not in said
    assert "--data … --schema columns.yaml --norm l2 --eps 0.1 --out …" in said


def test_what_an_edit_hides_is_told_by_its_number() -> None:
    row = Example(5, "ham", 0.25, "ham", "spam", np.array("win cash now"), np.array("win c\u0430\u200bsh now"))
    made = page(full(), DECISION, Shown((row,), ()))
    assert "(U+0430, U+200B)" in made and "25% of its words" in made
    same = Example(5, "ham", 0.25, "ham", "spam", np.array("für sie"), np.array("führ sie"))
    assert "(U+" not in page(full(), DECISION, Shown((same,), ()))


def test_an_evaluation_that_failed_its_own_tests_says_so_before_its_number() -> None:
    said = " ".join(Seen(page(full(trusted=False), DECISION, shown())).said)
    assert said.index("upper bound, not trusted") < said.index("What to do")
    assert "at most 31.0 % of its answers" in said.lower()


def test_what_was_not_measured_is_said() -> None:
    made = report("digits", {"accuracy": 0.98, "robust_accuracy": 0.31}, missing="privacy")
    said = " ".join(Seen(page(made, DECISION, Shown())).said)
    assert "Not measured: privacy." in said and "the data has no rows for it" in said


def test_one_row_is_one_and_a_share_of_nothing_counted_has_no_rows() -> None:
    made = full()
    made["poison"]["measures"]["backdoor_rows"] = 1.0
    made["evasion"]["robust"] = {"share": 0.31, "low": 0.26, "high": 0.365}
    said = " ".join(Seen(page(made, DECISION, shown())).said)
    assert "1 row of its training data carries a backdoor" in said
    assert "(26.0 to 36.5)" in said and "36.5), 0 rows" not in said


def test_keys_that_were_committed_are_counted() -> None:
    made = full()
    made["theft"]["ownership"] = {"keys": 100, "sentence": "100 keys were committed on Monday."}
    said = " ".join(Seen(page(made, DECISION, shown())).said)
    assert "100 keys" in said and "committed on Monday" in said and "no keys" not in said


def test_nothing_breaks_out_of_the_page() -> None:
    seen = Seen(page(full(HOSTILE), DECISION, shown(HOSTILE)))
    plain = Seen(page(full(), DECISION, shown()))
    assert [tag for tag, _ in seen.tags] == [tag for tag, _ in plain.tags]
    for tag, attributes in seen.tags:
        assert tag not in ("script", "iframe", "object", "link", "a", "form")
        assert not [name for name in attributes if name.startswith("on") or name in ("href", "style")]
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,")
    said = "".join(seen.said)
    assert "<script>alert(1)</script>" in said and "\u202e" not in said and "\x00" not in said


def test_the_page_loads_nothing() -> None:
    made = page(full(), DECISION, shown())
    assert "default-src 'none'" in made and not re.search(r"url\(|@import|https?://", made)


def test_lines_hold_nothing_that_steers_a_terminal() -> None:
    text = "\n".join(lines(full(f"\x1b[31m{HOSTILE}"), DECISION))
    assert "  data: " in text and "  model: " in text
    assert "\x1b" not in text and "\u202e" not in text
    assert "31.0 % (26.0 to 36.5)" in text and "brittle: Somebody looks. (review)" in text


def test_the_card_is_markdown_that_stays_in_its_cells() -> None:
    made = card(full(HOSTILE))
    rows = [line for line in made.splitlines() if line.startswith("| ")]
    assert len(rows) == 7 and all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    assert "| Evasion: " in made and "26.0 to 36.5 %" in made and "\u202e" not in made


def test_sarif_names_the_weakness_and_the_technique() -> None:
    (run,) = sarif([DECISION], catalogue())["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert {"cwe/CWE-1039", "mitre-atlas/AML.T0043", "owasp-ml/ML01:2023"} <= set(rule["properties"]["tags"])


# What each object must have, and what else we write: names of the standard (OASIS SARIF 2.1.0, section 3), whose JSON
# schema forbids every other outside of `properties`.
SARIF = {
    "log": ("version runs", "$schema"),
    "runs": ("tool", "columnKind invocations results"),
    "tool": ("driver", ""),
    "driver": ("name", "semanticVersion informationUri rules"),
    "rules": ("id", "shortDescription fullDescription defaultConfiguration properties"),
    "defaultConfiguration": ("", "level"),
    "invocations": ("executionSuccessful", "toolExecutionNotifications"),
    "toolExecutionNotifications": ("message", "level locations"),
    "results": ("message", "ruleId ruleIndex level locations relatedLocations properties"),
    "locations": ("", "physicalLocation logicalLocations"),
    "relatedLocations": ("", "physicalLocation logicalLocations"),
    "physicalLocation": ("artifactLocation", "region"),
    "artifactLocation": ("uri", ""),
    "logicalLocations": ("", "fullyQualifiedName"),
    "region": ("", "charOffset charLength startLine startColumn snippet"),
    "message": ("text", ""),
    "snippet": ("text", ""),
    "shortDescription": ("text", ""),
    "fullDescription": ("text", ""),
}


def test_sarif_is_written_in_the_objects_of_the_standard() -> None:
    def look(name: str, value: object) -> None:
        if isinstance(value, list):
            for one in value:
                look(name, one)
        elif isinstance(value, dict) and name != "properties":
            needed, others = (set(words.split()) for words in SARIF[name])
            assert needed <= value.keys() <= needed | others, name
            assert value.get("level", "note") in {"none", "note", "warning", "error"}
            for key, one in value.items():
                look(key, one)

    failed = {"risk": "", "detector": "model.theft@1", "why": "no time", "input": "m"}
    log = sarif([{**DECISION, "failures": [failed]}, DECISION], catalogue())
    look("log", log)
    (run,) = log["runs"]
    assert [one["id"] for one in run["tool"]["driver"]["rules"]] == [run["results"][0]["ruleId"]]
    assert not run["invocations"][0]["executionSuccessful"]


def test_a_difference_says_how_sure_it_is() -> None:
    one = {"before": RATE, "after": {**RATE, "share": 0.75}, "only_before": 2, "only_after": 134, "p": 1e-30}
    found = {"before": {"path": "a", "sha256": "0" * 64}, "after": {"path": "b", "sha256": "1" * 64},
             "how": {"eps": 0.1, "norm": "linf"}, "robust": one, "clean": {**one, "p": 0.7},
             "trusted": {"before": True, "after": True},
             "measures": {"robust_accuracy": {"before": 0.31, "after": None}}}  # fmt: skip
    text = "\n".join(difference(found))
    assert "+44.0 points on the same 300 rows" in text and "that is a difference (McNemar, exact, p = 1e-30)" in text
    assert "that may be chance" in text and "–" in text
    text = "\n".join(difference({**found, "trusted": {"before": True, "after": False}}))
    assert "▲ after: an upper bound that is not trusted" in text and "that proves nothing" in text


@pytest.mark.parametrize(
    ("value", "says"), [(1.0, "100.0 %"), (0.9996, "99.96 %"), (0.99999, "> 99.99 %"), (0, "0.0 %")]
)
def test_a_share_is_never_rounded_to_all(value: float, says: str) -> None:
    assert percent(value) == says


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (3, 8, 8), (8, 8, 3), (600, 4)])
def test_a_picture_is_a_png_of_the_row(shape: tuple[int, ...]) -> None:
    made = png(np.full(shape, 0.5, np.float32))
    assert made.startswith(b"\x89PNG\r\n\x1a\n")
    size, kind = struct.unpack(">I4s", made[8:16])
    width, height, depth, colour = struct.unpack(">IIBB", made[16:26])
    assert (size, kind, depth, colour) == (13, b"IHDR", 8, 2 if len(shape) == 3 and 3 in shape else 0)
    at = made.index(b"IDAT")
    raw = zlib.decompress(made[at + 4 : at + 4 + struct.unpack(">I", made[at - 4 : at])[0]])
    assert len(raw) == height * (1 + width * (3 if colour else 1)) and set(raw) == {0, 128}


def test_what_is_no_image_is_no_picture() -> None:
    with pytest.raises(ValueError, match="no image"):
        png(np.zeros((2, 8, 8)))


def test_a_plot_leaves_out_what_is_no_number() -> None:
    points = [(0.001, float("nan")), (0.01, 0.2), (1.0, float("inf")), (1.0, 0.9)]
    made = plot([Curve("a", points)], Axis("x", 0.001, 1, log=True), Axis("y", 0, 1, share=True), "says")
    assert "nan" not in made and "inf" not in made and made.count("<tr>") == 3
    assert plot([Curve("a", [])], Axis("x", 0, 1), Axis("y", 0, 1), "says") == ""


def test_pictures_on_the_page_are_those_of_the_rows() -> None:
    first = re.search(r'src="data:image/png;base64,([^"]+)"', page(full(), DECISION, shown()))
    assert first is not None and b64decode(first[1]) == png(shown().rows[0].before)
