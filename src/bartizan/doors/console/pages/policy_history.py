"""Every policy that was in force: who put it there, when, why, and what that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.core.errors import InputError, PolicyError, UsageError
from bartizan.doors.console.answers import File, Page
from bartizan.doors.console.pages.policy import CSS, names
from bartizan.doors.console.routes import page
from bartizan.doors.console.textdiff import compared as lines
from bartizan.home.versions import PolicyVersion, Versions, digest_of
from bartizan.policy.diff import Change, diff
from bartizan.report import policies
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

AT_ONCE = 40


def history(asked: Asked) -> Page:
    """The versions, the newest first."""
    versions = Versions(asked.console.home.state)
    before = asked.query.get("before", "")
    found = versions.before(_number(before) if before else None, AT_ONCE + 1)
    shown = found[:AT_ONCE]
    values = {
        "versions": shown,
        "more": shown[-1].id if len(found) > AT_ONCE else 0,
        "in_force": _in_force(asked),
        "names": names(asked),
    }
    return Page("policy_history.html", values, value={"versions": [_json(one) for one in shown]}, css=CSS)


def version(asked: Asked) -> Page:
    """One version beside the one before it: in meaning, and line by line."""
    versions, id_ = Versions(asked.console.home.state), _number(asked.path["version"])
    try:
        one = versions.version(id_)
    except UsageError as error:
        values = {"title": "Not found", "what": str(error), "then": "The history has them all.", "status": 404}
        return Page("error.html", values, 404, {"error": str(error)})
    text = versions.text(id_)
    earlier = next(iter(versions.before(id_, 1)), None)
    was = versions.text(earlier.id) if earlier else ""
    changes, problem = _changes(asked, was, text) if earlier else ((), "")
    shown, cut = lines(was, text) if earlier else ((), False)
    file = digest_of_file(asked)
    values = {
        "version": one,
        "earlier": earlier,
        "later": versions.after(id_),
        "changes": changes,
        "problem": problem,
        "lines": shown,
        "cut": cut,
        "names": names(asked),
        "in_force": one.digest == _in_force(asked),
        "author": asked.who.may(Role.AUTHOR),
        "base": file,
        "same_file": file == one.digest,
    }
    value = {**_json(one), "text": text, **(policies.compared(changes, None) if not problem else {})}
    return Page("policy_version.html", values, value=value, css=CSS)


def text(asked: Asked) -> File:
    """The text of one version, to the byte."""
    id_ = _number(asked.path["version"])
    said = Versions(asked.console.home.state).text(id_)
    return File(f"policy-{id_}.yaml", "text/plain; charset=utf-8", said.encode("utf-8", "surrogatepass"))


def _changes(asked: Asked, was: str, now: str) -> tuple[tuple[Change, ...], str]:
    bench = asked.console.workbench
    try:
        return diff(bench.policy(was), bench.policy(now)), ""
    except PolicyError:
        return (), "One of the two cannot be read any more, by what a policy may say today. The lines still can."


def _in_force(asked: Asked) -> str:
    try:
        return asked.console.home.policy().digest
    except PolicyError:
        return ""


def digest_of_file(asked: Asked) -> str:
    """The digest of the policy's file; "" where it cannot be read."""
    from bartizan.config.policy import text_of

    try:
        return digest_of(text_of(asked.console.config.policy_path))
    except PolicyError:
        return ""


def _number(given: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise InputError("is the number of a version", "the address")
    return int(given)


def _json(one: PolicyVersion) -> dict[str, object]:
    return {"id": one.id, "digest": one.digest, "policy": one.name, "by": one.by, "why": one.why, "at_us": one.at_us}


ROUTES = (
    page("/policy/history", history, Role.VIEWER),
    page("/policy/history/{version}", version, Role.VIEWER),
    page("/policy/history/{version}/policy.yaml", text, Role.VIEWER),
)
