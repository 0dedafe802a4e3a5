"""An assessment in a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bartizan.report.assessment.gauges import NOT_TRUSTED, Report, gauges, percent
from bartizan.report.text import SHAPES, plain

if TYPE_CHECKING:
    from bartizan.report.decision import Json


def lines(report: Report, decision: Json) -> Iterator[str]:
    """What was measured, what could not be, and what the policy says of it."""
    shape, word, _ = SHAPES[str(decision["action"])]
    model = report["model"]
    yield plain(f"{shape} {word}  {model['path']}  ({model['kind']}, {model['classes']} classes)")
    for note in report["data"].get("notes", []):
        yield plain(f"  data: {note}")
    for note in model.get("notes", []):
        yield plain(f"  model: {note}")
    for one in gauges(report):
        if not one.measured:
            yield f"  {one.title:<10} not measured: {plain(one.sentence)}"
            continue
        note = "" if one.trusted else f" ({NOT_TRUSTED})"
        between = f" ({one.share.low * 100:.1f} to {one.share.high * 100:.1f})" if one.share is not None else ""
        yield f"  {one.title:<10} {one.number}{between} {one.question}{note}"
        yield f"  {'':<10} {plain(one.sentence)}"
    for check in report["how"]["checks"]:
        for warned in report.get(check, {}).get("warnings", []):
            done = f"resolved: {warned['resolved']}" if warned.get("resolved") else f"do: {warned.get('fix', '')}"
            yield plain(f"  ▲ {warned.get('check', '')}: {warned.get('effect', '')}; {done}")
    for clause in decision["clauses"]:  # type: ignore[attr-defined]  # A list, by its schema.
        mode = clause["then"] if clause["mode"] == "enforce" else f"observed only, would {clause['then']}"
        yield plain(f"  {clause['id']}: {clause['says']} ({mode})")
    yield f"  {report['seconds']:.1f} s, {report['cpu_seconds']:.1f} CPU s, seed {report['how']['seed']}"
    if report["interrupted"]:
        yield "  Interrupted: the same command goes on from here."


def difference(found: Report) -> Iterator[str]:
    """What a comparison (`bartizan.assessment-comparison/1`) found."""
    before, after, how = found["before"], found["after"], found["how"]
    yield plain(f"before  {before['path']}  {before['sha256'][:12]}")
    yield plain(f"after   {after['path']}  {after['sha256'][:12]}")
    for name in ("before", "after"):
        if not found["trusted"][name]:
            yield f"  ▲ {name}: an upper bound that is not trusted; its evaluation failed its own tests"
    for name, title in (("robust", f"robust at {how['eps']:g} ({how['norm']})"), ("clean", "clean")):
        one = found[name]
        if one is None:
            yield f"  {title}: one of the two was not attacked"
            continue
        believed = name == "clean" or all(found["trusted"].values())
        moved = (one["after"]["share"] - one["before"]["share"]) * 100
        yield (
            f"  {title}: {_rate(one['before'])} before, {_rate(one['after'])} after, {moved:+.1f} points on the same "
            f"{one['after']['of']:,} rows"
        )
        yield (
            f"    {one['only_before']:,} rows only before, {one['only_after']:,} only after: "
            f"{_sure(one['p'], believed)} (McNemar, exact, p = {one['p']:.2g})"
        )
    width = max((len(name) for name in found["measures"]), default=0)
    for name, both in found["measures"].items():
        yield f"  {name:<{width}}  {_number(both['before']):>10}  {_number(both['after']):>10}"


def _rate(rate: Report) -> str:
    return f"{percent(rate['share'])} ({rate['low'] * 100:.1f} to {rate['high'] * 100:.1f})"


def _sure(p: float, believed: bool) -> str:
    if p >= 0.05:
        return "that may be chance"
    return "that is a difference" if believed else "that proves nothing"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
