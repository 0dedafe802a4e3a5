"""A model behind an address: rows as JSON out, scores or labels back, no faster and no more often than allowed.

Asking costs its owner money and may wake somebody up, so: only a loopback address is asked without the caller saying
that it is theirs; there is a hard cap on rows; requests keep to a rate; a server that says "later" (429, 503) is asked
later. Redirects are not followed: the answer counts of who was named. What a server says is bounded and never shown.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from socket import SHUT_RDWR, gaierror
from threading import Timer
from typing import Any
from urllib.parse import SplitResult, urlsplit

import numpy as np
import orjson

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.errors import Gone, Spent
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.targets.answers import Answers, columns, understood
from bartizan.assess.targets.opening import class_count, some_rows
from bartizan.core.errors import UsageError

LEAST_S = 0.01  # A connection gets that long.
LONG_S = 2.0  # A wait that is worth telling.
MAX_ANSWER = 64 * 1024 * 1024
PROBE = 16
LATER = {429, 503}
BROKEN = {500, 502, 504}
NAMES = ("predictions", "outputs", "scores", "probabilities", "logits", "labels", "results", "data", "output")
LABELS = ("label", "class", "prediction")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How an endpoint is asked.

    `template` is the JSON of a request in which the text `$rows` stands for the rows of a batch; `answer` names the
    place of the scores in the response (`a.b`), else it is looked for. `rate` is requests a second, `cap` rows in all.
    `own`: the caller says that the endpoint is theirs. `headers` may hold a key and are never shown.
    """

    template: str = '{"inputs": "$rows"}'
    answer: str = ""
    rate: float = 20.0
    cap: int = 10_000
    batch: int = 64
    timeout_s: float = 10.0
    tries: int = 5
    own: bool = False
    patience_s: float = 60.0  # In all for one answer: waits that are asked for, and tries that fail.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


def open_http(url: str, data: Data | None, endpoint: Endpoint) -> Target:
    """The target of an address.

    Raises:
        UsageError: nobody said that it is theirs, the template has no `$rows`, it does not answer, or not with scores.
    """
    place = _checked(url, endpoint)
    rows = some_rows(data)
    if rows is None or data is None:
        raise UsageError("an endpoint needs data: it does not say which rows it takes")
    client = _Client(place, endpoint, data.classes)
    asked = min(PROBE, len(rows), endpoint.cap)
    raw = client.ask(rows[:asked])
    answers = understood("answer", raw, asked, class_count(data))
    if answers is None:
        raise UsageError(f"{client.name} answers, but with no score or label for each row: see the template and answer")

    def answer(x: Array) -> Array:
        try:
            return client.columns(x, answers, target.until)
        except (Gone, UsageError) as error:  # It answered before: what was found until now counts.
            target.gone = client.gone = str(error)
            raise Gone(str(error)) from None

    target = Target(
        name=client.name, kind="http", digest=hashlib.sha256(url.encode()).hexdigest(), shape=tuple(rows.shape[1:]),
        classes=answers.classes, output=answers.output, answer=answer, cap=endpoint.cap,
        dtype=object if data.form is Form.TEXT else rows.dtype, queries=asked, batch=endpoint.batch,
    )  # fmt: skip
    if answers.output is Output.LABELS:
        target.notes.append("the endpoint answers labels alone")
    return target


def _checked(url: str, endpoint: Endpoint) -> SplitResult:
    try:
        place = urlsplit(url)
        port = place.port
    except ValueError:
        raise UsageError("the address of the endpoint cannot be read") from None
    if not place.hostname or port == 0:
        raise UsageError("the address of the endpoint names no host")
    if place.username or place.password:
        raise UsageError("the address of the endpoint holds a name or a password: give it as a header")
    if not (_loopback(place.hostname) or endpoint.own):
        raise UsageError(
            f"{place.hostname} is not this machine: say that the endpoint is yours to attack (--i-own-this)"
        )
    try:
        template = orjson.loads(endpoint.template)
    except orjson.JSONDecodeError:
        raise UsageError("the template of a request is not JSON") from None
    if filled(template, None) == template:
        raise UsageError('the template of a request has no "$rows" where the rows go')
    return place


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def filled(template: Any, rows: Any) -> Any:
    """The template with the rows in their place."""
    if template == "$rows":
        return rows
    if isinstance(template, dict):
        return {key: filled(value, rows) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, rows) for value in template]
    return template


