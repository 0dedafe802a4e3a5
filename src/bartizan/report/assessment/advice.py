"""What to do about what was measured."""

from __future__ import annotations

from bartizan.report.assessment.gauges import Report
from bartizan.report.assessment.markup import label, text

BACKDOOR = (
    "Remove the rows that <code>suspects.csv</code> names as <code>backdoor</code>, train again, and assess again. "
    "Find out who could write to the training data."
)
LEAK = (
    "Give labels, or rounded scores, instead of exact ones; train with less repetition, or with differential privacy; "
    "leave out rows whose being there must stay a secret."
)
COPY = (
    "Limit how much one account may ask, watch for accounts that ask as a thief does, and commit an ownership key "
    "before there is a dispute."
)
LABELS = "Let somebody look at the rows of kind <code>label</code> in <code>suspects.csv</code>, first ones first."
LEAK_FROM = 0.02  # Told at 1 % false alarms, by the lower end of the interval.
COPY_FROM = 0.9  # Agreement of a copy.


def advice(report: Report) -> list[str]:
    """What to do, most pressing first; each is markup."""
    measures = report["measures"]
    found = [BACKDOOR] if measures.get("backdoor_rows") else []
    found += _evaluation(report)
    if (harden := _harden(report)) is not None:
        found.append(harden)
    if measures.get("membership_tpr_at_1pct_low", measures.get("membership_tpr_at_1pct", 0.0)) > LEAK_FROM:
        found.append(LEAK)
    if measures.get("stolen_fidelity", 0.0) >= COPY_FROM:
        found.append(COPY)
    if measures.get("label_rows"):
        found.append(LABELS)
    missing = report["not_measured"].items()
    return found + [f"{label(check)} was not measured: {text(why)}" for check, why in missing]


def _evaluation(report: Report) -> list[str]:
    """What makes an evaluation that failed its own tests one that can be trusted."""
    failed = [
        one for check in report["how"]["checks"] if (one := report.get(check, {})).get("trusted", True) is not True
    ]
    warnings = [one for section in failed for one in section.get("warnings", [])]
    return [f"{text(one.get('check', ''))}: {text(one['fix'])}" for one in warnings if one.get("fix")]


def _harden(report: Report) -> str | None:
    accuracy, robust = report["measures"].get("accuracy"), report["measures"].get("robust_accuracy")
    if not accuracy or robust is None or robust >= 0.9 * accuracy:
        return None
    how = report["how"]
    norm = "" if how["norm"] == "linf" else f" --norm {how['norm']}"
    schema = f" --schema {how['schema']}" if how.get("schema") else ""
    call = text(f"bartizan harden {report['model']['path']} --data …{schema}{norm} --eps {how['eps']:g} --out …")
    return (
        f"<code>{call}</code> trains a model that withstands more, and proves it; or keep strangers from choosing what "
        "the model sees."
    )
