"""The section of a model card that says what was measured: Markdown, to be put beside what people write.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

import re

from bartizan.report.assessment.gauges import NOT_TRUSTED, Report, gauges


def card(report: Report) -> str:
    """The section."""
    how, model = report["how"], report["model"]
    out = [
        "## Security and privacy",
        "",
        f"Measured by Bartizan {report['versions']['bartizan']} (`{report['schema']}`) of `{_code(model['name'])}`, "
        f"sha256 `{model['sha256'] or 'none'}`, with data `{report['data']['sha256']}`; seed {how['seed']}.",
        "",
        "| question | number | 95 % interval | of |",
        "| --- | --- | --- | --- |",
    ]
    for one in gauges(report):
        between = f"{one.share.low * 100:.1f} to {one.share.high * 100:.1f} %" if one.share is not None else ""
        count = f"{one.share.of:,}" if one.share is not None and one.share.of else ""
        number = one.number + ("" if one.trusted else f" ({NOT_TRUSTED})")
        what = one.question if one.measured else one.sentence
        out.append(f"| {_cell(one.title)}: {_cell(what)} | {_cell(number)} | {between} | {count} |")
    out += ["", *(f"- {_cell(one.title)}: {_cell(one.sentence)}" for one in gauges(report) if one.measured)]
    out += [
        "",
        "These are measurements of attacks that were tried, with the data that was given: upper bounds on what the",
    ]
    out += ["model withstands, unless a certificate is named.", ""]
    return "\n".join(out)


def _cell(text: str) -> str:
    """Text of others inside of Markdown: as text, on one line, in one cell."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", line)


def _code(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and c not in "`|")
