"""The outbox: notices on their way out, one row for each channel, kept until it has been sent.

    open cases, alarms ──follow()──▶ outbox ──due()──▶ a channel sends ──▶ settled(), later() or given_up()

What is new is found by looking for what has no row yet, so nothing depends on a place that was remembered: whoever
dies between two steps finds the same rows again. A row is marked as sent after it was: a crash in between sends it
twice, and never loses it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bartizan.home.alarms import Alarm
from bartizan.home.notices import Notice, Waiting, What, of_alarm, of_case, of_test, of_use

if TYPE_CHECKING:
    from bartizan.config import Config
    from bartizan.store.state import State, Transaction

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
KEPT_US = 30 * DAY_US  # Rows that are done, to be shown.
SLACK_US = 600 * SECOND_US  # A case is written down a moment after its time; nobody waits as long as this for the disk.
ALARMS_US = 7 * DAY_US  # An older alarm is no news.
LONGEST_WAIT_US = 6 * 3600 * SECOND_US  # More is not asked of a row; so one that is due later saw another clock.
AT_ONCE = 500
DEADLINE_SHARE = 0.1  # of the time that a case has
_COLUMNS = "id, action, person, clauses, destination, risks, created_us, expires_us"
_UNTOLD = "NOT EXISTS (SELECT 1 FROM outbox WHERE channel = ? AND ref = ?||':'||case_.id)"


@dataclass(frozen=True, slots=True)
class Channel:
    """One way out. `where` says where it leads, for people: no secret."""

    name: str
    kind: str
    where: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a channel is doing. `error` is why the next notice has not been sent yet, or ""."""

    channel: Channel
    waiting: int
    last_sent_us: int | None
    error: str
    next_us: int | None
    given_up: int


@dataclass(frozen=True, slots=True)
class Row:
    """A notice that waits to be sent."""

    id: int
    notice: Notice
    created_us: int
    due_us: int
    tries: int


def channels(config: Config) -> tuple[Channel, ...]:
    """The ways out that are configured."""
    notify = config.notify
    found = []
    for name, hook in notify.webhooks.items():
        where = hook.url or (f"the address in {hook.url_file}" if hook.url_file else f"the address in ${hook.url_env}")
        found.append(Channel(f"webhook:{name}", "webhook", where))
    if notify.mail.smtp:
        found.append(Channel("mail", "mail", f"{', '.join(notify.mail.to)} by way of {notify.mail.smtp}"))
    if notify.syslog.address:
        found.append(Channel("syslog", "syslog", notify.syslog.address))
    return tuple(found)


def standings(state: State, config: Config) -> tuple[Standing, ...]:
    """How every configured channel is doing. Raises StoreError."""
    found = []
    for channel in channels(config):
        waiting = state.query(
            "SELECT error, due_us FROM outbox WHERE channel = ? AND sent_us IS NULL ORDER BY id", (channel.name,)
        )
        sent, given_up = state.query(
            "SELECT max(CASE WHEN error = '' THEN sent_us END), coalesce(sum(error != ''), 0) FROM outbox "
            "WHERE channel = ? AND sent_us IS NOT NULL",
            (channel.name,),
        )[0]
        error, next_us = waiting[0] if waiting else ("", None)
        found.append(Standing(channel, len(waiting), sent, error, next_us, given_up))
    return tuple(found)


def nothing_yet(channel: Channel) -> Standing:
    """How a channel stands before the first start."""
    return Standing(channel, 0, None, "", None, 0)


def test(state: State, channel: str, base: str, ref: str, now_us: int) -> None:
    """Have the running notifier send a test notice. `ref` is any id that was not used before. Raises StoreError."""
    with state.transaction() as tx:
        _put(tx, channel, of_test(ref, base, now_us), now_us)


