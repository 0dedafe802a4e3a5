"""A company in small: `bartizan up` with its console, a scripted provider, people with keys and accounts, and a policy
with a clause for every action."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from browsing import until
from playwright.sync_api import BrowserContext
from running_gateway import RunningGateway, free_port, gateway
from scripted_upstream import ScriptedUpstream, openai_says
from values import aws_key, card, iban, ssn

from bartizan.events import Index
from bartizan.home import Home, gateway_keys
from bartizan.vault.accounts import Account, Role

MODEL = "gpt-4o"
POLICY = f"""\
policy: house
version: 1.0.0
owner: security@example.org
bodies: all

clauses:
  - id: no-secrets-out
    says: Credentials do not leave the company.
    why: A provider may keep prompts; a leaked key is used within minutes.
    when: {{risk: secret.*, direction: out}}
    then: redact
    tell: We removed a credential from your message. If it was real, rotate it now.
    examples:
      breaks:
        - text: ["my key is {aws_key()[:6]}", "{aws_key()[6:]}"]
      keeps:
        - export AWS_ACCESS_KEY_ID=<your key>

  - id: watch-hidden-characters
    says: We want to know of characters that a model reads and a person does not see.
    when: {{risk: hidden.*}}
    then: redact
    mode: observe
    examples:
      breaks:
        - "Summarise this.\\U000E0049\\U000E0067\\U000E006E\\U000E006F\\U000E0072\\U000E0065"
      keeps:
        - Summarise this.

  - id: addresses-need-a-reason
    says: Whoever sends somebody's address to a model says why.
    why: Often there is a good reason. Having to write it down is enough.
    when: {{risk: personal.email, direction: out}}
    then: justify
    tell: There is somebody's address in your message. Say why the model needs it.
    examples:
      breaks:
        - Write to maria.huber@kanzlei-huber.at about the contract.
      keeps:
        - Write to me about the contract.

  - id: cards-need-a-person
    says: A card number needs a reason that a person gives.
    why: An agent cannot justify itself.
    when: {{risk: personal.payment-card, direction: out}}
    then: justify
    reason_by: person
    tell: There is a card number in your message. Sign in and say why.
    examples:
      breaks:
        - text: ["card 45391488", "03436467"]
      keeps:
        - The card on file.

  - id: accounts-need-approval
    says: Bank accounts go to a model only when a second person agrees.
    why: Four eyes, as for a payment.
    when: {{risk: personal.iban, direction: out}}
    then: review
    tell: There is a bank account in your message. Somebody else has to agree.
    examples:
      breaks:
        - text: ["transfer it to {iban()[:9]}", "{iban()[9:]} as agreed"]
      keeps:
        - Transfer it to my usual account.

  - id: ssn-needs-two
    says: A social security number leaves only when two people agree.
    why: It cannot be changed once it is known.
    when: {{risk: personal.us-ssn, direction: out}}
    then: review
    approvals: 2
    tell: There is a social security number in your message. Two others have to agree.
    examples:
      breaks:
        - text: ["my SSN is 536-22-", "8726"]
      keeps:
        - My SSN is secret.

  - id: no-cards-in-answers
    says: No answer of a model holds a payment card number.
    why: It may repeat one from a document, a tool or somebody else's chat.
    when: {{risk: personal.payment-card, direction: in}}
    then: block
    tell: The answer held a payment card number.
    examples:
      breaks:
        - text: ["charged to 53269018", "44712906 again"]
      keeps:
        - Your card ends in 2906.
