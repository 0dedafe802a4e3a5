"""Questions to classical models and their answers: what is text, what is data, and what does not pass."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.core.errors import InputError
from bartizan.core.subject import Context, Kind, Subject
from bartizan.readers.inference import MAX_RANK, Tensor, count_rows, question, reply, rows_of, scores_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def tensor(**more: object) -> dict[str, object]:
    return {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1.5, 2, 3, None]} | more


def asked(*tensors: dict[str, object], **more: object) -> Subject:
    return question({"inputs": list(tensors), **more}, Context(model="m"))


def of(*tensors: dict[str, object]) -> tuple[Tensor, ...]:
    content = asked(*tensors).content
    assert isinstance(content, tuple)
    return content


def test_texts_names_and_parameters_are_texts_and_numbers_are_not() -> None:
    text = tensor(name="t", shape=[2], datatype="BYTES", data=[["hello"], ["there"]], parameters={"language": "eo"})
    subject = asked(tensor(), text, id="mine", odd={"key": 12345678})
    assert subject.kind is Kind.DATA
    assert subject.texts() == {
        "/model": "m",
        "/id": "mine",
        "/@2#key": "odd",
        "/@2/@0#key": "key",
        "/@2/@0": "12345678",
        "/inputs/0/name": "x",
        "/inputs/1/name": "t",
        "/inputs/1/data/0/0": "hello",
        "/inputs/1/data/1/0": "there",
        "/inputs/1/parameters/@0#key": "language",
        "/inputs/1/parameters/@0": "eo",
    }


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "inputs"),
    "no list": ({"inputs": {}}, "inputs"),
    "a kind nobody knows": ({"inputs": [tensor(datatype="FP8")]}, "inputs[0].datatype"),
    "no name": ({"inputs": [tensor(name="")]}, "inputs[0].name"),
    "a shape of nothing": ({"inputs": [tensor(shape=[0, 4])]}, "inputs[0].shape"),
    "a shape of too much": ({"inputs": [tensor(shape=[2**40])]}, "inputs[0].shape"),
    "truth as a size": ({"inputs": [tensor(shape=[True, 4])]}, "inputs[0].shape"),
    "fewer than its shape": ({"inputs": [tensor(data=[1])]}, "inputs[0].data"),
    "texts among numbers": ({"inputs": [tensor(data=[1, 2, 3, "4"])]}, "inputs[0].data"),
    "numbers among texts": ({"inputs": [tensor(datatype="BYTES", data=["1", "2", "3", 4])]}, "inputs[0].data"),
    "lists beside values": ({"inputs": [tensor(data=[[1, 2], 3, 4])]}, "inputs[0].data"),
    "no data": ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}, "inputs[0].data"),
    "data behind the JSON": ({"inputs": [tensor(parameters={"binary_data_size": 8})]}, "inputs[0].parameters"),
    "data elsewhere": ({"inputs": [tensor(parameters={"shared_memory_region": "r"})]}, "inputs[0].parameters"),
    "a binary answer": ({"inputs": [tensor()], "parameters": {"binary_data_output": True}}, "parameters"),
    "a binary output": (
        {"inputs": [tensor()], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]},
        "outputs[0].parameters",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_question_is_refused_with_its_field(name: str) -> None:
    body, where = REFUSED[name]
    with pytest.raises(InputError) as caught:
        question(body, Context())
    assert caught.value.where == where


def test_lists_in_lists_without_end_are_refused() -> None:
    deep: object = [1.0]
    for _ in range(MAX_RANK + 1):
        deep = [deep]
    with pytest.raises(InputError):
        asked(tensor(shape=[1], data=deep))


@given(JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    """Never anything else, as a question and as an answer."""
    for body in ({"inputs": value}, {"inputs": [value]}, {"inputs": [tensor(data=value)]}):
        try:
            question(body, Context())
        except InputError:
            continue
    assert reply({"outputs": value, "id": "x"}, Context()) is not None
    assert reply({"outputs": [value]}, Context()) is not None


def test_rows_are_cut_from_one_tensor_or_put_together_from_columns() -> None:
    whole = of(tensor(shape=[4]))
    assert count_rows(whole, 2) == 2
    assert rows_of(whole, 2, [1]) == [[3, None]]
    columns = of(tensor(shape=[2, 1], data=[1, 2]), tensor(name="y", shape=[2], datatype="INT8", data=[3, 4]))
    assert count_rows(columns, 2) == 2
    assert rows_of(columns, 2, [0, 1]) == [[1, 3], [2, 4]]
    for tensors, features in ((whole, 3), (columns, 3), (of(tensor(datatype="BYTES", data=["a"] * 4)), 2)):
        with pytest.raises(InputError, match="watched"):
            count_rows(tensors, features)


def test_scores_are_the_tensor_with_several_numbers_a_row() -> None:
    label = tensor(name="label", shape=[2], datatype="INT64", data=[1, 0])
    assert scores_of(of(label, tensor(data=[0.5, 0.5, 0.1, 0.9])), 2, [1]) == [[0.1, 0.9]]
    assert scores_of(of(label), 2, [0]) == [[1.0]]
    assert scores_of(of(tensor(shape=[2], data=[0.25, 1])), 2, [0]) == [[0.75, 0.25]]
    assert scores_of(of(tensor(shape=[2], data=[250.5, 1])), 2, [0]) == [[0.0]]
    words = scores_of(of(tensor(shape=[2], datatype="BYTES", data=["cat", "dog"])), 2, [0, 1])
    assert words is not None
    assert words[0] != words[1]
    assert scores_of(of(tensor()), 3, [0]) is None


def test_an_answer_that_cannot_be_read_is_text_all_of_it() -> None:
    assert reply({"outputs": [tensor(data=["a", 1, 2, 3])]}, Context()).texts()["/outputs/0/data/0"] == "a"
    assert reply({"error": "no such model"}, Context()).texts() == {"/error": "no such model"}
    assert reply({"model_name": "m", "id": "i", "outputs": [tensor()]}, Context()).texts() == {"/outputs/0/name": "x"}


def test_an_answer_that_found_nothing_hides_no_scores() -> None:
    """A detector's empty list of boxes beside its scores."""
    outputs = [tensor(name="boxes", shape=[0, 4], data=[]), tensor(data=[0.5, 0.5, 0.1, 0.9])]
    subject = reply({"outputs": outputs}, Context())
    assert subject.texts() == {"/outputs/0/name": "boxes", "/outputs/1/name": "x"}
    content: Any = subject.content
    assert scores_of(content, 2, [1]) == [[0.1, 0.9]]
