"""`bartizan usage`: assembles its sub-commands, each loaded when it is called."""

from __future__ import annotations

import click

from bartizan.commands import Commands

# name: (where the command is, what its line in `bartizan usage --help` says)
COMMANDS = {
    "logs": ("bartizan.doors.usage.logs:logs", "Say from logs which AI is used, by whom and how much."),
    "lookup": ("bartizan.doors.usage.lookup:lookup", "Say which AI service a host belongs to."),
    "catalogue": ("bartizan.doors.usage.catalogue:catalogue", "Show and update what is known about AI services."),
    "code": ("bartizan.doors.usage.code:code", "Find the AI that code uses; write its bill of materials."),
    "endpoint": ("bartizan.doors.usage.endpoint:endpoint", "Find the AI on this machine, without root and offline."),
    "register": ("bartizan.doors.usage.register:register", "Keep the register of AI systems; decide what may be used."),
    "restrict": ("bartizan.doors.usage.restrict:restrict", "Write block-lists of what is restricted or blocked."),
    "ca": ("bartizan.doors.forward.command:ca", "Make, install and remove the CA that opens tunnels to AI hosts."),
    "verify": ("bartizan.doors.usage.verify:verify", "Say whether what is blocked still gets through, and how."),
    "evidence": ("bartizan.doors.usage.evidence:evidence", "Answer what laws and standards ask, and prove it."),
    "breach": ("bartizan.doors.usage.breach:breach", "Draft the notification of a personal data breach."),
}

EXAMPLES = """\b
Examples:
  bartizan usage lookup chatgpt.com claude.ai
  bartizan usage logs /var/log/squid/access.log*
"""


@click.command(cls=Commands, table=COMMANDS, epilog=EXAMPLES)
def usage() -> None:
    """Find out which AI is used here, by whom and how much, and restrict it."""
