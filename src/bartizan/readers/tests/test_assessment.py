"""A report is read as numbers by check; what is not as the schema has it is refused, with its place."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.core.errors import InputError
from bartizan.readers.assessment import MAX_MEASURES, SCHEMA, assessed

REPORT = {
    "schema": SCHEMA,
    "model": {"sha256": "ab" * 32},
    "data": {"sha256": "cd" * 32},
    "how": {"eps": 0.1, "rows": 300, "asked": True},
    "evasion": {
        "measures": {"accuracy": 0.98, "robust_accuracy": 0.3},
        "trusted": False,
        "warnings": [{"check": "zero-gradients", "effect": "…", "fix": "…"}],
    },
    "theft": {"measures": {"stolen_fidelity": 0.9}},
    "not_measured": {"privacy": "the data has no x_pool"},
}


def changed(*path: str, to: object) -> dict[str, object]:
    report = copy.deepcopy(REPORT)
    at = report
    for key in path[:-1]:
        at = at[key]  # type: ignore[assignment]
    at[path[-1]] = to  # type: ignore[index]
    return report


def test_what_was_measured_is_there_by_check() -> None:
    found = assessed(REPORT)
    assert (found.model, found.data, found.rows, found.eps) == ("ab" * 32, "cd" * 32, 300, 0.1)
    assert [one.check for one in found.checks] == ["evasion", "privacy", "theft"]
    evasion, privacy = found.check("evasion"), found.check("privacy")
    assert evasion is not None and privacy is not None
    assert evasion.get("robust_accuracy") == 0.3
    assert evasion.distrusted == ("zero-gradients",)
    assert (privacy.measures, bool(privacy.why), privacy.asked) == ((), True, True)
    assert found.check("poison") is None


def test_an_evaluation_that_its_own_tests_did_not_fail_is_trusted() -> None:
    found = assessed(changed("evasion", "trusted", to=True)).check("evasion")
    assert found is not None and found.distrusted == ()


@pytest.mark.parametrize(
    ("report", "where"),
    [
        ([], "report"),
        ({}, "schema"),
        (changed("schema", to="bartizan.assessment/2"), "schema"),
        (changed("model", "sha256", to="AB" * 32), "model/sha256"),
        (changed("model", to=None), "model"),
        (changed("how", "eps", to=True), "how/eps"),
        (changed("how", "eps", to=10**400), "how/eps"),
        (changed("evasion", "measures", "accuracy", to=float("nan")), "evasion/measures/accuracy"),
        (changed("evasion", "measures", to={"No Name": 1}), "evasion/measures"),
        (changed("evasion", "measures", to={f"n{n}": 1 for n in range(MAX_MEASURES + 1)}), "evasion/measures"),
        (changed("evasion", "warnings", to="none"), "evasion/warnings"),
        (changed("not_measured", to=[]), "not_measured"),
    ],
)
def test_what_is_not_as_the_schema_has_it_is_refused(report: object, where: str) -> None:
    with pytest.raises(InputError) as caught:
        assessed(report)
    assert caught.value.where == where


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([name for name in REPORT if name != "schema"], JSON)))
def test_any_report_at_all_is_read_or_refused(report: dict[str, object]) -> None:
    try:
        assessed({**REPORT, **report})
    except InputError:
        return
