"""`bartizan notify` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from receivers import mail_server, syslog, webhook

from bartizan.__main__ import main


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def out(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(arguments) == code
    return capsys.readouterr().out


def test_without_channels_it_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify", "list"]) == 0
    assert "no channel is configured" in capsys.readouterr().err
    assert main(["notify", "test"]) == 2
    assert "no channel is configured" in capsys.readouterr().err
    assert json.loads(out(capsys, "notify", "list", "--format", "json"))["channels"] == []


def test_every_channel_is_tried(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with webhook() as chat, webhook() as broken, mail_server() as mail, syslog("unix", tmp_path) as lines:
        broken.answers += [(404, {})] * 2
        secret = tmp_path / "chat.url"
        secret.write_text(f"http://127.0.0.1:{chat.port}/T0/hunter2\n")
        secret.chmod(0o600)
        Path("bartizan.yaml").write_text(f"""\
notify:
  webhooks:
    chat: {{url_file: chat.url}}
    broken: {{url: "http://127.0.0.1:{broken.port}/"}}
    lost: {{url_env: NOBODY_SET_THIS}}
  mail: {{smtp: "127.0.0.1:{mail.port}", tls: none, sender: a@example.org, to: [b@example.org]}}
  syslog: {{address: "{lines.address}"}}
""")
        said = out(capsys, "notify", "test", code=1)
        told = json.loads(out(capsys, "notify", "test", "--channel", "webhook:broken", "--format", "json", code=1))
        out(capsys, "notify", "test", "--channel", "mail")
        assert main(["notify", "test", "--channel", "chat"]) == 2
    assert said.splitlines() == [
        "webhook:chat: sent",
        "webhook:broken: not sent: HTTP 404",
        "webhook:lost: not sent: $NOBODY_SET_THIS: the webhook's address is not set",
        "mail: sent",
        "syslog: sent",
    ]
    assert told == {
        "schema": "bartizan.notify-test/1",
        "channels": [{"name": "webhook:broken", "sent": False, "why": "HTTP 404"}],
    }
    assert chat.texts[0].startswith("*A test: notices of Bartizan arrive here*") and len(mail.mails) == 2
    assert "there is no channel 'chat'" in capsys.readouterr().err

    listed = out(capsys, "notify", "list")
    assert "hunter2" not in listed
    assert listed.splitlines()[1].split("  ")[0] == "webhook:chat" and "never" in listed
    main(["keys", "add", "somebody", "--home", "home"])  # Makes the home.
    capsys.readouterr()
    found = json.loads(out(capsys, "notify", "list", "--home", "home", "--format", "json"))
    assert [(one["name"], one["waiting"]) for one in found["channels"]][:2] == [
        ("webhook:chat", 0),
        ("webhook:broken", 0),
    ]