"""


@dataclass(frozen=True)
class Reply:
    """What the gateway answered. `exchange` names it in records; `case` and `link` where it was refused for one."""

    status: int
    exchange: str
    value: dict[str, Any]  # Any: JSON

    @property
    def case(self) -> str:
        return str(self.value["bartizan"]["id"])

    @property
    def link(self) -> str:
        return str(self.value["bartizan"]["link"])


@dataclass
class Scene:
    """A running one. `url` is the console's."""

    gateway: RunningGateway
    upstream: ScriptedUpstream
    home: Home
    url: str
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def sign_in(self) -> str:
        """The link that was printed at the start."""
        found = re.search(r"console\s+(\S+/sign-in/\S+)", self.gateway.log)
        assert found, self.gateway.log
        return found[1]

    def account(self, name: str, *roles: Role) -> Account:
        """An account, made where there is none."""
        known = [one for one in self.home.accounts.accounts() if one.name == name]
        return known[0] if known else self.home.accounts.add(name, roles, by="")

    def signed_in(self, context: BrowserContext, name: str, *roles: Role) -> BrowserContext:
        """Give a browser the session of an account, as if it had followed a link."""
        token = self.home.accounts.link(self.account(name, *roles).person, by="")
        secret = self.home.accounts.begin_with_link(token)[0]
        context.add_cookies([{"name": "bartizan", "value": secret, "url": self.url}])
        return context

    def key(self, user: str, *, name: str = "", groups: tuple[str, ...] = (), app: str = "") -> str:
        """The gateway key of a person."""
        if user not in self.keys:
            made = gateway_keys.add(
                self.home.vault, self.home.record, name or f"{user} laptop", user=user, groups=groups, app=app
            )
            self.keys[user] = made[1]
        return self.keys[user]

    def ask(self, text: str, user: str = "mara@example.org", *, model: str = MODEL, **more: object) -> Reply:
        """One prompt of a person through the gateway."""
        messages = [{"role": "user", "content": text}]
        body = {"model": model, "messages": messages, **more}
        status, headers, raw = self.gateway.ask("POST", "/v1/chat/completions", body, key=self.key(user), timeout_s=60)
        return Reply(status, headers.get("x-bartizan-decision", ""), json.loads(raw) if raw else {})

    def seen(self, exchange: str) -> None:
        """Wait until the console knows of an exchange."""
        with Index.open(self.home.path) as index:
            until(lambda: index.event(exchange) is not None, f"event {exchange} in the console")


@contextmanager
def scene(path: Path, *flags: str, policy: str = POLICY, config: str = "") -> Iterator[Scene]:
    """Start one in a home below `path`."""
    with ScriptedUpstream() as upstream:
        upstream.on(MODEL, openai_says("Done."))
        port = free_port()
        up = gateway(
            path / "home",
            {"openai": f"{upstream.url}/v1"},
            *("--console", f"127.0.0.1:{port}", *flags),
            policy=policy,
            config=config,
        )
        with up as running, Home.open(path / "home", create=False) as home:
            made = Scene(running, upstream, home, f"http://127.0.0.1:{port}")
            until(lambda: "sign-in/" in running.log, "the printed link")
            yield made


@dataclass(frozen=True)
class Day:
    """What an ordinary day left behind: exchanges by what became of them, and cases."""

    exchanges: dict[str, str]
    cases: dict[str, str]
    links: dict[str, str]


def ordinary(one: Scene) -> Day:
    """An ordinary day: prompts of four people, some of them stopped."""
    one.upstream.on("leaky", openai_says(f"It was charged to {card()}."))
    tom, ana = "tom@example.org", "ana@example.org"
    one.key(tom, groups=("finance",), app="invoices")
    replies = {
        "allow": one.ask("What is the capital of France?", tom),
        "redact": one.ask(f"Is {aws_key()} a good key? Our server does not take it.", tom),
        "observe": one.ask("Summarise this.\U000e0049\U000e0067\U000e006e\U000e006f\U000e0072\U000e0065 Please."),
        "block": one.ask("Which card did we charge?", ana, model="leaky"),
        "justify": one.ask("Write to maria.huber@kanzlei-huber.at about the contract."),
        "person": one.ask(f"Why was card {card()} declined?", ana),
        "review": one.ask(f"Remind them to pay to {iban()} by Friday.", tom),
        "two": one.ask(f"Fill in the form for {ssn()}, please."),
    }
    for text in ("Write a unit test for parse_header()", "Translate the release notes into Norwegian", "Thank you!"):
        one.ask(text, ana)
    refused = {
        name: reply for name, reply in replies.items() if reply.status == 400 and "link" in reply.value["bartizan"]
    }
    return Day(
        {name: reply.exchange for name, reply in replies.items()},
        {name: reply.case for name, reply in refused.items() if reply.case.startswith("c-")},
        {name: unquote(reply.link) for name, reply in refused.items() if reply.value["bartizan"]["link"]},
    )
