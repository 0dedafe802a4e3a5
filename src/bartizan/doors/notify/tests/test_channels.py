"""Every channel against a real receiver: what arrives, what is said of trouble, and what never leaves."""

from __future__ import annotations

import email
import email.policy
import re
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import pytest
from receivers import certificate, mail_server, syslog, until, webhook

from bartizan.config import Address, Facility, Mail, MailTls, Syslog
from bartizan.core.errors import ConfigError
from bartizan.doors.notify import sending
from bartizan.doors.notify.mail import Post
from bartizan.doors.notify.sending import Outcome
from bartizan.doors.notify.syslog import Lines
from bartizan.doors.notify.webhook import Hook
from bartizan.home.notices import LABELS, Notice, What

NOW_S = 1_763_879_881.0
IN_70_S = format_datetime(datetime.fromtimestamp(NOW_S + 70, UTC), usegmt=True)
NOTICE = Notice(
    What.CASE,
    "case:c-5f0c9a1e77d2b340",
    "A case waits for a person",
    {"case": "c-5f0c9a1e77d2b340", "clause": 'a: <!channel> & "b" ] \\', "person": "p-1f", "to": "openai"},
    "https://ai.example.org/review/c-5f0c9a1e77d2b340",
    int(NOW_S * 1e6),
)
ALARM = Notice(What.ALARM, "alarm:7:1", "Größe: The upstream house does not answer.", {}, "", int(NOW_S * 1e6))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less patience: a second for a connection, two for all."""
    monkeypatch.setattr(sending, "CONNECT_S", 1.0)
    monkeypatch.setattr("bartizan.doors.notify.sending.Deadline.__init__.__defaults__", (2.0,))


def post(port: int, path: str = "/hook", notice: Notice = NOTICE, *, secret: bool = True) -> Outcome:
    return Hook(lambda: f"http://127.0.0.1:{port}{path}", secret=secret).send([notice], NOW_S)


def nobody() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- Webhook


def test_a_webhook_gets_text_that_means_nothing_else() -> None:
    with webhook() as server:
        assert post(server.port, "/services/T0?a=b") == Outcome(True)
    assert server.paths == ["/services/T0?a=b"]
    assert server.posts == [
        {
            "text": "*A case waits for a person* <https://ai.example.org/review/c-5f0c9a1e77d2b340|Open>\n"
            "Case: c-5f0c9a1e77d2b340\n"
            'Clause: a: &lt;!channel&gt; &amp; "b" ] \\\n'
            "Person: p-1f\n"
            "To: openai"
        }
    ]


def test_several_notices_are_one_message() -> None:
    with webhook() as server:
        assert Hook(lambda: f"http://127.0.0.1:{server.port}", secret=True).send([NOTICE, ALARM], NOW_S).sent
    (text,) = server.texts
    assert text.endswith("\n\n*Größe: The upstream house does not answer.*")


def test_a_flood_is_a_message_that_a_chat_takes() -> None:
    long = replace(NOTICE, facts=dict.fromkeys(("risks", "clause"), "<" * 300))
    with webhook() as server:
        hook = Hook(lambda: f"http://127.0.0.1:{server.port}", secret=True)
        assert hook.send([long] * hook.at_once, NOW_S).sent
    (text,) = server.texts
    assert text.count("|Open>") == hook.at_once and text.count("Clause: ") == 10 and len(text) < 40_000


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (204, {}, Outcome(True)),
        (500, {}, Outcome(False, "HTTP 500")),
        (404, {}, Outcome(False, "HTTP 404")),
        (400, {}, Outcome(False, "HTTP 400", for_good=True)),
        (429, {"Retry-After": "90"}, Outcome(False, "HTTP 429", 90)),
        (
            503,
            {"Retry-After": format_datetime(datetime.fromtimestamp(NOW_S + 70, UTC), usegmt=True)},
            Outcome(False, "HTTP 503", 70),
        ),
        (429, {"Retry-After": "9" * 40}, Outcome(False, "HTTP 429", 6 * 3600)),
        (429, {"Retry-After": "soon"}, Outcome(False, "HTTP 429")),
        (429, {"Retry-After": "-5"}, Outcome(False, "HTTP 429")),
    ],
)
def test_what_a_webhook_answers(status: int, headers: dict[str, str], outcome: Outcome) -> None:
    with webhook() as server:
        server.answers.append((status, headers))
        assert post(server.port) == outcome


def test_a_redirect_takes_the_text_nowhere() -> None:
    with webhook() as server, webhook() as elsewhere:
        for status in (301, 302, 307, 308):
            server.answers.append((status, {"Location": f"http://127.0.0.1:{elsewhere.port}/"}))
            assert post(server.port).why.startswith(f"HTTP {status}: it sends elsewhere")
    assert elsewhere.posts == []


@pytest.mark.parametrize("drip", [False, True])
def test_who_hangs_is_let_go(drip: bool) -> None:
    with webhook() as server:
        server.wait.clear()
        server.drip = drip
        began = time.monotonic()
        assert post(server.port) == Outcome(False, "no answer in time")
        assert time.monotonic() - began < 5


def test_who_is_not_there_or_speaks_something_else() -> None:
    assert post(nobody()) == Outcome(False, "nobody listens there")
    with mail_server() as server:
        assert post(server.port) == Outcome(False, "not understood (BadStatusLine)")
    assert Hook(lambda: "https://no-such-host.invalid/", secret=True).send([NOTICE], NOW_S).why == "no such host"


def test_a_certificate_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, context = certificate(tmp_path)
    with webhook(context) as server:
        hook = Hook(lambda: f"https://localhost:{server.port}/", secret=True)
        assert hook.send([NOTICE], NOW_S) == Outcome(False, "its certificate is not trusted")
        assert Hook(lambda: f"http://127.0.0.1:{server.port}/", secret=True).send([NOTICE], NOW_S).sent is False
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        assert hook.send([NOTICE], NOW_S) == Outcome(True)
    with webhook() as plain:
        assert (
            Hook(lambda: f"https://localhost:{plain.port}/", secret=True).send([NOTICE], NOW_S).why == "no TLS with it"
        )
    assert len(server.posts) == 1


def test_a_secret_address_is_never_said_and_never_sent_in_the_clear() -> None:
    secret = "T0" + "hunter2"

    def missing() -> str:
        raise ConfigError("$CHAT: the webhook's address is not set")

    for url in (
        f"http://chat.example.org/{secret}",
        f"ftp://127.0.0.1/{secret}",
        f"{secret}",
        f"http://127.0.0.1:{secret}/",
        f"http://127.0.0.1:{nobody()}/{secret} {secret}",
        f"http://{secret * 40}.example/",
    ):
        outcome = Hook(lambda url=url: url, secret=True).send([NOTICE], NOW_S)  # type: ignore[misc]
        assert not outcome.sent and secret not in outcome.why, outcome
    assert Hook(missing, secret=True).send([NOTICE], NOW_S).why == "$CHAT: the webhook's address is not set"


# ---- E-mail


def mailing(port: int, **more: object) -> Mail:
    mail = Mail(
        Address("localhost", port), MailTls.NONE, sender="bartizan@example.org", to=("a@example.org", "b@example.org")
    )
    return replace(mail, **more)  # type: ignore[arg-type]


def test_a_mail_is_one_that_programs_do_not_answer() -> None:
    with mail_server() as server:
        assert Post(mailing(server.port), lambda: "").send([NOTICE, ALARM], NOW_S) == Outcome(True)
    ((sender, to, raw),) = server.mails
    assert (sender, to) == ("bartizan@example.org", ["a@example.org", "b@example.org"])
    made = email.message_from_bytes(raw, policy=email.policy.default)
    assert made["From"] == "Bartizan <bartizan@example.org>" and made["To"] == "a@example.org, b@example.org"
    assert made["Subject"] == "Bartizan: 1 case, 1 alarm"
    assert made["Auto-Submitted"] == "auto-generated"
    assert made.get_content_type() == "text/plain" and made.get_content_charset() == "utf-8"
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.org>", made["Message-ID"])
    assert parsedate_to_datetime(made["Date"]).timestamp() == NOW_S
    body = made.get_content().replace("\r\n", "\n")
    assert "A case waits for a person (2025-11-23 06:38 UTC)\n  Case: c-5f0c9a1e77d2b340\n" in body
    assert "  https://ai.example.org/review/c-5f0c9a1e77d2b340\n" in body and "Größe" in body
    assert max(map(len, raw.split(b"\r\n"))) <= 78 + 20 and raw.isascii()
    assert all(not line.endswith(b"\n") or line.endswith(b"\r\n") for line in raw.splitlines(keepends=True))


def test_the_same_notices_make_the_same_message_id() -> None:
    with mail_server() as server:
        for notices in ([NOTICE], [NOTICE], [ALARM]):
            assert Post(mailing(server.port), lambda: "").send(notices, NOW_S).sent
    ids = [email.message_from_bytes(raw)["Message-ID"] for _, _, raw in server.mails]
    assert ids[0] == ids[1] != ids[2]


def test_signing_in_happens_inside_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, context = certificate(tmp_path)
    with mail_server(context) as server:
        post = Post(mailing(server.port, tls=MailTls.STARTTLS, user="bartizan"), lambda: "hunter" + "2")
        assert post.send([NOTICE], NOW_S) == Outcome(False, "its certificate is not trusted")
        assert server.signed_in == []
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        assert post.send([NOTICE], NOW_S) == Outcome(True)
        assert server.signed_in == ["\0bartizan\0hunter2"] and len(server.mails) == 1
        assert server.verbs.index("STARTTLS") < server.verbs.index("AUTH")
    with mail_server(context, tls=True) as server:
        assert Post(mailing(server.port, tls=MailTls.TLS), lambda: "").send([NOTICE], NOW_S) == Outcome(True)
        assert len(server.mails) == 1


def test_without_starttls_nothing_is_said_in_the_clear() -> None:
    with mail_server() as server:
        post = Post(mailing(server.port, tls=MailTls.STARTTLS, user="bartizan"), lambda: "hunter" + "2")
        assert "STARTTLS" in post.send([NOTICE], NOW_S).why
    assert server.verbs == ["EHLO"] and server.mails == []


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ({"CONNECT": "554 not you"}, "the mail server says 554 (SMTPConnectError)"),
        ({"MAIL": "451 later bartizan@example.org"}, "the mail server says 451 (SMTPSenderRefused)"),
        ({"RCPT": "550 a@example.org is unknown"}, "the mail server refuses all recipients"),
        ({"DATA": "552 too much"}, "the mail server says 552 (SMTPDataError)"),
        ({"CONNECT": "220-" + "x" * 9000}, "the mail server says 500 (SMTPConnectError)"),
        ({"CONNECT": "220-more\r\n" * 200_000 + "220 done"}, "the mail server hung up"),
        ({"CONNECT": "HTTP/1.1 400 Bad Request"}, "the mail server says -1 (SMTPConnectError)"),
    ],
)
def test_what_a_mail_server_may_say(says: dict[str, str], why: str) -> None:
    with mail_server() as server:
        server.says.update(says)
        outcome = Post(mailing(server.port), lambda: "").send([NOTICE], NOW_S)
    assert not outcome.sent and outcome.why.replace("SMTPResponseException", "SMTPConnectError") == why


def test_some_recipients_are_refused() -> None:
    with mail_server() as server:
        server.refuses.add("b@example.org")
        outcome = Post(mailing(server.port), lambda: "").send([NOTICE], NOW_S)
    assert outcome == Outcome(True, "1 of 2 recipients were refused")
    assert [to for _, to, _ in server.mails] == [["a@example.org"]]


def test_a_mail_server_that_is_silent_or_gone() -> None:
    with mail_server() as server:
        server.silent = True
        assert Post(mailing(server.port), lambda: "").send([NOTICE], NOW_S) == Outcome(False, "no answer in time")
    assert Post(mailing(nobody()), lambda: "").send([NOTICE], NOW_S) == Outcome(False, "nobody listens there")


# ---- Syslog

LINE = re.compile(
    rb"<(\d+)>1 (\S+) (\S+) bartizan - (\w+) \[bartizan@32473((?: [a-z]+=\"(?:[^\"\\\]]|\\[\"\\\]])*\")+)\] (.*)"
)


@pytest.mark.parametrize("kind", ["udp", "tcp", "unix", "unix-stream"])
def test_a_syslog_gets_a_line_for_each(kind: str, tmp_path: Path) -> None:
    with syslog(kind, tmp_path) as server:
        way = Lines(Syslog(server.address, Facility.LOCAL3))
        assert way.send([NOTICE, ALARM], NOW_S) == Outcome(True)
        until(lambda: len(server.lines) == 2)
    first, second = (LINE.fullmatch(line) for line in server.lines)
    assert first and second
    assert first[1] == b"157" and second[1] == b"155"  # 19 * 8 + notice, error
    assert first[2] == b"2025-11-23T06:38:01.000Z" and first[4] == b"case"
    assert rb' clause="a: <!channel> & \"b\" \] \\" ' in first[5]
    assert b' link="https://ai.example.org/review/c-5f0c9a1e77d2b340" ref="case:c-5f0c9a1e77d2b340"' in first[5]
    assert first[6] == b"A case waits for a person: c-5f0c9a1e77d2b340"
    assert second[6] == b"\xef\xbb\xbf" + ALARM.title.encode()


def test_a_syslog_that_is_not_there(tmp_path: Path) -> None:
    for address, why in {
        f"unix:{tmp_path}/none": "No such file or directory",
        f"tcp://127.0.0.1:{nobody()}": "nobody listens there",
        "udp://no-such-host.invalid:514": "no such host",
    }.items():
        assert Lines(Syslog(address)).send([NOTICE], NOW_S) == Outcome(False, why)


def test_long_facts_are_cut() -> None:
    with syslog("udp", Path("/tmp")) as server:
        assert Lines(Syslog(server.address)).send([replace(NOTICE, facts={"clause": "ä" * 300})], NOW_S).sent
        until(lambda: server.lines)
    assert len(server.lines[0]) < 700 and LINE.fullmatch(server.lines[0])


# ---- Whatever stands in a fact


HEADS = (
    "from", "to", "subject", "date", "message-id", "auto-submitted",
    "mime-version", "content-type", "content-transfer-encoding",
)  # fmt: skip
EVIL = {
    "a head of its own": "x\r\nBcc: eve@evil.example\r\n\r\n<script>x</script>",
    "the end of a mail": "x\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n",
    "mentions": "<!channel> <@U012> @here @all @channel &lt;!everyone&gt;",
    "links": "<https://evil.example|Open> [Open](https://evil.example) ![x](HTTP://evil.example/x) www.evil.example",
    "a line of another": 'x"] fake\n<165>1 2025-11-23T06:38:01Z evil bartizan - case - granted\x00',
    "what cannot be seen": "\u202e\u2066\u200b\u00ad\ufeff\x1b[2J\x07\x9b31m\U000e0041invisible\u2028\u2029",
    "half a character": "\ud800x\udfff",
    "ten megabytes": "ä" * 10_000_000,
    "nothing to see": " \r\n\t" * 100_000,
}


@pytest.mark.parametrize("name", EVIL)
def test_hostile_words_stay_words_in_every_field(name: str, tmp_path: Path) -> None:
    evil = EVIL[name]
    facts = dict.fromkeys((*LABELS, evil[:100]), evil)
    bad = Notice(What.CASE, f"case:{evil}", f"title {evil}", facts, f"https://ai.example.org/{evil}", int(NOW_S * 1e6))
    again = Notice.read(bad.text())  # As the outbox keeps it.
    assert again == bad
    with webhook() as chat, mail_server() as post_, syslog("tcp", tmp_path) as log:
        assert post(chat.port, notice=again) == Outcome(True)
        assert Post(mailing(post_.port), lambda: "").send([again], NOW_S) == Outcome(True)
        assert Lines(Syslog(log.address)).send([again], NOW_S) == Outcome(True)
        until(lambda: log.lines)
    (text,) = chat.texts
    title, *rest = text.split("\n")
    assert len(rest) <= len(LABELS) and all(line.partition(": ")[0] in LABELS.values() for line in rest)
    assert text.count("<") == text.count(">") == 1 and "<https://ai.example.org/" in title and title.endswith("|Open>")
    words = text.replace("<https://ai.example.org/", "").lower()
    body = re.sub(r"[^\n]*\|Open>", "", text)
    assert not re.search(r"(?i)https?:|www\.|\]\(|(?<!\w)@\w|[<>]", body), body
    assert words.replace("\n", "").isprintable() and len(text) < 5_000
    ((_, to, raw),) = post_.mails
    made = email.message_from_bytes(raw, policy=email.policy.default)
    assert to == ["a@example.org", "b@example.org"] and "DATA" in post_.verbs and post_.verbs.count("MAIL") == 1
    assert sorted(map(str.lower, made.keys())) == sorted(HEADS) and made["Subject"].isprintable()
    assert made.get_content().replace("\n", "").replace("\r", "").isprintable() and len(raw) < 40_000
    (line,) = log.lines
    assert LINE.fullmatch(line) and line.decode("utf-8-sig", "strict").replace("\ufeff", "").isprintable()
    assert len(line) < 6_000
