"""Law 9: no content where it does not belong.

A random marker stands in everything that is sent through every door: in texts, keys of JSON, tools, matched values,
broken requests, answers, reasons and notes. Afterwards it is looked for in everything that was written and told, in the
clear and encoded. Sealed bodies are ciphertext: they are searched like the rest.
"""

import base64
import http.client
import json
import os
import secrets
import subprocess
import sys
import urllib.parse

import pytest
from running_gateway import gateway
from scripted_upstream import ScriptedUpstream, anthropic_says, openai_says, openai_streams, raw
from values import aws_key, card, iban, ssn

import bartizan
from bartizan.doors import python

MARK = "zq" + secrets.token_hex(8)
POLICY = f"""\
policy: canary
version: 1.0.0
owner: security@example.org
bodies: all
clauses:
  - id: no-keys
    says: No keys.
    why: They leak.
    when: {{risk: secret.*}}
    then: redact
    tell: We removed a key.
    examples: {{breaks: ["{aws_key()}"], keeps: ["a key"]}}
  - id: no-cards
    says: No cards.
    why: They leak.
    when: {{risk: personal.payment-card}}
    then: block
    tell: No cards, please.
    examples: {{breaks: ["{card()}"], keeps: ["a card"]}}
  - id: why-ibans
    says: Say why.
    why: They leak.
    when: {{risk: personal.iban}}
    then: justify
    tell: Say why.
    examples: {{breaks: ["{iban()}"], keeps: ["an account"]}}
  - id: ssn-needs-approval
    says: Ask somebody.
    why: They leak.
    when: {{risk: personal.us-ssn}}
    then: review
    tell: Somebody has to approve.
    examples: {{breaks: ["my SSN is {ssn()}"], keeps: ["my SSN"]}}
  - id: watch-mail
    says: Watch addresses.
    why: They leak.
    when: {{risk: personal.email}}
    then: redact
    mode: observe
    examples: {{breaks: ["jane.roe@corp-mail.net"], keeps: ["jane"]}}
"""
ADDRESS = f"{MARK}@corp-mail.net"
TEXTS = {
    "harmless": f"hello {MARK}",
    "matched": f"write to {ADDRESS} or {MARK}.x@{MARK}.org",
    "redacted": f"{MARK} {aws_key()} {MARK}",
    "blocked": f"{MARK} {card()} {MARK}",
    "justify": f"{MARK} {iban()} {MARK}",
    "review": f"{MARK} my SSN is {ssn()} {MARK}",
    "encoded": base64.b64encode(f"{MARK} the key is {aws_key()}".encode()).decode(),
    "wide": "".join(chr(ord(c) + 0xFEE0) for c in f"{MARK}{aws_key()}"),
}


def forms(mark):
    """The marker as it could have got somewhere: in the clear, and in what encodings leave of it at any offset."""
    yield mark.encode()
    yield mark.encode("utf-16-le")
    yield mark.encode("utf-32-le")
    yield mark.encode().hex().encode()
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + mark.encode())
        yield encoded[4 if offset else 0 : -4]
    yield "".join(chr(ord(c) + 0xFEE0) for c in mark).encode()


def seen_in(data):
    """Which forms of the marker stand in these bytes."""
    data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    lower = data.lower()
    return [form for form in forms(MARK) if form in data or form.lower() in lower]


def files(folder):
    """Everything in a folder: names and contents."""
    for where, folders, names in os.walk(folder):
        yield from ((f"name {name}", name.encode()) for name in (*folders, *names))
        for name in names:
            with open(os.path.join(where, name), "rb") as file:
                yield f"content of {name}", file.read()


def clean(**written):
    """Asserts that the marker is in none of it; says where it was found, and no more."""
    assert [name for name, data in written.items() if seen_in(data)] == []


def clean_files(folder):
    assert [name for name, data in files(folder) if seen_in(data)] == []


