"""Models: what was measured of them, which one needs a look, and how one of them did over time."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from bartizan.doors.console.answers import Page
from bartizan.doors.console.measured import MAX_RUNS, NUMBERS, SHARES, Run, latest, run_of, runs, trend
from bartizan.doors.console.render import clock, plural
from bartizan.doors.console.routes import page
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

CSS = ("settings.css", "models.css")
AT_ONCE = 40
COMMAND = "bartizan assess model.onnx --data rows.npz --out report --record"


def models(asked: Asked) -> Page:
    """All of them, by their newest assessment."""
    everything = latest(asked.console, asked.now_us)
    found = [(run, count) for row, count in everything[:AT_ONCE] if (run := run_of(asked.console, row)) is not None]
    values = {
        "lead": lead([run for run, _ in found]),
        "models": [(run, count, address(run.name)) for run, count in found],
        "more": max(0, len(everything) - AT_ONCE),
        "numbers": NUMBERS,
        "command": COMMAND,
    }
    value = {"schema": "bartizan.models/1", "models": [{**run.as_json(), "assessments": n} for run, n in found]}
    return Page("models.html", values, value=value, css=CSS)


def model(asked: Asked) -> Page:
    """One of them over time."""
    found = runs(asked.console, asked.path["name"], asked.now_us)
    if not found:
        what, then = "No assessment of a model of this name is recorded.", f"The first one: {COMMAND}"
        values = {"title": "Not found", "what": what, "then": then, "status": 404}
        return Page("error.html", values, 404, {"error": what})
    last = found[0]
    values = {
        "name": last.name,
        "last": last,
        "says": says(last, found[1] if len(found) > 1 else None),
        "chart": trend(found, lambda us: clock(us, asked.now_us)),
        "runs": found,
        "full": len(found) == MAX_RUNS,
        "numbers": NUMBERS,
        "shares": SHARES,
    }
    value = {"schema": "bartizan.model/1", "name": last.name, "assessments": [run.as_json() for run in found]}
    return Page("model.html", values, value=value, css=CSS)


def address(name: str) -> str:
    """Where a model's page is."""
    return f"/models/{quote(name, safe='')}"


def lead(found: list[Run]) -> str:
    """The first sentence: how many, and how many need a look."""
    if not found:
        return "No model was measured yet."
    bad = sum(run.row.outcome in ("review", "block") for run in found)
    watched = sum(run.row.would in ("review", "block") and run.row.outcome not in ("review", "block") for run in found)
    doubted = sum(bool(run.not_trusted) for run in found)
    said = [f"{bad} held by the policy"] if bad else []
    said += [f"{watched} would be held if its clauses were enforced"] if watched else []
    said += [f"{doubted} with an evaluation that is not to be trusted"] if doubted else []
    return f"{plural(len(found), 'model')} measured; {'; '.join(said) or 'none needs a look by the policy'}."


def says(last: Run, before: Run | None) -> str:
    """What the newest assessment says, and what changed since the one before."""
    told = [one.says.format(last.tell(one)) for one in NUMBERS if last.tell(one)]
    whole = f"{'; '.join(told)}." if told else "Nothing could be measured."
    whole = whole[0].upper() + whole[1:]
    if before is None:
        return whole
    pairs = [(one, last.numbers.get(one.name), before.numbers.get(one.name)) for one in SHARES]
    moved = [
        f"{one.title.lower()} {(now - then) * 100:+.1f} points"
        for one, now, then in pairs
        if now is not None and then is not None and now != then
    ]
    return f"{whole} Since the one before: {', '.join(moved)}." if moved else whole


ROUTES = (
    page("/models", models, Role.VIEWER),
    page("/models/{name}", model, Role.VIEWER),
)
