"""A policy with mistakes is told all of them, each with its place; one without is read as it was meant."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan import rules
from bartizan.core.decision import Action
from bartizan.core.errors import PolicyError
from bartizan.core.finding import Severity
from bartizan.policy.clause import Bodies, Mode, ReasonBy, Stream, Then
from bartizan.policy.document import MAX_NODES, MAX_SIZE, parse
from bartizan.policy.read import known_risks, read

DEFAULT = rules.text("bartizan.rules", "policies/default.yaml")
RISKS = dict.fromkeys(["secret.aws-access-key", "secret.jwt", "personal.email", "hidden.bidi"])
DETECTORS = ("text.secrets", "text.personal-data", "mail.reply-to-elsewhere")
HEAD = "policy: mine\nversion: 1.0.0\nclauses:\n"


def one(clause: str, rest: str = "") -> str:
    return f"{HEAD}  - {{id: one, says: Something., {clause}}}\n{rest}"


def problems(text: str, **known: object) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        read(text, "p.yaml", **known)  # type: ignore[arg-type]
    return [str(problem) for problem in caught.value.problems]


def test_the_default_is_read_as_it_is_written() -> None:
    policy = read(DEFAULT, "default.yaml")
    assert (policy.name, policy.version, policy.bodies) == ("default", "1.0.0", Bodies.FINDINGS)
    clause = policy.clause("no-secrets-out")
    assert (clause.then, clause.mode, clause.on_failure) == (Then.REDACT, Mode.ENFORCE, Action.BLOCK)
    assert clause.when == {"risk": ["secret.*", "unread.encoded"], "direction": ["out"]}
    assert policy.ref == f"default@1.0.0 sha256:{policy.digest}"
    assert {c.id for c in policy.clauses if not c.enforced} == {
        "watch-personal-data",
        "watch-hidden-characters",
        "watch-blocked-ai",
        "watch-unusual-uploads",
        "watch-brittle-models",
        "watch-models-that-leak",
        "watch-models-that-can-be-copied",
    }


def test_a_clause_says_everything_it_may_say() -> None:
    policy = read(
        HEAD
        + """  - id: all
    says: Everything.
    why: To see it read.
    when:
      risk: [secret.*, personal.email]
      severity: high+
      confidence: ">=0.8"
      detector: text.secrets
      kind: text
      direction: [out, in]
      trust: [user, foreign]
      role: tool
      labels: confidential
      taint: [web, mail]
      who: {person: ada@example.org, group: [hr, it], app: crm, key: k-1}
      where: {provider: openai, model: "gpt-4*", host: "*.example.org", sanctioned: no-idea}
      time: {from: 22:00, to: "06:00", days: [sat, sun], zone: Europe/Berlin}
      measures: {robust_accuracy: "<0.5"}
    then: review
    tell: Wait.
    mode: observe
    stream: hold
    on_failure: warn
    reason_by: person
    approvals: 2
    grant_for: 7 days
    examine: deep
""".replace("no-idea", "false")
    )
    clause = policy.clauses[0]
    assert clause.when == {
        "risk": ["personal.email", "secret.*"],
        "severity": ["high", "critical"],
        "confidence": ">=0.8",
        "detector": ["text.secrets"],
        "kind": ["text"],
        "direction": ["in", "out"],
        "trust": ["foreign", "user"],
        "role": ["tool"],
        "labels": ["confidential"],
        "taint": ["mail", "web"],
        "who": {"person": ["ada@example.org"], "group": ["hr", "it"], "app": ["crm"], "key": ["k-1"]},
        "where": {"provider": ["openai"], "model": ["gpt-4*"], "host": ["*.example.org"], "sanctioned": False},
        "time": {"from": "22:00", "to": "06:00", "days": ["sat", "sun"], "zone": "Europe/Berlin"},
        "measures": {"robust_accuracy": "<0.5"},
    }
    assert (clause.stream, clause.on_failure, clause.reason_by) == (Stream.HOLD, Action.WARN, ReasonBy.PERSON)
    assert (clause.grant_days, clause.deep, clause.mode, clause.then) == (7, True, Mode.OBSERVE, Then.REVIEW)
    assert (clause.approvals, clause.reviewers) == (2, 2)


def test_a_grant_from_before_there_were_approvals_holds() -> None:
    """The digest that this clause had before it could say how many approve."""
    asking = "{id: a, says: x, when: {risk: secret.*}, then: review}"
    old = "8b497e84d8c630209ce9487fdb840a4e7ec81ed0910361f4295023c19a5983c3"
    for same in (asking, asking.replace("review", "review, approvals: 1")):
        assert read(f"policy: p\nversion: 1\nclauses: [{same}]\n").clauses[0].digest == old
    other = asking.replace("review", "review, approvals: 2")
    assert read(f"policy: p\nversion: 1\nclauses: [{other}]\n").clauses[0].digest != old


def test_all_mistakes_come_at_once_with_their_places() -> None:
    text = """policy: mine