class _Client:
    """Asks, waits where it is told to, and asks again where that may help."""

    def __init__(self, place: SplitResult, endpoint: Endpoint, classes: tuple[str, ...]) -> None:
        self.place, self.endpoint, self.classes = place, endpoint, classes
        self.name = f"{place.scheme}://{place.netloc}{place.path}"
        self.template = orjson.loads(endpoint.template)
        self.next = 0.0
        self.answered = False
        self.gone = ""

    def columns(self, x: Array, answers: Answers, until: Budget | None = None) -> Array:
        """(n, classes) of what the endpoint says about rows, waited for no longer than `until`."""
        raw = self.ask(x, until)
        found = columns(raw, answers)
        if found.shape != (len(x), answers.classes):
            raise UsageError(f"{self.name} answers {found.shape} for {len(x)} rows of {answers.classes} classes")
        return found

    def ask(self, x: Array, until: Budget | None = None) -> Any:
        """The scores or labels in the answer, as an array."""
        rows = [str(one) for one in x] if x.dtype == object else np.ascontiguousarray(x)
        body = orjson.dumps(filled(self.template, rows), option=orjson.OPT_SERIALIZE_NUMPY)
        return found_in(self._posted(body, until), self.endpoint.answer, len(x), self.classes, self.name)

    def _posted(self, body: bytes, until: Budget | None) -> Any:
        """The JSON of the answer; waits where the server asks for it, and tries again where it fails.

        Raises Gone where it does not answer any more, who did so once is not asked again; Spent where time is over.
        """
        if self.gone:
            raise Gone(self.gone)
        clock, said, tries = self.endpoint.clock, "does not answer", 0
        end = clock() + self.endpoint.patience_s
        while tries < self.endpoint.tries:
            self._keep_to_the_rate()
            wait, tries = min(0.25 * 2**tries, 8.0), tries + 1
            try:
                status, retry, content = self._once(body, until)
            except (OSError, http.client.HTTPException) as error:
                _in_time(until, self.name)
                said = "does not answer in time" if isinstance(error, TimeoutError) else "breaks off"
                said = "cannot be reached" if isinstance(error, ConnectionRefusedError | gaierror) else said
            else:
                if 200 <= status < 300:
                    self.answered = True
                    return self._read(content)
                if status in LATER:
                    wait, said = _seconds(retry, wait), f"refuses more requests ({status})"
                    said += f" for {wait:,.0f} seconds" if wait >= LONG_S else ""
                elif status in BROKEN:
                    said = f"fails ({status})"
                else:
                    raise UsageError(f"{self.name} {_meaning(status)}")
            _in_time(until, self.name, wait)
            if clock() + wait > end:
                break
            if tries < self.endpoint.tries:
                self.endpoint.wait(wait)
        said = f"{self.name} {said}, after {tries} {'try' if tries == 1 else 'tries'}"
        if not self.answered:
            raise UsageError(said)
        self.gone = said
        raise Gone(said)

    def _keep_to_the_rate(self) -> None:
        now = self.endpoint.clock()
        if now < self.next:
            self.endpoint.wait(self.next - now)
        self.next = max(now, self.next) + 1 / self.endpoint.rate

    def _once(self, body: bytes, until: Budget | None) -> tuple[int, str | None, bytes]:
        """Status, Retry-After and content of one request, on a connection of its own."""
        longest = self.endpoint.patience_s if until is None else min(self.endpoint.patience_s, until.left)
        connection = self._connection(min(self.endpoint.timeout_s, max(longest, LEAST_S)))
        late = Timer(longest, _hang_up, (connection,))  # Whoever answers a byte at a time, too.
        late.daemon = True
        late.start()
        target = (self.place.path or "/") + (f"?{self.place.query}" if self.place.query else "")
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
        try:
            connection.request("POST", target, body=body, headers={**headers, **self.endpoint.headers})
            response = connection.getresponse()
            content = response.read(MAX_ANSWER + 1)
            if response.length and len(content) <= MAX_ANSWER:
                raise http.client.IncompleteRead(b"", response.length)
        finally:
            late.cancel()
            connection.close()
        if len(content) > MAX_ANSWER:
            raise UsageError(f"{self.name} answers more than {MAX_ANSWER:,} bytes")
        return response.status, response.getheader("Retry-After"), content

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        host = self.place.hostname or ""
        if self.place.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, self.place.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(host, self.place.port, timeout=timeout)

    def _read(self, content: bytes) -> Any:
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            raise UsageError(f"{self.name} answers something that is not JSON") from None


