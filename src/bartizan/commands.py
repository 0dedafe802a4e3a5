"""Groups of commands, each loaded when it is called: of a group's help, nothing of any door."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

Table = Mapping[str, tuple[str, str]]  # name: (where the command is, what its line in the group's help says)


class Commands(click.Group):
    """A group whose commands stand in a table."""

    def __init__(self, *args: Any, table: Table, **attributes: Any) -> None:  # Any: as click has it
        super().__init__(*args, **attributes)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table: what people need first stands first."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, and with a suggestion: click looks for one among loaded commands alone."""
        near = get_close_matches(args[0], self.table, 1)
        if not ctx.resilient_parsing and near and args[0] not in self.table:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.table.items()])
