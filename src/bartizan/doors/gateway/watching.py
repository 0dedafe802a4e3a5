"""Who asks a model as somebody does who copies it.

Each process of the gateway knows the questions that any of them was asked: it tells the others, if there are any, where
the rows lie and what was answered, and they keep the same sessions. What was found of an account goes with its next
questions, and with the answer that showed it, to the loop: what follows from it is the policy's to say.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bartizan.core.subject import Kind, Subject, Trust
from bartizan.profiles.sessions import MAX_ACCOUNTS, Sessions, said
from bartizan.readers.inference import Tensor, count_rows, rows_of, scores_of

if TYPE_CHECKING:
    from bartizan.home.control import Message
    from bartizan.home.metrics import Counters
    from bartizan.profiles.asking import Asking, Profile

Share = Callable[["Message"], object] | None

PATH = "/asking"
_RANDOM = secrets.SystemRandom()  # Which rows of many are looked at is nothing that a thief can know.


@dataclass(frozen=True, slots=True)
class Asked:
    """The rows of one question: how many, which of them are looked at, and where those lie."""

    account: str
    count: int
    picked: range | list[int]
    points: Any  # an array, one row a picked one


class Watched:
    """The use of one model."""

    def __init__(
        self,
        provider: str,
        model: str,
        sessions: Sessions,
        share: Share,
        counters: Counters,
    ) -> None:
        self.provider, self.model, self.sessions = provider, model, sessions
        self._share, self._counters = share, counters

    def asked(self, account: str, subject: Subject) -> Asked:
        """The rows of a question. Raises InputError where they are none of this model's."""
        import numpy as np

        tensors, longest = _tensors(subject), self.sessions.profile.longest
        count = count_rows(tensors, self.sessions.profile.features)
        picked = range(count) if count <= longest else sorted(_RANDOM.sample(range(count), longest))
        rows = np.asarray(rows_of(tensors, count, picked), np.float64)
        self._counters.add("watched_rows", "looked-at", by=len(picked))
        if count > len(picked):
            self._counters.add("watched_rows", "left-out", by=count - len(picked))
        return Asked(account, count, picked, self.sessions.space.points(rows))

    def standing(self, subject: Subject, account: str, when_us: int) -> Subject:
        """The subject of a question with what stands of its account."""
        return self._with(subject, self.sessions.stands(account, when_us))

    def answered(self, asked: Asked, subject: Subject, when_us: int) -> Subject:
        """Takes an answer in; its subject with what its account was found to do, now or before."""
        import numpy as np

        scores = scores_of(_tensors(subject), asked.count, asked.picked)
        if scores is None:
            self._counters.add("watched_rows", "without-answer", by=len(asked.picked))
            scores = [[0.0]] * len(asked.picked)
        both = [said(one) for one in scores]
        labels, margins = np.asarray([one for one, _ in both]), np.asarray([one for _, one in both])
        self.take(asked.account, when_us, asked.points, labels, margins)
        if self._share is not None:
            told = asked.points.tolist(), labels.tolist(), margins.tolist()
            self._share({"asked": [self.provider, self.model, asked.account, when_us, *told]})
        return self._with(subject, self.sessions.stands(asked.account, when_us))

    def take(self, account: str, when_us: int, points: Any, labels: Any, margins: Any) -> None:
        """Takes what was asked in, here or by another process."""
        before = self.sessions.forgotten
        self.sessions.take(account, when_us, points, labels, margins)
        if forgotten := self.sessions.forgotten - before:
            self._counters.add("sessions_forgotten", by=forgotten)

    def _with(self, subject: Subject, found: Asking | None) -> Subject:
        """A case about it is about this model: a grant lets the person go on asking it, and no other."""
        if found is None:
            return subject
        named = Subject(Kind.TEXT, PATH, f"{self.provider}/{self.model}", Trust.OWN)
        told = Subject(Kind.LOG, PATH, found, Trust.OWN, children=(named,))
        return replace(subject, children=(*subject.children, told))


class Watch:
    """All models whose use is watched."""

    def __init__(
        self,
        profiles: Mapping[tuple[str, str], Profile],
        share: Share,
        counters: Counters,
    ) -> None:
        most = MAX_ACCOUNTS // max(1, len(profiles))
        self._models = {
            (provider, model): Watched(provider, model, Sessions(profile, most), share, counters)
            for (provider, model), profile in profiles.items()
        }

    def of(self, provider: str, model: str) -> Watched | None:
        """The use of a model, if it is watched."""
        return self._models.get((provider, model))

    @property
    def sessions(self) -> int:
        """Sessions that go on."""
        return sum(len(one.sessions) for one in self._models.values())

    def heard(self, told: list[Any]) -> None:
        """What another process was asked and answered."""
        import numpy as np

        provider, model, account, when_us, points, labels, margins = told
        if (watched := self.of(provider, model)) is not None:
            watched.take(
                account, when_us, np.asarray(points, np.float32), np.asarray(labels, np.int64), np.asarray(margins)
            )


def _tensors(subject: Subject) -> tuple[Tensor, ...]:
    found = subject.content
    assert isinstance(found, tuple)
    return found
