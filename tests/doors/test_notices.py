"""`bartizan up` with channels: a held prompt and trouble are told, and no content with them."""

from __future__ import annotations

import os
import re
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from receivers import SyslogServer, WebhookServer, syslog, until, webhook
from running_gateway import RunningGateway, free_port, gateway
from scripted_upstream import ScriptedUpstream, openai_says
from values import ssn

MARK = "zq" + secrets.token_hex(8)
POLICY = f"""\
policy: notices
version: 1.0.0
owner: security@example.org
clauses:
  - id: ssn-needs-approval
    says: A social security number leaves only with an approval.
    why: It cannot be changed once it is known.
    when: {{risk: personal.us-ssn, direction: out}}
    then: review
    tell: Somebody has to approve this.
    examples:
      breaks: ["my SSN is {ssn()}"]
      keeps: ["my SSN is secret"]
"""


class Up:
    """What runs, and what is told."""

    def __init__(self, running: RunningGateway, chat: WebhookServer, lines: SyslogServer) -> None:
        self.running, self.chat, self.lines = running, chat, lines

    def told(self, words: str) -> bool:
        """By both channels."""
        return any(words in text for text in self.chat.texts) and any(words.encode() in one for one in self.lines.lines)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("notices")
    with ScriptedUpstream() as upstream, webhook() as chat, syslog("tcp", folder) as lines:
        upstream.on("m", openai_says("Done."))
        secret = folder / "chat.url"
        secret.write_text(f"http://127.0.0.1:{chat.port}/services/{MARK}")
        secret.chmod(0o600)
        config = f"""\
console_url: https://ai.example.org
upstreams:
  one: {{url: '{upstream.url}/v1', protocol: openai}}
  down: {{url: 'http://127.0.0.1:{free_port()}/v1', protocol: openai}}
notify:
  webhooks: {{chat: {{url_file: {secret}}}}}
  syslog: {{address: '{lines.address}'}}
"""
        with gateway(folder / "home", {}, config=config, policy=POLICY) as running:
            yield Up(running, chat, lines)


def ask(up: Up, text: str, model: str = "m") -> int:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return up.running.ask("POST", "/v1/chat/completions", body)[0]


def serves(up: Up) -> bool:
    try:
        return ask(up, "hello") == 200
    except OSError:
        return False


def test_a_held_prompt_is_told_without_its_text(up: Up) -> None:
    assert ask(up, f"{MARK} my SSN is {ssn()}") == 400
    until(lambda: up.told("A case waits for a person"))
    (case,) = re.findall(r"c-[0-9a-f]{16}", up.running.run("cases", "list").stdout)
    text = next(text for text in up.chat.texts if case in text)
    assert text.startswith(f"*A case waits for a person* <https://ai.example.org/review/{case}|Open>\n")
    assert "Clause: ssn-needs-approval: A social security number leaves only with an approval.\n" in text
    assert re.search(r"^Person: p-\w+$", text, re.M) and "Waits for: an approval by somebody else" in text
    listed = up.running.run("notify", "list", "--config", str(up.running.home / "bartizan.yaml")).stdout
    assert re.search(r"^webhook:chat .* 0  ", listed, re.M)


def test_trouble_is_told(up: Up) -> None:
    home = up.running.home
    for _ in range(12):
        ask(up, "hello", "down/m")
    until(lambda: up.told("The upstream down does not answer."))
    policy = home / "policy.yaml"
    policy.write_text(POLICY.replace("then: review", "then: revieww"))
    until(lambda: up.told("The policy file does not hold"))
    policy.write_text(POLICY)
    children = Path(f"/proc/{up.running.process.pid}/task/{up.running.process.pid}/children").read_text().split()
    (pid,) = [pid for pid in children if b"gateway.process" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(int(pid), signal.SIGKILL)
    until(lambda: up.told("The process gateway-0 ended (code -9)"))
    until(lambda: serves(up))


def test_the_gateway_lives_without_the_notifier(up: Up) -> None:
    children = Path(f"/proc/{up.running.process.pid}/task/{up.running.process.pid}/children").read_text().split()
    (pid,) = [pid for pid in children if b"notify.process" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(int(pid), signal.SIGKILL)
    assert serves(up)
    until(lambda: up.told("The process notices ended (code -9)"))


def test_nothing_that_was_told_or_logged_holds_content_or_a_secret(up: Up) -> None:
    told = "".join(up.chat.texts).encode() + b"".join(up.lines.lines) + up.running.log.encode()
    for path in up.running.home.rglob("*"):
        if path.is_file() and path.name != "bartizan.yaml":
            told += path.read_bytes()
    assert MARK.encode() not in told and ssn().encode() not in told.replace(POLICY.encode(), b"")
