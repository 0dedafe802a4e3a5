"""Splices by example; the properties are in tests/properties/test_splices.py."""

from __future__ import annotations

import pytest

from bartizan.core.decision import Edit, How
from bartizan.core.errors import InputError, LimitError
from bartizan.exchange.body import located, read_body, splice


def cut(path: str, start: int, end: int, mark: str = "[x]") -> Edit:
    return Edit(path, start, end, How.REDACT, mark)


CASES = {
    "a text": (b'{"text": "my key here"}', [cut("/text", 3, 6)], b'{"text": "my [x] here"}'),
    "escapes around it stay": (
        b'{"text":"\\u0061\\n\\/ KEY \\ud83d\\ude00\\u00E9"}',
        [cut("/text", 4, 7)],
        b'{"text":"\\u0061\\n\\/ [x] \\ud83d\\ude00\\u00E9"}',
    ),
    "an escape as the edited text": (b'{"text":"a\\u0041b"}', [cut("/text", 1, 2)], b'{"text":"a[x]b"}'),
    "a surrogate pair is one code point": (
        b'{"text":"\\ud83d\\ude00K"}',
        [cut("/text", 1, 2)],
        b'{"text":"\\ud83d\\ude00[x]"}',
    ),
    "raw UTF-8": ('{"text":"é😀K😀"}'.encode(), [cut("/text", 2, 3)], '{"text":"é😀[x]😀"}'.encode()),
    "two in one text": (b'{"text":"K and K"}', [cut("/text", 0, 1), cut("/text", 6, 7)], b'{"text":"[x] and [x]"}'),
    "overlapping ones are one": (b'{"text":"abcdef"}', [cut("/text", 1, 3), cut("/text", 2, 5)], b'{"text":"a[x]f"}'),
    "a mark is escaped": (b'{"text":"K"}', [cut("/text", 0, 1, 'a"b\\')], b'{"text":"a\\"b\\\\"}'),
    "the second of two alike": (b'{"messages":["K","K"]}', [cut("/messages/1", 0, 1)], b'{"messages":["K","[x]"]}'),
    "an unknown key by position": (b'{"a":{"my K":1}}', [cut("/@0/@0#key", 3, 4)], b'{"a":{"my [x]":1}}'),
    "a value under an unknown key": (b'{"a":1,"b":"K"}', [cut("/@1", 0, 1)], b'{"a":1,"b":"[x]"}'),
    "a number becomes a string": (b'{"a":[1, 42424242 ,true]}', [cut("/@0/1", 0, 8)], b'{"a":[1, "[x]" ,true]}'),
    "part of a number": (b'{"a":-42.50e1}', [cut("/@0", 1, 3)], b'{"a":"-[x].50e1"}'),
    "the first number of all": (b'{"a":{"b":[[7,8]]}}', [cut("/@0/@0/0/0", 0, 1)], b'{"a":{"b":[["[x]",8]]}}'),
    "arguments of a call": (
        b'{"arguments":"{\\"to\\": \\"\\\\u004bK\\", \\"n\\":1}"}',
        [cut("/arguments#/@0", 1, 2)],
        b'{"arguments":"{\\"to\\": \\"\\\\u004b[x]\\", \\"n\\":1}"}',
    ),
    "a key in the arguments": (
        b'{"arguments":"{\\"K\\":1}"}',
        [cut("/arguments#/@0#key", 0, 1)],
        b'{"arguments":"{\\"[x]\\":1}"}',
    ),
    "a number in the arguments": (
        b'{"arguments":"[4242]"}',
        [cut("/arguments#/0", 0, 4)],
        b'{"arguments":"[\\"[x]\\"]"}',
    ),
    "arguments that are no JSON": (b'{"arguments":"{\\"K"}', [cut("/arguments", 2, 3)], b'{"arguments":"{\\"[x]"}'),
}


@pytest.mark.parametrize("name", CASES)
def test_splices(name: str) -> None:
    raw, edits, wanted = CASES[name]
    assert splice(read_body(raw), edits) == wanted