def _in_time(until: Budget | None, name: str, wait: float = 0.0) -> None:
    """Raises Spent where no time is left for another question after so many seconds."""
    if until is not None and until.left <= wait:
        raise Spent(f"the time to ask {name} is over")


def _hang_up(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with suppress(OSError):  # The other side was first.
            connection.sock.shutdown(SHUT_RDWR)


def _meaning(status: int) -> str:
    if 300 <= status < 400:
        return f"sends elsewhere ({status}), which is not followed: name the address it sends to"
    if status in (401, 403):
        return f"does not let us in ({status}): give the key it wants as a header"
    return f"does not take the request ({status}): see the template and the rows"


def _seconds(retry: str | None, otherwise: float) -> float:
    """What Retry-After asks for (RFC 9110, 10.2.3): seconds, or a date."""
    if retry is None:
        return otherwise
    if retry.strip().isdecimal():
        return float(retry.strip()[:12])
    try:
        return max(0.0, parsedate_to_datetime(retry).timestamp() - time.time())
    except (ValueError, OverflowError, TypeError):
        return otherwise


def found_in(answer: Any, where: str, count: int, classes: tuple[str, ...], name: str) -> Any:
    """The list of `count` scores or labels in an answer, as an array.

    Raises UsageError where there is none.
    """
    found = answer
    for part in filter(None, where.split(".")):
        found = found.get(part) if isinstance(found, dict) else None
    if not where and isinstance(answer, dict):
        lists = [answer[key] for key in (*NAMES, *answer) if isinstance(answer.get(key), list)]
        found = next((one for one in lists if len(one) == count), None)
    if not isinstance(found, list) or len(found) != count:
        raise UsageError(f"{name} answers, but without a list of {count} scores or labels")
    rows = [_row(one, classes, name) for one in found]
    try:
        values = np.array(rows, dtype=np.int64 if all(isinstance(one, int) for one in rows) else np.float64)
    except (ValueError, TypeError, OverflowError):
        raise UsageError(f"{name} answers rows of different lengths, or what are no numbers") from None
    return values


def _row(one: Any, classes: tuple[str, ...], name: str) -> Any:
    """One row's answer: numbers, the number or name of a class, or a score by the name of each class."""
    if isinstance(one, dict):
        key = next((key for key in (*NAMES, *LABELS) if key in one and "score" not in one), None)
        if key is not None:
            return _row(one[key], classes, name)
        if classes and set(classes) == set(one):
            return [one[key] for key in classes]
        if all(isinstance(value, int | float) for value in one.values()):
            return [one[key] for key in sorted(one)]
    if (
        isinstance(one, list)
        and one
        and all(isinstance(part, dict) and {"label", "score"} <= part.keys() for part in one)
    ):
        return _row({str(part["label"]): part["score"] for part in one}, classes, name)
    if isinstance(one, str):
        if one not in classes:
            raise UsageError(f"{name} answers with a label that the data does not have")
        return classes.index(one)
    return one
