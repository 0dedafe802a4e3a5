"""Assessments in a home's ledger, as `bartizan assess --record` writes them, of models that nobody has."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from bartizan.assess.assessment import Assessment
from bartizan.doors.assess.judging import Judge, Judged
from bartizan.home import Home
from bartizan.readers.assessment import MEASURES, SCHEMA

USUAL = {"accuracy": 0.98, "robust_accuracy": 0.31, "membership_tpr_at_1pct": 0.07, "stolen_fidelity": 0.94}


def report(
    name: str, measures: Mapping[str, float] = USUAL, *, trusted: bool = True, missing: str = ""
) -> dict[str, object]:
    """A report with these numbers; `missing` is a check that could not be measured."""
    checks = {check: {n: v for n, v in measures.items() if MEASURES[n] == check} for check in set(MEASURES.values())}
    sections = {
        check: {"measures": numbers, "sentence": "It is so.", "trusted": trusted or check != "evasion",
                "warnings": [] if trusted else [{"check": "zero-gradients", "effect": "Hides.", "fix": "Look."}]}
        for check, numbers in checks.items() if numbers and check != missing
    }  # fmt: skip
    return {
        "schema": SCHEMA,
        "model": {"name": f"{name}.onnx", "path": f"models/{name}.onnx", "sha256": _digest(name), "kind": "onnx",
                  "shape": [1, 28, 28], "classes": 10, "output": "logits", "recipe": "Adam, 10 epochs", "notes": []},
        "data": {"sha256": _digest("data"), "form": "images", "rows": {"train": 700, "test": 300}, "columns": 0,
                 "notes": []},
        "how": {"checks": sorted({*sections, *filter(None, [missing])}), "asked": False, "eps": 0.1, "eps_given": True,
                "norm": "linf", "rows": 300, "seed": 0, "budget_seconds": 120.0, "price": None, "schema": None},
        "versions": {"bartizan": "0.1.0", "python": "3.11.7"},
        "accuracy": {"hits": 294, "of": 300, "share": 0.98, "low": 0.957, "high": 0.991},
        **sections,
        "not_measured": {missing: "the data has no rows for it"} if missing else {},
        "measures": {n: v for section in sections.values() for n, v in section["measures"].items()},
        "interrupted": False,
        "seconds": 61.4,
        "cpu_seconds": 88.2,
        "findings": [],
    }  # fmt: skip


def recorded(home: Home, name: str, measures: Mapping[str, float] = USUAL, **more: object) -> Judged:
    """An assessment, judged by the home's policy and recorded."""
    made = Assessment(report(name, measures, **more), (), ())  # type: ignore[arg-type]  # by name
    with Judge(home, True, "high") as judge:
        return judge(made)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
