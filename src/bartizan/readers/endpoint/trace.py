"""What one thing on a machine tells about the use of AI."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

FREEMAIL = frozenset(
    {
        "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "ymail.com",
        "icloud.com", "me.com", "mac.com", "proton.me", "protonmail.com", "pm.me", "gmx.de", "gmx.net", "gmx.com",
        "gmx.at", "gmx.ch", "web.de", "t-online.de", "freenet.de", "posteo.de", "mailbox.org", "aol.com", "mail.ru",
        "yandex.ru", "yandex.com", "qq.com", "163.com", "126.com", "foxmail.com", "naver.com", "orange.fr", "free.fr",
        "laposte.net", "wanadoo.fr", "libero.it", "hey.com", "fastmail.com", "zoho.com", "tutanota.com", "tuta.io",
        "duck.com", "users.noreply.github.com",
    }
)  # fmt: skip
COMPANY_PLANS = frozenset({"team", "business", "enterprise", "edu", "education", "work", "workspace"})
PERSONAL_PLANS = frozenset({"free", "plus", "pro", "max", "personal", "individual", "go"})
MAIL = re.compile(r"[^\s@]{1,64}@([A-Za-z0-9.-]{1,253})")


class Found(StrEnum):
    """What kind of thing was found."""

    PROCESS = "process"
    SERVER = "model-server"
    MODEL = "model-file"
    IDE = "ide-extension"
    BROWSER = "browser-extension"
    MCP = "mcp-server"
    ACCOUNT = "account"
    ENV = "environment"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing. Values of secrets are never in it.

    Args:
        name: What it is called: an extension, a model, a server, a variable, a host.
        tool: The program it belongs to or is of.
        where: The file it was found in, below the home.
        detail: One more fact, such as a host, a package or a size.
        account: Who is signed in, where it is an account.
        count: How often, for a history.
    """

    found: Found
    name: str
    tool: str = ""
    where: str = ""
    detail: str = ""
    account: str = ""
    account_kind: str = ""  # personal, corporate, or "" where nothing tells
    count: int = 1


def account_kind(account: str, plan: str, company: frozenset[str]) -> str:
    """Whether an account is a person's own or the company's; "" where nothing tells.

    A mail domain says more than the name of a plan: people buy "pro" with their company's address as well.
    """
    found = MAIL.fullmatch(account.strip())
    domain = found[1].lower() if found else ""
    if domain and any(domain == own or domain.endswith("." + own) for own in company):
        return "corporate"
    if domain in FREEMAIL:
        return "personal"
    words = set(re.split(r"[^a-z]+", plan.lower()))
    if words & COMPANY_PLANS:
        return "corporate"
    if words & PERSONAL_PLANS:
        return "personal"
    return "personal" if domain and company else ""
