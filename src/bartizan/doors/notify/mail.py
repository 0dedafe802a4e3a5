"""E-mail: notices gathered into one message, text alone.

Source: RFC 5322 (the message), RFC 3834, 5 (`Auto-Submitted`: no absence notice answers it), RFC 5321, 3207, 4954.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from typing import BinaryIO

from bartizan.config import Address, Mail, MailTls
from bartizan.core.errors import ConfigError
from bartizan.doors.notify.sending import CONNECT_S, Deadline, Outcome, trouble
from bartizan.home.notices import Notice, What, time

MAX_REPLIES = 1 << 20  # Bytes that a mail server may say in one conversation.
WORDS = {
    What.CASE: ("case", "cases"),
    What.DEADLINE: ("case about to expire", "cases about to expire"),
    What.ALARM: ("alarm", "alarms"),
    What.USE: ("AI service to decide on", "AI services to decide on"),
    What.TEST: ("test", "tests"),
}


class Post:
    """The mail server and who is written to."""

    at_once = 200
    gap_s = 1.0

    def __init__(self, mail: Mail, password: Callable[[], str]) -> None:
        """`password` gives it, each time anew, or "" where nobody signs in; it raises ConfigError."""
        assert mail.smtp is not None
        self._mail, self._at, self._password = mail, mail.smtp, password
        self.every_s = mail.every_minutes * 60.0

    def send(self, notices: Sequence[Notice], now_s: float) -> Outcome:
        """One mail with all of them."""
        mail = self._mail
        with Deadline() as deadline:
            try:
                refused = self._conversation(message(notices, mail, now_s), deadline)
            except smtplib.SMTPResponseException as error:
                return Outcome(False, f"the mail server says {error.smtp_code} ({type(error).__name__})")
            except smtplib.SMTPRecipientsRefused:
                return Outcome(False, "the mail server refuses all recipients")
            except smtplib.SMTPNotSupportedError:
                return Outcome(False, "the mail server does not offer STARTTLS, or no way to sign in that we know")
            except smtplib.SMTPServerDisconnected as error:
                slow = deadline.over or isinstance(error.__context__, TimeoutError)
                return Outcome(False, "no answer in time" if slow else "the mail server hung up")
            except (OSError, ValueError, ConfigError) as error:
                return Outcome(False, trouble(error, deadline.over))
        return Outcome(True, f"{refused} of {len(mail.to)} recipients were refused" if refused else "")

    def _conversation(self, made: EmailMessage, deadline: Deadline) -> int:
        """How many recipients were refused."""
        mail, context = self._mail, ssl.create_default_context()
        smtp = _Smtp(self._at, mail.sender.partition("@")[2], deadline, context if mail.tls is MailTls.TLS else None)
        try:
            if mail.tls is MailTls.STARTTLS:
                smtp.starttls(context=context)
            if password := self._password():
                smtp.login(mail.user, password)
            return len(smtp.sendmail(mail.sender, list(mail.to), made.as_bytes()))
        finally:
            smtp.close()  # Without QUIT: the answer to the text is the last that matters.


def message(notices: Sequence[Notice], mail: Mail, now_s: float) -> EmailMessage:
    """The mail."""
    made = EmailMessage(policy=SMTP)
    made["From"] = f"Bartizan <{mail.sender}>"
    made["To"] = ", ".join(mail.to)
    made["Subject"] = f"Bartizan: {_subject(notices)}"
    made["Date"] = format_datetime(datetime.fromtimestamp(now_s, UTC))
    # The same for the same notices: where one is sent twice, a mailbox may see that.
    name = sha256("\n".join(f"{notice.ref} {notice.at_us}" for notice in notices).encode()).hexdigest()[:32]
    made["Message-ID"] = f"<{name}@{mail.sender.partition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content("\n\n".join(map(_one, notices)) + "\n", cte="quoted-printable")
    return made


def _subject(notices: Sequence[Notice]) -> str:
    if len(notices) == 1:
        return notices[0].title
    counts = Counter(notice.what for notice in notices)
    return ", ".join(f"{counts[what]} {words[counts[what] > 1]}" for what, words in WORDS.items() if counts[what])


def _one(notice: Notice) -> str:
    lines = [f"{notice.title} ({time(notice.at_us)})", *(f"  {line}" for line in notice.lines())]
    return "\n".join([*lines, *([f"  {notice.link}"] if notice.link else [])])


class _Bounded:
    """What the mail server says, up to a bound: the library reads as many lines as come."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, MAX_REPLIES

    def readline(self, size: int = -1) -> bytes:
        """One line. Raises OSError beyond the bound."""
        line = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("the mail server says too much")
        return line

    def close(self) -> None:
        self._file.close()


class _Smtp(smtplib.SMTP):
    """The library's client over a connection of ours, and with a bound on what the other side may say."""

    def __init__(self, at: Address, helo: str, deadline: Deadline, context: ssl.SSLContext | None) -> None:
        """Connects; with `context`, in TLS from the start. Raises OSError, smtplib.SMTPException."""
        self._at, self._deadline, self._from_start = at, deadline, context
        super().__init__(at.host, at.port, helo, CONNECT_S)

    def _get_socket(self, *_: object) -> socket.socket:
        """What the library connects with."""
        plain = self._deadline.connect(self._at)
        return self._from_start.wrap_socket(plain, server_hostname=self._at.host) if self._from_start else plain

    def getreply(self) -> tuple[int, bytes]:
        """One reply."""
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()
