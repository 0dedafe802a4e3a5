"""One page to print: every control, what was found, and what proves it. No script, nothing from outside.

Everything that comes from the register is escaped, and what nobody sees in it is shown: a name can neither break out of
the page nor hide in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from bartizan.inventory.system import System, iso, when
from bartizan.report.compliance.article30 import Activity
from bartizan.report.compliance.evidence import Answer, Answered, Evidence
from bartizan.report.compliance.framework import Checked, Framework
from bartizan.report.compliance.queries import Result
from bartizan.report.compliance.sheets import visible

WORDS = {Result.MET: "● met", Result.GAP: "○ gap", Result.PEOPLE: "◌ for people"}
ROWS = 40
CSS = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; margin: 0 auto; padding: 32px 24px;
  max-width: 1040px; overflow-wrap: anywhere; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 4px; } h3 { font-size: 15px; margin: 0; }
p { margin: 4px 0; } .dim { color: #57606a; font-size: 13px; } code { font: 12px/1.5 ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; margin: 12px 0; font-size: 13px; }
th, td { text-align: left; vertical-align: top; padding: 6px 10px 6px 0; border-bottom: 1px solid #d0d7de; }
.control { border-top: 1px solid #d0d7de; padding: 10px 0; }
.result { float: right; font-weight: 600; }
.gap { color: #a40e26; } .people { color: #6e4600; } .met { color: #116329; }
ul { margin: 4px 0; padding-left: 20px; } pre { font: 11px/1.5 ui-monospace, monospace; white-space: pre-wrap; }
@page { margin: 18mm 15mm; }
@media print { body { padding: 0; font-size: 11pt; max-width: none; } .control, tr, pre { break-inside: avoid; }
  h2 { break-after: avoid; } }
"""


def page(evidence: Evidence, systems: Iterable[System], activities: Iterable[Activity] = ()) -> str:
    """The whole page."""
    return "\n".join(_page(evidence, tuple(systems), tuple(activities))) + "\n"


def _page(evidence: Evidence, systems: tuple[System, ...], activities: tuple[Activity, ...]) -> Iterator[str]:
    facts, counts = evidence.facts, evidence.counts()
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    csp = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    yield f'<meta http-equiv="Content-Security-Policy" content="{csp}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Evidence on the use of AI</title><style>{CSS}</style></head><body><main>"
    yield "<h1>Evidence on the use of AI</h1>"
    yield f"<p>Made {when(facts.now_us)}. The register as it was then; decisions and cases from "
    yield f"{when(facts.since_us)} to {when(facts.until_us)}.</p>"
    yield f"<p><strong>{counts['met']} controls met, {counts['gap']} with gaps, {counts['people']} for people.</strong>"
    yield "“Met” means that the queries below found nothing missing in what Bartizan knows: no verdict on the law.</p>"
    for framework, answered in evidence.frameworks:
        yield from _framework(framework, answered)
    yield from _systems(systems)
    if activities:
        yield from _activities(activities)
    yield from _proof(evidence)
    yield "</main></body></html>"


def _framework(framework: Framework, answered: tuple[Answered, ...]) -> Iterator[str]:
    yield f"<section><h2>{_(framework.title)}</h2>"
    yield f"<p>{_(framework.text)}. {_(framework.version)}; the text as of {framework.date}.</p>"
    yield f'<p class="dim">{_(framework.source)}</p><p class="dim">{_(framework.note)}</p>'
    checked = {how: sum(one.control.checked is how for one in answered) for how in Checked}
    yield f'<p class="dim">Wording of the controls: {checked[Checked.TEXT]} checked against the text, '
    yield f"{checked[Checked.SUMMARY]} against public summaries, {checked[Checked.NO]} not checked.</p><ul>"
    for part in framework.applies:
        yield f'<li>{part.day or "no day"}: {_(part.what)} <span class="dim">({_(part.checked)})</span></li>'
    yield "</ul>"
    for one in answered:
        yield from _control(one)
    yield "</section>"


def _control(one: Answered) -> Iterator[str]:
    control = one.control
    yield f'<div class="control"><span class="result {one.result.value}">{WORDS[one.result]}</span>'
    yield f"<h3>{_(control.id)} {_(control.title)}</h3><p>{_(control.duty)}</p>"
    later = f"Applies from {control.applies.day}. " if one.applies is False else ""
    where = f": {_(control.where)}" if control.where else ""
    yield f'<p class="dim">{later}Our words, {control.checked.words}{where}.</p>'
    if one.answers or control.attach:
        yield "<ul>"
        for answer in one.answers:
            yield from _answer(answer)
        if control.attach:
            yield f'<li><span class="people">People attach:</span> {_(control.attach)}</li>'
        yield "</ul>"
    yield "</div>"


def _answer(answer: Answer) -> Iterator[str]:
    found = answer.found
    yield f'<li><span class="{found.result.value}">{WORDS[found.result]}</span>: {_(answer.query.title)}: '
    yield f"{_(found.says)} <code>{found.value} of {found.of}</code>"
    if found.rows and found.result is not Result.MET:
        more = f" and {len(found.rows) - ROWS:,} more" if len(found.rows) > ROWS else ""
        yield f"<br><code>{_(', '.join(found.rows[:ROWS]))}</code>{more}"
    if answer.proof:
        yield f'<br><span class="dim">{_("; ".join(proof.words for proof in answer.proof))}</span>'
    yield "</li>"


def _systems(systems: tuple[System, ...]) -> Iterator[str]:
    yield "<section><h2>Register of AI systems</h2><table><thead><tr>"
    heads = (
        "System",
        "Status",
        "Owner",
        "Purpose",
        "Vendor",
        "Risk tier",
        "Data allowed",
        "Data seen",
        "People",
        "Review",
    )
    yield "".join(f"<th scope=col>{head}</th>" for head in heads) + "</tr></thead><tbody>"
    for one in systems:
        cells = (
            f"{one.title} ({one.id})" if one.title != one.id else one.id,
            one.status.word,
            one.owner,
            one.purpose,
            one.vendor,
            one.risk_tier.value or "unknown",
            ", ".join(one.data_classes),
            ", ".join(one.data_seen),
            str(one.seen.people),
            iso(one.review_day),
        )
        yield "<tr>" + "".join(f"<td>{_(cell)}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table></section>"


def _activities(activities: tuple[Activity, ...]) -> Iterator[str]:
    yield "<section><h2>Record of processing activities</h2>"
    yield '<p class="dim">The fields of Article 30(1) GDPR. What is “to be said” nothing here can know.</p>'
    for one in activities:
        yield f"<h3>{_(one.name)}</h3><table><tbody>"
        for label, value in one.fields():
            yield f"<tr><th scope=row>{_(label)}</th><td>{_(value)}</td></tr>"
        yield "</tbody></table>"
    yield "</section>"


def _proof(evidence: Evidence) -> Iterator[str]:
    yield "<section><h2>What proves this</h2>"
    yield "<p>Every record named above lies under the root of one of these signed checkpoints. With them in a file, "
    yield "<code>bartizan ledger verify --checkpoint FILE</code> says whether the ledger is still the one that was "
    yield "asked; <code>bartizan ledger prove ID</code> proves a single record to somebody who has nothing else.</p>"
    for log in evidence.facts.logs:
        if log.note:
            yield f"<pre>{_(log.note)}</pre>"
        else:
            yield f"<p>{_(log.name)}: no checkpoint{': ' + _(log.problem) if log.problem else ''}</p>"
    yield "</section>"


def _(text: str) -> str:
    return escape(visible(text))