class Outbox:
    """The outbox as the notifier keeps it. Every method raises StoreError."""

    def __init__(self, state: State, says: Callable[[str], str], base: str, actions: Iterable[str]) -> None:
        """
        Args:
            state: The home's.
            says: The sentence of a clause by its id, or "".
            base: The console's address for links, or "".
            actions: Cases with which actions are told of.
        """
        self._state, self._says, self._base, self._actions = state, says, base, tuple(actions)
        self._begun: dict[str, int] = {}
        self._upto_us = 0

    def adopt(self, names: Sequence[str], now_us: int) -> None:
        """Keep these channels. A new one hears of what is new from now on; one that is gone loses what waits."""
        with self._state.transaction() as tx:
            for (key,) in tx.query("SELECT key FROM meta WHERE key LIKE 'notices:%'"):
                name = str(key).removeprefix("notices:")
                if name not in names:
                    tx.change("DELETE FROM meta WHERE key = ?", (key,))
                    tx.change("DELETE FROM outbox WHERE channel = ? AND sent_us IS NULL", (name,))
            for name in names:
                tx.change("INSERT OR IGNORE INTO meta VALUES (?, ?)", (f"notices:{name}", str(now_us).encode()))
            for name in names:
                rows = tx.query("SELECT value FROM meta WHERE key = ?", (f"notices:{name}",))
                self._begun[name] = int(rows[0][0])

    def follow(self, now_us: int) -> int:
        """Put what is new since the last look into the outbox; how many rows."""
        since_us = min(self._upto_us, now_us) - SLACK_US
        self._upto_us = now_us
        return sum(
            self._put(name, self._new(name, max(since_us, begun), now_us), now_us)
            for name, begun in self._begun.items()
        )

    def review(self, now_us: int) -> int:
        """The same for everything there is, and for cases whose time is nearly over; then drop what is old."""
        count = 0
        for name, begun in self._begun.items():
            count += self._put(name, [*self._new(name, begun, now_us), *self._late(name, now_us)], now_us)
        self._state.change(
            "DELETE FROM outbox WHERE sent_us < ? AND NOT EXISTS "
            "(SELECT 1 FROM case_ WHERE state = 'open' AND ref IN ('case:'||id, 'deadline:'||id)) "
            "AND NOT EXISTS (SELECT 1 FROM system WHERE waits_us IS NOT NULL AND ref = 'use:'||id)",
            (now_us - KEPT_US,),
        )
        return count

    def due(self, name: str, now_us: int, limit: int) -> tuple[Row, ...]:
        """What a channel may send now, the oldest first; nothing while the oldest waits to be tried again.

        Notices of cases that are closed by now are dropped.
        """
        rows = [
            Row(id_, Notice.read(body), *rest)
            for id_, body, *rest in self._state.query(
                "SELECT id, body, created_us, due_us, tries FROM outbox WHERE channel = ? AND sent_us IS NULL "
                "ORDER BY id LIMIT ?",
                (name, limit),
            )
        ]
        if not rows or now_us < rows[0].due_us < now_us + LONGEST_WAIT_US:
            return ()
        closed = [row.id for row in rows if self._closed(row.notice, now_us)]
        if not closed:
            return tuple(rows)
        with self._state.transaction() as tx:
            tx.change_many("DELETE FROM outbox WHERE id = ?", [(id_,) for id_ in closed])
        return self.due(name, now_us, limit)

    def last_sent_us(self, name: str) -> int:
        """When the channel last sent something; 0 for never."""
        rows = self._state.query("SELECT max(sent_us) FROM outbox WHERE channel = ? AND error = ''", (name,))
        return int(rows[0][0] or 0)

    def settled(self, rows: Sequence[Row], now_us: int) -> None:
        """They were sent."""
        self._mark("UPDATE outbox SET sent_us = ?, tries = tries + 1, error = '' WHERE id = ?", rows, (now_us,))

    def later(self, rows: Sequence[Row], due_us: int, error: str) -> None:
        """They were not, for this reason, and are to be tried again then."""
        self._mark("UPDATE outbox SET due_us = ?, error = ?, tries = tries + 1 WHERE id = ?", rows, (due_us, error))

    def given_up(self, rows: Sequence[Row], now_us: int, error: str) -> None:
        """They will not be."""
        self._mark("UPDATE outbox SET sent_us = ?, error = ?, tries = tries + 1 WHERE id = ?", rows, (now_us, error))

    # ---- Inside -----------------------------------------------------------------------------------------------------

    def _mark(self, sql: str, rows: Sequence[Row], values: tuple[int | str, ...]) -> None:
        with self._state.transaction() as tx:
            tx.change_many(sql, [(*values, row.id) for row in rows])

    def _put(self, name: str, notices: Sequence[Notice], now_us: int) -> int:
        if not notices:
            return 0
        with self._state.transaction() as tx:
            return sum(_put(tx, name, notice, now_us) for notice in notices)

    def _new(self, name: str, since_us: int, now_us: int) -> list[Notice]:
        cases = self._cases("created_us >= ?", (since_us,), name, What.CASE, now_us)
        rows = self._state.query(
            "SELECT id, name, process, facts, first_us, last_us, times, seen_us FROM alarm "
            # That notices were given up is no notice: it would queue behind those that cannot be sent.
            "WHERE last_us >= ? AND first_us >= ? AND seen_us IS NULL AND name != 'notice-failed' AND NOT EXISTS "
            "(SELECT 1 FROM outbox WHERE channel = ? AND ref = 'alarm:'||alarm.id||':'||alarm.first_us) "
            "ORDER BY id LIMIT ?",
            (since_us, max(since_us, now_us - ALARMS_US), name, AT_ONCE),
        )
        found = (Alarm(id_, what, process, json.loads(facts), *rest) for id_, what, process, facts, *rest in rows)
        return [*cases, *(of_alarm(alarm, self._base) for alarm in found), *self._uses(since_us, name)]

    def _uses(self, since_us: int, name: str) -> list[Notice]:
        """Services that wait for a decision; hosts that merely look like AI are too many to tell of each."""
        rows = self._state.query(
            "SELECT id, name, vendor, waits_us FROM system WHERE waits_us >= ? AND kind IN ('service', 'own') "
            "AND NOT EXISTS (SELECT 1 FROM outbox WHERE channel = ? AND ref = 'use:'||system.id) "
            "ORDER BY waits_us, id LIMIT ?",
            (since_us, name, AT_ONCE),
        )
        return [of_use(id_, title, vendor, waits_us, self._base) for id_, title, vendor, waits_us in rows]

    def _late(self, name: str, now_us: int) -> list[Notice]:
        late = "? >= expires_us - (expires_us - created_us) * ?"
        return self._cases(late, (now_us, DEADLINE_SHARE), name, What.DEADLINE, now_us)

    def _cases(self, where: str, values: tuple[float, ...], name: str, what: What, now_us: int) -> list[Notice]:
        actions = ", ".join("?" * len(self._actions))
        rows = self._state.query(
            f"SELECT {_COLUMNS} FROM case_ WHERE state = 'open' AND expires_us > ? AND action IN ({actions}) "  # noqa: S608  Ours.
            f"AND {where} AND {_UNTOLD} ORDER BY created_us, id LIMIT ?",
            (now_us, *self._actions, *values, name, what, AT_ONCE),
        )
        return [
            of_case(
                Waiting(id_, action, person, json.loads(clauses), to, json.loads(risks), *times),
                what,
                self._says,
                self._base,
            )
            for id_, action, person, clauses, to, risks, *times in rows
        ]

    def _closed(self, notice: Notice, now_us: int) -> bool:
        if notice.what is What.USE:
            id_ = notice.ref.partition(":")[2]
            return not self._state.query("SELECT 1 FROM system WHERE id = ? AND waits_us IS NOT NULL", (id_,))
        if notice.what not in (What.CASE, What.DEADLINE):
            return False
        return not self._state.query(
            "SELECT 1 FROM case_ WHERE id = ? AND state = 'open' AND expires_us > ?",
            (notice.ref.partition(":")[2], now_us),
        )


def _put(tx: Transaction, name: str, notice: Notice, now_us: int) -> int:
    return tx.change(
        "INSERT OR IGNORE INTO outbox (channel, ref, body, created_us, due_us, tries, error) "
        "VALUES (?, ?, ?, ?, ?, 0, '')",
        (name, notice.ref, notice.text(), now_us, now_us),
    )
