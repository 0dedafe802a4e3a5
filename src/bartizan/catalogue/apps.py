"""Which AI service an application is that a log names: `ChatGPT`, `Claude for Chrome`, `OpenAI.ChatGPT`, `openai-base`.

Names are compared word by word. The whole name must be that of a service, but for its vendor in front and its edition
behind; only words that somebody coined (`chatgpt`) count wherever they stand. Of the services that directories of tools
alone list, none is found: half of them are called like other software too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bartizan import rules
from bartizan.catalogue.listing import Listed, Tier

if TYPE_CHECKING:
    from bartizan.catalogue.catalogue import Catalogue

MAX_NAME = 256  # Characters of a name
MOST_WORDS = 24
_WORD = re.compile(r"[^\W_]+")
_ASIDE = re.compile(r"\s*[(\[{].*|\s+[-–—|:]\s.*", re.DOTALL)
_SURE: tuple[Tier, ...] = ("A", "M")
PATTERN = "app_name"

Words = tuple[str, ...]


class Apps:
    """Looks applications up by the name or id that a log gives them."""

    def __init__(self, catalogue: Catalogue) -> None:
        table = rules.load("bartizan.catalogue", "data/apps.toml")
        self._catalogue = catalogue
        self._editions, self._until = frozenset(table["editions"]), frozenset(table["until"])
        self._inside = [(words(name), id_) for name, id_ in table["inside"].items()]
        self._ids = {id_: service.id for id_, service in catalogue.signals("entra_app_id").items()} | table["entra"]
        self._listed = {pattern.service.id for pattern in catalogue.patterns() if pattern.tier in _SURE}
        self._names = {words(one.name): one.id for one in reversed(catalogue.services()) if one.id in self._listed}
        signals = catalogue.signals("app_name").items()
        self._names |= {words(name.removesuffix(".app")): service.id for name, service in signals}
        self._names |= {words(name): id_ for name, id_ in table["names"].items()}
        self._names.pop((), None)

    def find(self, name: str) -> Listed | None:
        """The service of that name or id; None where it is no AI's."""
        id_ = self._ids.get(name.strip().casefold()) or self._named(name[:MAX_NAME])
        service = self._catalogue.service(id_) if id_ else None
        if service is None:
            return None
        tier = next((tier for tier in _SURE if self._catalogue.hosts(service.id, (tier,))), None)
        if tier is None and service.id in self._listed:
            return None  # The organisation says that its hosts are no AI.
        return Listed("", service, tier or "A", pattern=PATTERN)

    def _named(self, name: str) -> str:
        whole = words(name)[:MOST_WORDS]
        for candidate in (whole, self._shortened(whole), self._shortened(words(_ASIDE.sub("", name))[:MOST_WORDS])):
            found = self._names.get(candidate)
            if found is None:
                found = self._of_vendor(candidate)
            if found is not None:
                return found
        text = f" {' '.join(whole)} "
        return next((id_ for phrase, id_ in self._inside if f" {' '.join(phrase)} " in text), "")

    def _shortened(self, name: Words) -> Words:
        """Without what comes after a word like `for`, and without editions at the end."""
        end = next((n for n, word in enumerate(name) if n and word in self._until), len(name))
        while end > 1 and name[end - 1] in self._editions:
            end -= 1
        return name[:end]

    def _of_vendor(self, name: Words) -> str | None:
        """`OpenAI ChatGPT`: a service's name after that of its own vendor."""
        for cut in range(1, min(len(name), 4)):
            id_ = self._names.get(name[cut:]) or self._names.get(self._shortened(name[cut:]))
            service = self._catalogue.service(id_) if id_ else None
            if service is not None and self._shortened(words(service.vendor)) == self._shortened(name[:cut]):
                return id_
        return None


def words(name: str) -> Words:
    """The words of a name, in lower case, without what stands between them."""
    return tuple(_WORD.findall(name.casefold()))
