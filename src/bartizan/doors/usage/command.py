"""`bartizan usage`: assembles its sub-commands, each loaded when it is called."""

from __future__ import annotations

from importlib import import_module

import click

# name: (where the command is, what its line in `bartizan usage --help` says)
COMMANDS: dict[str, tuple[str, str]] = {
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


class Parts(click.Group):
    """The sub-commands, by COMMANDS alone until one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The sub-command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From COMMANDS alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.command(cls=Parts, epilog=EXAMPLES)
def usage() -> None:
    """Find out which AI is used here, by whom and how much, and restrict it."""
