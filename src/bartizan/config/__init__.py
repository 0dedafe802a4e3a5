"""Settings: read once at a door, frozen, and passed down.

`bartizan.yaml`, then `BARTIZAN_*` from the environment, then flags; the later one wins, and `Config.sources` says for
every setting where its value came from. A name nobody knows is an error with a suggestion, and all errors come at once.
No secret stands in the file or in a `Config`: settings name the file or the environment variable that holds it.
"""

from __future__ import annotations

from bartizan.config.load import load, upstream_flags
from bartizan.config.model import (
    Address,
    Cases,
    Config,
    Examine,
    Facility,
    Limits,
    Mail,
    MailTls,
    Notify,
    Protocol,
    Syslog,
    SyslogAt,
    Timeouts,
    Told,
    Upstream,
    Webhook,
)

__all__ = [
    "Address",
    "Cases",
    "Config",
    "Examine",
    "Facility",
    "Limits",
    "Mail",
    "MailTls",
    "Notify",
    "Protocol",
    "Syslog",
    "SyslogAt",
    "Timeouts",
    "Told",
    "Upstream",
    "Webhook",
    "load",
    "upstream_flags",
]
