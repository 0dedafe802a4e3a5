"""Names that hold another one: it is none of theirs."""

from __future__ import annotations

import pytest

from bartizan.catalogue.hostnames import hostname

FORGED = {
    "evil.example/?to=https://openai.com": "evil.example",
    "evil.example/x://openai.com": "evil.example",
    "https://evil.example/https://openai.com": "evil.example",
    "[openai.com].evil.example": "",
    "[openai.com]evil": "",
    "https://openai.com@evil.example:443/": "evil.example",
    "https://openai.com:443/a://b": "openai.com",
    "HTTPS://[2001:db8::1]:443/": "",
}


@pytest.mark.parametrize("raw", FORGED)
def test_what_stands_behind_a_host_is_not_it(raw: str) -> None:
    assert hostname(raw) == FORGED[raw]