@pytest.mark.parametrize(
    ("raw", "path", "wanted"),
    [
        (b'{"message":{"logprobs": {"a":["}",{"a":[1]}]} ,"n":0}}', "/message", b'{"message":null}'),
        (b'{"logprobs": {"a":["}",{"a":[1]}]} ,"n":0}', "/logprobs", b'{"logprobs": null ,"n":0}'),
        (b'{"choices":[[{"a":1}],[{"index":{}}]]}', "/choices/1", b'{"choices":[[{"a":1}],null]}'),
        (b'{"choices":[[],[[]],{}]}', "/choices/2", b'{"choices":[[],[[]],null]}'),
        (b'{"name":"x","index":7}', "/index", b'{"name":"x","index":null}'),
        (b'{"name":"x","index":7}', "/name", b'{"name":null,"index":7}'),
    ],
)  # fmt: skip
def test_a_value_can_be_made_null(raw: bytes, path: str, wanted: bytes) -> None:
    assert splice(read_body(raw), [], [path]) == wanted


def test_an_edit_in_what_becomes_null_is_made_by_that() -> None:
    assert splice(read_body(b'{"name":{"text":"K"}}'), [cut("/name/text", 0, 1)], ["/name"]) == b'{"name":null}'


@pytest.mark.parametrize("raw", [b'{"name":{}}', b'{"name":[1]}'])
def test_what_is_no_leaf_cannot_be_edited(raw: bytes) -> None:
    with pytest.raises(InputError, match="only a text, a key or a number"):
        splice(read_body(raw), [cut("/name", 0, 1)])


@pytest.mark.parametrize("path", ["/missing", "/text/0", "/text#/a", "/@9", "/text/x#key"])
def test_a_place_that_is_not_there_is_an_error(path: str) -> None:
    with pytest.raises(InputError):
        splice(read_body(b'{"text":"x"}'), [cut(path, 0, 1)])


def test_edited_keys_of_one_object_stay_apart() -> None:
    raw = b'{"metadata":{"K1":1,"K2":2,"[x]":3},"user":{"K1":1}}'
    edits = [cut("/metadata/@0#key", 0, 2), cut("/metadata/@1#key", 0, 2), cut("/user/@0#key", 0, 2)]
    wanted = b'{"metadata":{"[x] 2":1,"[x] 3":2,"[x]":3},"user":{"[x]":1}}'
    assert splice(read_body(raw), edits) == wanted


def test_a_number_as_it_is_written() -> None:
    body = read_body(b'{"a":"1","b":[0.12345678901234567890, 123456789012345678901234567890]}')
    assert body.number("/@1/0") == "0.12345678901234567890"
    assert body.number("/@1/1") == "123456789012345678901234567890"


def test_ranges_of_every_sort() -> None:
    raw = b'{"text" : "a", "index": [ {"name":{}} , 12 ]}'
    got = located(read_body(raw), ["/text", "/text#key", "/index", "/index/0/name", "/index/1"])
    assert {p: raw[a:b] for p, (a, b) in got.items()} == {
        "/text": b'"a"',
        "/text#key": b'"text"',
        "/index": b'[ {"name":{}} , 12 ]',
        "/index/0/name": b"{}",
        "/index/1": b"12",
    }


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"null"])
def test_a_body_is_an_object(raw: bytes) -> None:
    with pytest.raises(InputError, match="not a JSON object"):
        read_body(raw)


def test_limits_say_which_one() -> None:
    with pytest.raises(LimitError, match="200"):
        read_body(b'{"a":' + b"[" * 300 + b"]" * 300 + b"}")


def test_errors_hold_no_content() -> None:
    marker = "zebra" + "42"
    for raw in (f'{{"{marker}":1,"{marker}":2}}', f'{{"{marker}"', f'{{"a":{marker}}}', f'["{marker}"]'):
        with pytest.raises(InputError) as error:
            read_body(raw.encode())
        assert marker not in str(error.value)


def test_half_a_hundred_thousand_numbers_are_read_in_one_pass() -> None:
    """One search of the body for each would hold the gateway up for minutes."""
    body = read_body(b'{"odd":[' + b",".join(b"0.%015d1" % n for n in range(50_000)) + b"]}")
    assert [body.number(f"/@0/{n}") for n in range(50_000)] == [f"0.{n:015d}1" for n in range(50_000)]


def test_many_numbers_in_a_row_are_edited_in_one_pass() -> None:
    body = read_body(b'{"odd":[' + b",".join(b"%08d" % (10_000_000 + n) for n in range(20_000)) + b"]}")
    out = splice(body, [cut(f"/@0/{n}", 0, 7) for n in range(20_000)])
    assert out == b'{"odd":[' + b",".join(b'"[x]%d"' % (n % 10) for n in range(20_000)) + b"]}"
