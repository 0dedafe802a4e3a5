"""The parts of the page: what each check measured, drawn where a drawing says more, and all numbers below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bartizan.report.assessment.gauges import Report, percent, rate_in, share_of
from bartizan.report.assessment.markup import everything, label, records, share, table, text, told
from bartizan.report.assessment.plots import Axis, Curve, plot
from bartizan.report.assessment.rows import examples, triggers

if TYPE_CHECKING:
    from bartizan.assess.examples import Shown

DRAWN = (
    "curve",
    "certified_curve",
    "attacks",
    "certificate",
    "corruptions",
    "tests",
    "outcomes",
    "cheapest_changes",
    "worst",
)
Section = Mapping[str, Any]
Part = Callable[[Report, "Shown"], Iterator[str]]


def evasion(report: Report, shown: Shown) -> Iterator[str]:
    """How accuracy falls with the strength, the rows that fell first, and whether the evaluation can be trusted."""
    section, how = report["evasion"], report["how"]
    curves = [
        curve
        for name, key, rate in (
            ("right under attack", "curve", "robust"),
            ("proven right", "curve", "proven"),
            ("certified", "certified_curve", "robust"),
        )
        if (curve := _rates(name, section.get(key), "eps", rate)) is not None
    ]
    yield '<div class="two">'
    if curves:
        most = max(x for curve in curves for x, _ in curve.points)
        says = _robust_says(section, how["eps"])
        x, y = Axis(f"change, {section.get('norm', how['norm'])}", 0, most), Axis("right answers", 0, 1, share=True)
        drawn, proven = plot(curves, x, y, says), _certificate(section.get("certificate"))
        yield f'<div class="card"><h3>Accuracy and strength</h3>{drawn}{proven}</div>'
    yield from _card("Attacks", records(section.get("attacks")))
    yield from _card("Changes that are no attack", _named_rates(section.get("corruptions")))
    yield "</div>"
    yield from _card("Tests of the evaluation itself", _tests(section))
    changes = {one.get("index"): str(one.get("change", "")) for one in _mappings(section.get("cheapest_changes"))}
    yield from examples(shown.rows, changes)
    yield from _card("The cheapest changes that flip an answer", _cheapest(changes))
    yield _all(section, DRAWN)


def privacy(report: Report, shown: Shown) -> Iterator[str]:
    """Who can be told, at which price in false alarms."""
    section = report["privacy"]
    yield '<div class="two">'
    points = [
        (float(one["fpr"]), float(one["tpr"]))
        for one in _mappings(section.get("roc"))
        if _positive(one.get("fpr")) and _positive(one.get("tpr"))
    ]
    if points:
        least = max(1e-4, min(fpr for fpr, _ in points))
        chance = Curve("guessing", [(least, least), (1.0, 1.0)])
        rate = rate_in(section, "tpr_at_1pct")
        says = (
            f"At 1 % false alarms, {percent(rate.share)} of the training rows are told."
            if rate
            else "How many training rows are told, for each share of false alarms."
        )
        axes = (Axis("false alarms", least, 1, log=True, share=True), Axis("told", least, 1, log=True, share=True))
        drawn = plot([Curve("best attack", sorted(points), steps=True), chance], *axes, says)
        yield f'<div class="card"><h3>Rows told against false alarms</h3>{drawn}</div>'
    yield from _card("Who is exposed", records(section.get("exposed")))
    yield "</div>"
    yield _all(section, ("roc", "exposed"))


def theft(report: Report, shown: Shown) -> Iterator[str]:
    """What a copy costs, and what makes it dearer."""
    section = report["theft"]
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for one in _mappings(section.get("curve")):
        name = f"{one.get('pool', '')} rows, {one.get('answers', '')}"
        by_chance = one.get("picked") in ("chance", "by chance", "random")
        lines.setdefault(f"{name}, by chance" if by_chance else name, []).append(one)
    curves = [c for name, rows in lines.items() if (c := _rates(name, rows, "queries", "fidelity"))]
    yield '<div class="two">'
    if curves:
        queries = [x for curve in curves for x, _ in curve.points if x > 0]
        low = min(y for curve in curves for y in (*[p[1] for p in curve.points], *[b[1] for b in curve.band]))
        x = Axis("queries", min(queries), max(max(queries), min(queries) * 1.01), log=True)
        y = Axis("same answers", max(0.0, low - 0.02), 1, share=True)
        drawn = plot(curves, x, y, str(section.get("sentence", "")))
        yield f'<div class="card"><h3>What a copy costs</h3>{drawn}</div>'
    yield from _card("The price", _prices(section.get("prices")))
    yield from _card("Defences, measured the same way", records(section.get("defences")))
    ownership = section.get("ownership")
    if isinstance(ownership, Mapping):
        said = text(ownership.get("sentence", ""))
        yield from _card("Ownership", f"<p>{said}</p>{everything(ownership, ('sentence',))}")
    yield "</div>"
    yield _all(section, ("curve", "prices", "defences", "ownership"))


def poison(report: Report, shown: Shown) -> Iterator[str]:
    """What was found in the training data, and what would not have been."""
    section = report["poison"]
    found = list(_mappings(section.get("backdoors")))
    if found:
        rows = [
            [
                text(one.get("trigger", "")),
                text(one.get("target_name", one.get("target_class", ""))),
                told(one.get("rows")),
                told(one.get("success")),
                told(one.get("control")),
                told(one.get("success_after_removal")),
            ]
            for one in found
        ]
        heads = ("trigger", "turns rows into", "training rows", "moves other rows", "controls do", "after removal")
        yield '<div class="card"><h3>Backdoors, confirmed on the model</h3>'
        yield from triggers(shown.triggers)
        yield table(heads, rows, (2,)) + "</div>"
    yield '<div class="two">'
    counts = section.get("rows")
    if isinstance(counts, Mapping):
        rows = [[label(name), told(count)] for name, count in counts.items()]
        yield from _card("Suspects in suspects.csv", table(("kind", "rows"), rows, (1,)))
    blind = section.get("cannot_see")
    if isinstance(blind, list) and blind:
        yield from _card("What this scan cannot see", f"<ul>{''.join(f'<li>{text(one)}</li>' for one in blind)}</ul>")
    yield "</div>"
    yield _all(section, ("backdoors", "rows", "cannot_see"))


PARTS: dict[str, Part] = {"evasion": evasion, "privacy": privacy, "theft": theft, "poison": poison}


def warnings(section: Section) -> Iterator[str]:
    """The failing tests of an evaluation: what, what that means, what to do."""
    rows = [
        [f"<code>{text(one.get('check', ''))}</code>", text(one.get("effect", "")), text(one.get("fix", ""))]
        for one in _mappings(section.get("warnings"))
    ]
    yield table(("test", "what it does to the number", "what to do"), rows)


# ---- Inside ----------------------------------------------------------------------------------------------------------


def _all(section: Section, skip: Sequence[str] = ()) -> str:
    inner = everything(section, skip)
    return f'<details class="card"><summary>All numbers</summary>{inner}</details>' if inner else ""


def _card(title: str, inner: str) -> Iterator[str]:
    if inner:
        yield f'<div class="card"><h3>{title}</h3>{inner}</div>'


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _rates(name: str, rows: object, x: str, rate: str) -> Curve | None:
    """Rates along something, with their intervals as a band; None where there are none."""
    found = [
        (float(one[x]), known)
        for one in _mappings(rows)
        if isinstance(one.get(x), int | float) and (known := share_of(one.get(rate))) is not None
    ]
    if not found:
        return None
    found.sort(key=lambda one: one[0])
    points = [(at, known.share) for at, known in found]
    return Curve(name, points, [(at, known.low, known.high) for at, known in found])


def _robust_says(section: Section, eps: float) -> str:
    robust, certified = rate_in(section, "robust"), rate_in(section, "certified", "proven")
    if robust is None:
        return "How accuracy falls with the strength of the attack."
    said = f"Within {eps:g}, at most {percent(robust.share)} of the answers stay right"
    return f"{said}; {percent(certified.share)} are proven." if certified is not None else f"{said}."


def _certificate(found: object) -> str:
    if not isinstance(found, Mapping):
        return ""
    said = found.get("sentence") or f"Nothing is proven: {found.get('why_not', '')}."
    return f"<p>{text(said)}</p>"


def _cheapest(changes: Mapping[object, str]) -> str:
    return table(("row", "change"), [[told(row), text(words)] for row, words in changes.items() if words], (0,))


def _named_rates(rows: object) -> str:
    found = [[text(one.get("name", "")), told(one.get("robust"))] for one in _mappings(rows)]
    return table(("change", "right answers"), found)


def _tests(section: Section) -> str:
    """Those that failed first, with what was done about it; those that passed folded."""
    tests = _mappings(section.get("tests"))
    failed = [_test(one, one.get("fix", "")) for one in tests if not one.get("passed")]
    passed = [_test(one, "") for one in tests if one.get("passed")]
    if not tests:
        return "".join(warnings(section))
    count = f"{len(passed)} of {len(tests)} passed"
    heads = ("test", "result", "what was seen", "what failing means", "what to do")
    open_ = "" if failed else f"<p>All {len(passed)} passed.</p>"
    folded = f"<details><summary>{count}</summary>{table(heads[:4], passed)}</details>" if passed else ""
    return f"{open_}{table(heads, failed)}{folded}"


def _test(one: Mapping[str, Any], fix: object) -> list[str]:
    resolved = one.get("resolved")
    result = "passed" if one.get("passed") else "resolved" if resolved else "<span class=failed>▲ failed</span>"
    cells = [
        f"<code>{text(one.get('check', ''))}</code>",
        result,
        text(one.get("seen", "")),
        text(one.get("effect", "")),
    ]
    return [*cells, text(resolved or fix)] if not one.get("passed") else cells


def _prices(rows: object) -> str:
    priced = any(one.get("money") is not None for one in _mappings(rows))
    found = [
        [
            share(float(one["fidelity"]))
            if isinstance(one.get("fidelity"), int | float)
            else told(one.get("fidelity")),
            told(one.get("queries")) if one.get("queries") is not None else "not reached",
            *([told(one.get("money"))] if priced else []),
        ]
        for one in _mappings(rows)
    ]
    return table(("same answers", "queries", *(["money"] if priced else [])), found, (1, 2))