def run(*arguments, cwd, data=None):
    command = [sys.executable, "-m", "bartizan", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, cwd=cwd, check=False, timeout=60)


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    (folder / "policy.yaml").write_text(POLICY)
    return folder


def test_the_marker_would_be_found():
    for form in (MARK, MARK.upper(), f"xx{MARK}yy", json.dumps({"a": MARK}), urllib.parse.quote(MARK)):
        assert seen_in(form)
    for offset in range(6):
        assert seen_in(base64.b64encode(b"." * offset + MARK.encode() + b"....."))
    assert not seen_in("anything else")


def test_python(home, capfd):
    python._opened.cache_clear()
    for text in TEXTS.values():
        bartizan.judge(text, home=home)
        try:
            bartizan.admit(messages=[{"role": "user", "content": text, MARK: MARK}], home=home)
        except bartizan.Refused as error:
            clean(error=str(error), arguments=repr(error.args))
    for wrong in ({"text": 1}, {"text": TEXTS["harmless"], "kind": MARK}, {"messages": MARK}, {}):
        try:
            bartizan.judge(**wrong, home=home)
        except bartizan.BartizanError as error:
            if wrong.get("kind") != MARK:  # What kind it is said to be is no content.
                clean(error=str(error))
    python._opened(str(home)).close()
    python._opened.cache_clear()
    out, err = capfd.readouterr()
    clean(out=out, err=err)
    clean_files(home)


def test_inspect(home, tmp_path):
    lines = [json.dumps({"id": n, "text": text}) for n, text in enumerate(TEXTS.values())]
    lines += [json.dumps({"messages": [{"role": "user", "content": t, MARK: {MARK: t}}]}) for t in TEXTS.values()]
    lines += [f'{{"{MARK}', f'{{"text": "{MARK}", "text": "{MARK}"}}', MARK, f'["{MARK}"]']
    jsonl = run("inspect", "--jsonl", "-", "--record", "--home", home, cwd=tmp_path, data="\n".join(lines).encode())
    assert len(jsonl.stdout.splitlines()) == len(lines)
    clean(err=jsonl.stderr)
    for line in jsonl.stdout.splitlines():  # Whoever sent a text may see it edited; nothing else may show it.
        value = json.loads(line)
        value.pop("edited")
        clean(decision=json.dumps(value))
    for broken in (f'{{"{MARK}": ', f'{{"{MARK}": 1, "{MARK}": 2}}'):
        wrong = run("inspect", "-", "--kind", "chat", "--home", home, cwd=tmp_path, data=broken.encode())
        assert wrong.returncode == 2
        clean(out=wrong.stdout, err=wrong.stderr)
    clean_files(home)


@pytest.mark.parametrize("format_", ["text", "json", "jsonl", "sarif"])
def test_scan(home, tmp_path, format_):
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    (folder / "binary").write_bytes(b"\x89PNG\0\1" + MARK.encode())
    (folder / "broken.zip").write_bytes(b"PK\x03\x04" + MARK.encode())
    for more in ((), ("--record",)) if format_ == "json" else (("--record",),):
        done = run("scan", "files", "--home", home, "--format", format_, *more, cwd=tmp_path)
        assert done.returncode == 1
        clean(out=done.stdout, err=done.stderr)
    clean_files(home)


def test_names_of_files_stay_out_of_the_ledger(home, tmp_path):
    folder = tmp_path / MARK
    folder.mkdir()
    (folder / f"{MARK}.txt").write_text(aws_key())
    done = run("scan", folder, "--home", home, "--record", cwd=tmp_path)
    assert done.returncode == 1
    clean(err=done.stderr)
    clean_files(home)


