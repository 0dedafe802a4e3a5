"""What a record says about a decision: everything a policy can ask about, nothing that was said.

Persons are pseudonyms, texts keyed digests. A path may hold words of the sender (a JSON key, a file in an archive), so
only the words of the known formats and numbers stay; any other component becomes `*` and a keyed digest, which is equal
for equal words and says nothing else. Empty fields are left out. All fields: docs/reference/ledger.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bartizan.core.decision import Action, Decision, Edit
from bartizan.core.finding import Finding, Place, Seen, Severity
from bartizan.core.subject import Subject
from bartizan.ledger.canonical import number
from bartizan.vault import Vault

ACTIONS = {action: action.name.lower() for action in Action}
SEVERITIES = {severity: severity.name.lower() for severity in Severity}
MAX_WORDS = 400  # code points of a sentence or name that comes from outside (`because`, `why`, a model's name)
ROLES = frozenset({"", "system", "developer", "user", "assistant", "tool", "function"})
# Words of the formats that readers know. Any other component of a path could be the sender's own.
_WORDS = (
    "messages content text tool_calls function arguments name input system tools description parameters choices delta "
    "message refusal prompt reasoning reasoning_content thinking id type image_url url source data title context "
    "document metadata user model stop tool_use_id tool_call_id custom functions function_call response_format "
    "json_schema schema properties items enum default audio file transcript citations instructions body headers "
    "subject logprobs signature value key partial_json tool_choice stop_sequences suffix output error inputs outputs "
    "asking"
)
_KNOWN = frozenset(_WORDS.split())
_NAME = re.compile(r"[\w.:/@+~-]{1,128}", re.ASCII)
_COMPONENT = re.compile(r"[^/#]+")


def entry(
    subject: Subject,
    decision: Decision,
    *,
    exchange: str,
    side: str,
    door: str,
    policy: str,
    detectors: str,
    content: bytes,
    vault: Vault,
    facts: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """A record for `Writer.append`.

    Args:
        exchange: The id that a request's and its answer's record share.
        side: `request`, `answer`, or `subject` where nothing is exchanged.
        policy: `Policy.ref`, with its digest.
        detectors: The digest of the detector set.
        content: What was judged, as it came; only a digest under the person's key is kept.
        facts: More fields, with ASCII names and values without content.
    """
    context = subject.context
    made: dict[str, object] = {
        "action": ACTIONS[decision.action],
        "detectors": detectors,
        "digest": vault.subject_digest(context.person, context.when_us, content),
        "direction": context.direction.value,
        "door": door,
        "exchange": exchange,
        "kind": subject.kind.value,
        "policy": policy,
        "side": side,
        "trust": subject.trust.value,
        "when_us": context.when_us,
    }
    if context.person:
        made["person"] = vault.pseudonym(context.person)
    if context.groups:
        made["groups"] = list(context.groups)
    if context.app:
        made["app"] = context.app
    if context.key:
        made["key"] = context.key
    if context.provider or context.model or context.host or context.sanctioned is not None:
        made["target"] = _target(subject, decision, vault)
    if context.thread:
        made["thread"] = _name(context.thread, vault)
    if subject.role:
        made["role"] = _role(subject.role, vault)
    if subject.labels:
        made["labels"] = sorted(subject.labels)
    if decision.seen:
        _add_seen(made, decision.seen, subject, vault)
    if decision.clauses:
        made["clauses"] = sorted(decision.clauses)
    if decision.excepted:
        made["excepted"] = sorted(decision.excepted)
    if decision.edits:
        made["edits"] = [_edit(edit, vault) for edit in sorted(decision.edits)]
    if decision.would or decision.would_edits:
        made["would"] = {
            "action": ACTIONS[decision.would],
            "edits": [_edit(edit, vault) for edit in sorted(decision.would_edits)],
        }
    history = subject.history
    if history.taint:
        made["taint"] = sorted(history.taint)
    if history.digest:
        made["history"] = {"as_of_us": history.as_of_us, "digest": history.digest}
    return made if facts is None else made | dict(facts)


def _target(subject: Subject, decision: Decision, vault: Vault) -> dict[str, object]:
    context = subject.context
    found = any(place.path == "/model" for seen in decision.seen for place in seen.item.places)
    named = {
        "provider": _name(context.provider, vault),
        "model": _digested(context.model, vault) if found else _name(context.model, vault),
        "host": _name(context.host, vault),
    }
    target: dict[str, object] = {name: value for name, value in named.items() if value}
    if context.sanctioned is not None:
        target["sanctioned"] = context.sanctioned
    return target


def _name(name: str, vault: Vault) -> str:
    """What a client calls a model, a host, a thread; anything else that it says in their place is content."""
    return name if not name or _NAME.fullmatch(name) else _digested(name, vault)


def _digested(word: str, vault: Vault) -> str:
    return "*" + vault.digest(word)[:12]


def _add_seen(made: dict[str, object], seen: Iterable[Seen], subject: Subject, vault: Vault) -> None:
    findings: list[dict[str, object]] = []
    failures: list[dict[str, object]] = []
    used: set[str] = set()
    for one in sorted(seen, key=_order):
        told: dict[str, object] = {
            "detector": one.item.detector,
            "kind": one.kind.value,
            "places": [_place(place, vault) for place in one.item.places],
            "trust": one.trust.value,
        }
        if one.role:
            told["role"] = _role(one.role, vault)
        if one.labels:
            told["labels"] = sorted(one.labels)
        if one.values:
            told["values"] = list(one.values)
            used.update(one.values)
        if isinstance(one.item, Finding):
            findings.append(told | _finding(one.item))
        else:
            failures.append(told | {"risks": list(one.item.risks), "why": _clean(one.item.why)})
    if findings:
        made["findings"] = findings
    if failures:
        made["failures"] = failures
    grants = [
        {
            "clause": grant.clause,
            "clause_digest": grant.clause_digest,
            "destination": grant.destination,
            "until_us": grant.until_us,
            "value": grant.value,
        }
        for grant in subject.history.grants
        if grant.value in used
    ]
    if grants:
        made["grants"] = sorted(grants, key=lambda grant: (str(grant["clause"]), str(grant["value"])))


def _order(seen: Seen) -> tuple[str, str, tuple[Place, ...]]:
    item = seen.item
    return (item.risk if isinstance(item, Finding) else "", item.detector, item.places)


def _finding(finding: Finding) -> dict[str, object]:
    told: dict[str, object] = {
        "because": _clean(finding.because),
        "confidence": number(finding.confidence),
        "risk": finding.risk,
        "severity": SEVERITIES[finding.severity],
    }
    if finding.measures:
        told["measures"] = [[name, number(value)] for name, value in finding.measures]
    return told


def _place(place: Place, vault: Vault) -> list[object]:
    return [told_path(place.path, vault), place.start, place.end]


def _edit(edit: Edit, vault: Vault) -> list[object]:
    return [told_path(edit.path, vault), edit.start, edit.end, edit.how.value, edit.mark]


def _role(role: str, vault: Vault) -> str:
    return role if role in ROLES else _digested(role, vault)


def told_path(path: str, vault: Vault) -> str:
    """A path as a record may hold it: known words and numbers stay, the rest becomes a keyed digest."""

    def told(component: re.Match[str]) -> str:
        word = component[0]
        if word in _KNOWN or (word.isascii() and word.isdigit()):
            return word
        return _digested(word, vault)

    return _COMPONENT.sub(told, path)


def _clean(text: str) -> str:
    """Bounded, and without the lone surrogates that no canonical form has."""
    return text[:MAX_WORDS].encode("utf-8", "backslashreplace").decode()
