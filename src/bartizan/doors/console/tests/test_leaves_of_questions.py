"""What the console shows of a question to a classical model: its texts, whatever else it holds."""

from __future__ import annotations

import orjson

from bartizan.doors.console.leaves import taken_apart

TENSOR = {"name": "t", "shape": [2], "datatype": "BYTES", "data": ["first", "second"]}
NUMBERS = {"name": "x", "shape": [1], "datatype": "FP32", "data": [123456.5]}


def shown(side: str, **body: object) -> dict[str, str]:
    record = {"kind": "data", "door": "gateway", "side": side}
    return {leaf.path: leaf.text for leaf in taken_apart(record, orjson.dumps(body)).leaves}


def test_texts_are_shown_with_their_places_and_no_other_text_stands_for_them() -> None:
    asked = shown("request", inputs=[TENSOR, NUMBERS], text="harmless")
    assert asked["/inputs/0/data/1"] == "second"
    assert asked["/text"] == "harmless"
    assert not any("123456" in text for text in asked.values())
    assert shown("answer", outputs=[TENSOR])["/outputs/0/data/0"] == "first"


def test_what_was_refused_is_shown_as_it_stands() -> None:
    assert list(shown("request", inputs=3)) == [""]