def test_gateway(home, tmp_path):
    with ScriptedUpstream() as upstream:
        upstream.on("ok", openai_says(f"{MARK} your key is {aws_key()}"))
        upstream.on("streams", openai_streams(f"{MARK} your key ", f"is {aws_key()} ", MARK))
        upstream.on("claude", anthropic_says(f"{MARK} your key is {aws_key()}"))
        html = f"<html>{MARK}</html>".encode()
        length = str(len(html)).encode()
        upstream.on("broken", raw(b"HTTP/1.1 200 OK\r\ncontent-length: " + length + b"\r\n\r\n" + html))
        config = (
            f"upstreams:\n  one: {{url: '{upstream.url}/v1', protocol: openai}}\n"
            f"  two: {{url: '{upstream.url}', protocol: anthropic}}\n"
        )
        with gateway(home, {}, config=config) as up:
            told = dict(_exchanges(up))
            told |= dict(_broken(up))
            _case(up)
            metrics = _metrics(up)
        clean(log=up.log, metrics=metrics, **told)
    clean_files(home)
    for command in (
        ("ledger", "verify"),
        ("ledger", "tail"),
        ("ledger", "export", "--format", "jsonl"),
        ("cases", "list"),
    ):
        done = run(*command, "--home", home, cwd=tmp_path)
        clean(out=done.stdout, err=done.stderr)


def _exchanges(up):
    """Honest requests of every sort. Answers hold what was asked for; refusals and headers must not."""
    for name, text in TEXTS.items():
        turn = [{"role": "user", "content": text}]
        extras = {"user": MARK, "metadata": {MARK: MARK}, MARK: text}
        for model, stream in (("ok", False), ("streams", True), ("broken", False)):
            body = {"model": model, "messages": turn, "stream": stream, **extras}
            yield from _told(f"chat {name} {model}", up.ask("POST", "/v1/chat/completions", body))
        body = {"model": "claude", "max_tokens": 9, "messages": turn, **extras}
        yield from _told(f"messages {name}", up.ask("POST", "/v1/messages", body, anthropic_version="2023-06-01"))
        yield from _told(f"judge {name}", up.ask("POST", "/v1/judge", {"text": text}))


def _broken(up):
    """Requests that cannot be served, with the marker in each part of them but the names that errors are about."""
    bodies = [
        f'{{"{MARK}'.encode(),
        f'{{"{MARK}": 1, "{MARK}": 2}}'.encode(),
        json.dumps({"messages": MARK, "model": "ok"}).encode(),
        json.dumps({"messages": [{"role": MARK, "content": {MARK: MARK}}], "model": "ok"}).encode(),
        json.dumps([MARK]).encode(),
        b'{"a": "\xff' + MARK.encode(),
    ]
    for number, body in enumerate(bodies):
        for path in ("/v1/chat/completions", "/v1/messages", "/v1/judge"):
            yield from _told(f"broken {number} {path}", up.ask("POST", path, body))
    yield from _told("no key", up.ask("POST", "/v1/judge", {"text": MARK}, key=MARK))
    yield from _told("no path", up.ask("GET", f"/v1/nothing?{MARK}={MARK}"))
    yield from _told("no case", up.ask("GET", f"/v1/cases/{MARK}"))


def _told(name, answer):
    status, headers, body = answer
    yield f"{name}: headers", json.dumps(headers)
    if status >= 400:
        yield f"{name}: error", body


def _case(up):
    """A reason and a note that people type."""
    for text, decide in ((TEXTS["justify"], False), (TEXTS["review"], True)):
        body = {"model": "ok", "messages": [{"role": "user", "content": text}]}
        status, _, answer = up.ask("POST", "/v1/chat/completions", body)
        assert status == 400
        case = json.loads(answer)["bartizan"]["id"]
        assert up.ask("POST", f"/v1/cases/{case}", {"reason": f"because of {MARK}"})[0] == 200
        if decide:
            up.run("cases", "decide", case, "--approve", "--by", "carol@example.org", "--note", MARK)


def _metrics(up):
    connection = http.client.HTTPConnection("127.0.0.1", up.metrics_port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read()
    finally:
        connection.close()
