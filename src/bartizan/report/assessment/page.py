"""One page to read, send and print: five numbers first, then what they rest on. No script, nothing from outside.

Names of models, columns, classes and files, texts and pictures come from whoever made the model or its data: they are
escaped, and what nobody sees in them is shown, so that none can break out of the page or hide in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bartizan import rules
from bartizan.report.assessment import parts
from bartizan.report.assessment.advice import advice
from bartizan.report.assessment.gauges import NOT_TRUSTED, Gauge, Report, gauges
from bartizan.report.assessment.markup import facts, label, table, text, told
from bartizan.report.assessment.plots import bar
from bartizan.report.text import SHAPES

if TYPE_CHECKING:
    from bartizan.assess.examples import Shown
    from bartizan.report.decision import Json

LEVELS = ("info", "low", "medium", "high", "critical")
TITLES = {
    "evasion": "Can small changes mislead it?",
    "privacy": "Does it tell what it was trained on?",
    "theft": "Can it be copied by asking?",
    "poison": "Was its training data tampered with?",
}
CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(report: Report, decision: Json, shown: Shown) -> str:
    """The whole page.

    Args:
        report: `bartizan.assessment/1`.
        decision: What the policy says of it, `bartizan.decision/1`.
        shown: The rows that fell first, before and after, and recovered triggers.
    """
    return "\n".join(_page(report, decision, shown)) + "\n"


def _page(report: Report, decision: Json, shown: Shown) -> Iterator[str]:
    name = text(report["model"]["name"])
    css = rules.text("bartizan.report.assessment", "page.css")
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{CSP}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Assessment of {name}</title><style>{css}</style></head><body><main>"
    yield from _head(report, decision)
    yield '<section class="gauges" aria-label="In five numbers">'
    for gauge in gauges(report):
        yield _gauge(gauge)
    yield "</section>"
    yield from _todo(report)
    for check in report["how"]["checks"]:
        if check in report:
            yield f'<section id="{check}"><h2>{TITLES[check]}</h2><p>{text(report[check].get("sentence", ""))}</p>'
            yield from parts.PARTS[check](report, shown)
            yield "</section>"
    yield from _provenance(report)
    yield "</main></body></html>"


def _head(report: Report, decision: Json) -> Iterator[str]:
    model, how = report["model"], report["how"]
    action = str(decision["action"])
    mark, word, _ = SHAPES[action]
    yield f"<h1>Assessment of {text(model['name'])}</h1>"
    shape = " × ".join(str(size) for size in model["shape"]) or "one value"
    shown = "texts" if report["data"].get("form") == "text" else f"rows of {shape}"
    rows = ", ".join(f"{count:,} {name}" for name, count in report["data"]["rows"].items())
    yield f'<p class="dim">{text(model["kind"])}, {text(shown)}, {told(model["classes"])} classes; '
    yield f"{text(rows)} rows. "
    yield f"Seed {told(how['seed'])}, {report['seconds']:.0f} s ({report['cpu_seconds']:.0f} CPU s).</p>"
    yield '<div class="card lead">'
    policy = text(str(decision["policy"]).partition(" ")[0])
    yield f'<p class="action {action}">{mark} {word} by the policy {policy}</p>'
    yield f'<p class="say">{text(lead(report))}</p>'
    for clause in decision["clauses"]:  # type: ignore[attr-defined]  # A list, by its schema.
        observed = (
            "" if clause["mode"] == "enforce" else f" Observed only; enforced it would be: {text(clause['then'])}."
        )
        yield f"<p><code>{text(clause['id'])}</code> {text(clause['says'])}{observed}</p>"
    if report["interrupted"]:
        yield "<p>The run was interrupted: what follows is what was there by then. The same command goes on.</p>"
    yield "</div>"
    for check in how["checks"]:
        section = report.get(check, {})
        if section.get("trusted", True) is not True:
            yield f'<div class="card alarm" role="note"><h3>{text(check)}: {NOT_TRUSTED}</h3>'
            yield "<p>The evaluation failed its own tests, and no other attack resolved it. Others may find more.</p>"
            yield from parts.warnings(section)
            yield "</div>"


def lead(report: Report) -> str:
    """The answer in one breath."""
    found = gauges(report)
    said = "; ".join(one.lead for one in found if one.lead)
    missing = ", ".join(one.title.lower() for one in found if not one.measured)
    whole = f"{said[0].upper()}{said[1:]}." if said else "Nothing could be measured."
    return f"{whole} Not measured: {missing}." if said and missing else whole


def _gauge(gauge: Gauge) -> str:
    out = [f'<div class="card gauge"><h3>{text(gauge.title)}</h3>']
    none = "" if gauge.measured and gauge.number else " none"
    out.append(f'<p class="number{none}">{text(gauge.number or "no number")}</p>')
    if gauge.measured:
        out.append(f'<p class="of">{text(gauge.question)}</p>')
    if gauge.share is not None:
        says = f"{gauge.title}: {gauge.share.words()}"
        out.append(bar(gauge.share.share, gauge.share.low, gauge.share.high, says))
        count = f", {gauge.share.of:,} rows" if gauge.share.of else ""
        out.append(f'<p class="range">{text(gauge.share.words())}{count}</p>')
    if not gauge.trusted:
        out.append(f'<p class="action warn">▲ {NOT_TRUSTED}</p>')
    out.append(f'<p class="says">{text(gauge.sentence)}</p>')
    if gauge.measured:
        out.append(f'<p class="worst">{severity(gauge.worst)}</p>')
    return "".join([*out, "</div>"])


def severity(word: str) -> str:
    """How bad the worst finding is, as bars and a word."""
    if not word:
        return "no finding"
    level = LEVELS.index(word) if word in LEVELS else 0
    bars = "".join(f"<i{' class=on' if n < level else ''}></i>" for n in range(4))
    return f'<span class="meter" aria-hidden="true">{bars}</span>finding: {text(word)}'


def _todo(report: Report) -> Iterator[str]:
    found = advice(report)
    if found:
        items = "".join(f"<li>{one}</li>" for one in found)
        yield f'<section><h2>What to do</h2><ol class="todo">{items}</ol></section>'


def _provenance(report: Report) -> Iterator[str]:
    model, data, how = report["model"], report["data"], report["how"]
    usual = "" if how["eps_given"] else ", a usual one: none was given"
    norm = report.get("evasion", {}).get("norm", how["norm"])
    missing = (f"{label(name)}: {text(why)}" for name, why in report["not_measured"].items())
    yield '<section><h2>What this rests on</h2><div class="card">'
    yield facts(
        [
            ("Model", f"{text(model['path'])}<br>{_digest(model['sha256'] or 'no digest: not a file')}"),
            ("Data", _digest(data["sha256"])),
            ("Answers", text(model["output"])),
            ("Trained anew", text(model["recipe"] or "cannot be: checks that need it say so")),
            ("Noticed", "<br>".join(text(one) for one in [*model["notes"], *data["notes"]])),
            ("Strength", text(f"{how['eps']:g} under {norm}{usual}")),
            ("Accuracy", told(report["accuracy"])),
            ("Budget", text(f"{how['budget_seconds']:g} s")),
            ("Versions", text(", ".join(f"{name} {one}" for name, one in report["versions"].items()))),
            ("Not measured", "<br>".join(missing)),
        ]
    )
    files = [(name, one) for section in _sections(report) for name, one in section.get("files", {}).items()]
    if files:
        yield "<h3>Evidence that can be judged again</h3>"
        yield table(("file", "sha256"), ([f"<code>{text(name)}</code>", _digest(one)] for name, one in files))
    yield "</div></section>"


def _sections(report: Report) -> list[Mapping[str, Any]]:
    return [report[check] for check in report["how"]["checks"] if check in report]


def _digest(value: object) -> str:
    return f"<code class=digest>{text(value)}</code>"