version: 1.0.0
bodys: all
clauses:
  - id: No Secrets
    says: x
    when: {risk: secert.*, severity: hihg+}
    then: reduct
  - id: two
    says: y
    when: {detector: mail.reply-to, confidence: 0.8}
    then: warn
    mode: on
exceptions:
  - {clause: too, who: {group: red-team}, until: someday, why: exercise, approved_by: ciso}
"""
    assert problems(text, risks=RISKS, detectors=DETECTORS) == [
        'p.yaml:3:1: "bodys" means nothing here\n  Did you mean "bodies"?',
        "p.yaml:5:9: clause 1: the id is not a name\n"
        "  Lower-case letters and digits, with - or . in between: no-secrets-out",
        'p.yaml:7:18: clause 1, when, risk: there is no risk called "secert.*"\n  Did you mean "secret.*"?',
        'p.yaml:7:38: clause 1, when, severity: "hihg+" is not one of info, low, medium, high, critical\n'
        '  Did you mean "high"?',
        'p.yaml:8:11: clause 1, then: "reduct" is not one of allow, warn, redact, pseudonymise, justify, review, block'
        '\n  Did you mean "redact"?',
        'p.yaml:11:22: clause two, when, detector: no detector is called "mail.reply-to"\n'
        '  Did you mean "mail.reply-to-elsewhere"? `bartizan detectors list` shows all of them.',
        'p.yaml:11:49: clause two, when, confidence: "0.8" is not a comparison\n  For example: ">=0.8", in quotes',
        'p.yaml:13:11: clause two, mode: "on" is not a text\n'
        '  Put it in quotes: "on". Some programs read it as true, false or nothing.',
        'p.yaml:15:14: exception 1: there is no clause called "too"\n  Did you mean "two"?',
        "p.yaml:15:50: exception 1, until: is not a date\n  The last day it holds (UTC), for example: 2027-01-31",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    {
        "nothing": ("", "is empty"),
        "a comment": ("# nothing yet\n", "is empty"),
        "a list": ("- a\n- b\n", "is a mapping"),
        "no clauses": ("policy: a\nversion: 1\n", "has no clauses"),
        "empty clauses": ("policy: a\nversion: 1\nclauses: []\n", "at least one clause"),
        "a tab": ("policy: a\nclauses:\n\t- id: x\n", "a tab stands here"),
        "a control character": ("policy: a\x07\n", "a control character"),
        "an unclosed quote": ('policy: "a\n', "found unexpected end"),
        "a second document": (one("when: {risk: '*'}, then: warn") + "---\npolicy: b\n", "a second document"),
        "half a character": (one('when: {risk: "*"}, then: warn, tell: "\\ud83d\\ude00"'), "half of a character"),
        "an anchor": (one("when: &a {risk: '*'}, then: warn"), "anchors and aliases"),
        "an alias": (one("when: *a, then: warn"), "anchors and aliases"),
        "a merge key": (one("when: {<<: {risk: '*'}}, then: warn"), '"<<" means nothing here'),
        "a tag": (one("when: !!python/object:os.system {risk: '*'}, then: warn"), "tags"),
        "a list as a key": (one("when: {[a, b]: c}, then: warn"), "a key is a name"),
        "doubled key": (one("when: {risk: '*', risk: '*'}, then: warn"), '"risk" is there twice'),
        "doubled clause": (
            one("when: {risk: '*'}, then: warn", "  - {id: one, says: y, when: {risk: '*'}, then: warn}\n"),
            "the clause in line 4 has the same id",
        ),
        "nothing asked": (one("when: {}, then: warn"), "asks for nothing"),
        "no text": (one("when: {risk: ''}, then: warn"), "is empty"),
        "null": (one("when: {risk: }, then: warn"), "is empty"),
        "a star inside": (one("when: {risk: sec*}, then: warn"), "is not a risk"),
        "norway": (one("when: {risk: '*', who: {group: no}}, then: warn"), '"no" is not a text'),
        "sanctioned: yes": (one("when: {where: {sanctioned: yes}}, then: warn"), "is not true or false"),
        "confidence of 8": (one("when: {confidence: '>8'}, then: warn"), "lies between 0 and 1"),
        "confidence over 1": (one("when: {confidence: '>1'}, then: warn"), "no confidence is > 1"),
        "direction": (one("when: {direction: outward}, then: warn"), '"outward" is not one of out, in'),
        "time of day": (one("when: {time: {from: noon}}, then: warn"), "is not a time of day"),
        "no time at all": (one("when: {time: {}}, then: warn"), "names no time"),
        "an empty time": (one("when: {time: {from: '9:00', to: '9:00'}}, then: warn"), "ends when it begins"),
        "zone": (one("when: {time: {from: '9:00', zone: Mars/Base}}, then: warn"), "no time zone is called"),
        "zone outside": (one("when: {time: {from: '9:00', zone: ../../etc/passwd}}, then: warn"), "no time zone"),
        "a weekday": (one("when: {time: {days: [sun, funday]}}, then: warn"), '"funday" is not one of'),
        "grant": (one("when: {risk: '*'}, then: justify, grant_for: 7"), "is a number of days"),
        "grant of nothing": (one("when: {risk: '*'}, then: block, grant_for: 7 days"), "nothing is granted"),
        "reason for nothing": (one("when: {risk: '*'}, then: warn, reason_by: person"), "nobody is asked"),
        "three approvals": (one("when: {risk: '*'}, then: review, approvals: 3"), '"3" is not one of 1, 2'),
        "justify on failure": (one("when: {risk: '*'}, then: warn, on_failure: justify"), "is not one of"),
        "no such example": (one("when: {risk: '*'}, then: warn, examples: {brakes: []}"), '"brakes" means nothing'),
        "text and messages": (
            one("when: {risk: '*'}, then: warn, examples: {breaks: [{text: a, messages: []}]}"),
            "one of a text, messages, a usage, an assessment and an asking",
        ),
        "a usage of nothing": (
            one("when: {risk: '*'}, then: warn, examples: {breaks: [{usage: {evidense: prompt}}]}"),
            '"evidense" means nothing here',
        ),
        "a usage beyond evidence": (
            one("when: {risk: '*'}, then: warn, examples: {breaks: [{usage: {evidence: proof}}]}"),
            '"proof" is not one of resolved, connected',
        ),
        "a usage by the half": (
            one("when: {risk: '*'}, then: warn, examples: {breaks: [{usage: {count: 1.5}}]}"),
            '"1.5" is not a whole number',
        ),
        "an assessment of nothing known": (
            one("when: {risk: '*'}, then: warn, examples: {breaks: [{assessment: {robust_acuracy: 0.5}}]}"),
            'Did you mean "robust_accuracy"?',
        ),
        "an asking without a number": (
            one("when: {risk: '*'}, then: warn, examples: {breaks: [{asking: {doubt: much}}]}"),
            '"much" is not a number',
        ),
        "an assessment without a number": (
            one("when: {risk: '*'}, then: warn, examples: {breaks: [{assessment: {robust_accuracy: low}}]}"),
            '"low" is not a number',
        ),
        "an endless exception": (
            one(
                "when: {risk: '*'}, then: warn",
                "exceptions: [{clause: one, who: {group: a}, until: 9999-12-31, why: a, approved_by: b}]",
            ),
            "is no end",
        ),
        "an exception for all": (
            one("when: {risk: '*'}, then: warn", "exceptions: [{clause: one, who: {}, until: 2027-01-31}]"),
            "names nobody",
        ),
        "too long": (one(f"when: {{risk: '*'}}, then: warn, tell: {'x' * 2001}"), "longer than 2000"),
    }.values(),
)
def test_every_mistake_has_its_sentence(text: str, what: str) -> None:
    assert any(what in problem for problem in problems(text)), problems(text)


@pytest.mark.parametrize(
    "text",
    {
        "deep": "[" * 100_000,
        "deep mapping": "{a: " * 20_000,
        "many values": "[" + "a," * (MAX_NODES + 1) + "]",
        "large": "#" * (MAX_SIZE + 1),
        "laughs": "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\n",
        "indented": "".join(" " * n + "- \n" for n in range(400)),
        "question marks": "? " * 30_000,
        "one long key": "a" * 100_000 + ": b",
    }.values(),
)
def test_a_hostile_file_ends_in_time(text: str) -> None:
    before = time.process_time()
    assert problems(text)
    assert time.process_time() - before < 5  # CPU seconds; the slowest takes about 1 on the slowest machine we have.


@given(st.text(alphabet="a:-[]{}#&*!|>'\"%@`\n\t ,?\u2028\ufeff\x00", max_size=60))
def test_any_text_at_all_is_read_or_refused(text: str) -> None:
    try:
        parse(text, "p.yaml")
    except PolicyError as error:
        assert error.problems


def test_what_looks_like_a_number_or_a_date_stays_as_it_is_written() -> None:
    policy = read("policy: a\nversion: 1.10\nclauses: [{id: '1', says: x, when: {role: 007}, then: warn}]\n")
    assert policy.version == "1.10" and policy.clauses[0].when == {"role": ["007"]}


def test_an_exception_ends_with_its_last_day() -> None:
    exempt = "{clause: one, who: {group: a}, until: 1970-01-02, why: a, approved_by: b}"
    policy = read(one("when: {risk: '*'}, then: warn", f"exceptions: [{exempt}]"))
    assert policy.exceptions[0].until_us == 2 * 86_400_000_000


def test_severities_are_one_some_or_from_one_on() -> None:
    def wanted(severity: str) -> object:
        return read(one(f"when: {{severity: {severity}}}, then: warn")).clauses[0].when["severity"]

    assert wanted("high") == ["high"]
    assert wanted("high+") == ["high", "critical"]
    assert wanted("[low, critical]") == ["low", "critical"]
    assert wanted("info+") == [level.name.lower() for level in Severity]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    windows = read("\ufeff" + DEFAULT.replace("\n", "\r\n"))
    assert [c.digest for c in windows.clauses] == [c.digest for c in read(DEFAULT).clauses]


def test_a_digest_follows_the_meaning_and_no_comment_or_order() -> None:
    a = read(one("when: {risk: [a.b, c.d], direction: out}, then: justify, tell: Why?")).clauses[0]
    b = read(one("tell: Why?, then: justify, when: {direction: [out], risk: [c.d, a.b]}  # hm\n")).clauses[0]
    other = read(one("when: {risk: [a.b, c.d], direction: out}, then: justify, tell: Why so?")).clauses[0]
    assert a.digest == b.digest != other.digest


def test_a_catalogue_is_a_mapping_or_its_file() -> None:
    assert known_risks({"secret.jwt": None}) == {"secret.jwt"}
    assert known_risks({"family": {"secret": {}}, "risk": {"secret.jwt": {"title": "A token"}}}) == {"secret.jwt"}
    assert known_risks(None) == frozenset()
