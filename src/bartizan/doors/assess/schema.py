"""`bartizan assess schema`: drafts what a row of a table may be from the rows there are."""

from __future__ import annotations

from pathlib import Path

import click

EXAMPLES = """\b
Examples:
  bartizan assess schema table.csv --label paid > columns.yaml
  bartizan assess model.txt --data table.csv --label paid --schema columns.yaml --out report
"""


@click.command(epilog=EXAMPLES)
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--label", metavar="COLUMN", help="The column of labels in a table.  [default: one called label, else "
              "the last]")  # fmt: skip
def schema(data: tuple[Path, ...], label: str | None) -> int:
    """Draft the types, ranges and groups of a table's columns, as YAML for --schema.

    DATA is what --data takes. The draft knows what values there are, not what they mean: say which columns never
    change (mutable: no), which only grow (direction: up), what a change costs, and how columns hang together.
    """
    from bartizan.assess.data import Form
    from bartizan.assess.evasion.schema import draft
    from bartizan.assess.opening import data_of
    from bartizan.core.errors import UsageError

    rows = data_of(list(data), label=label)
    if rows.form is not Form.TABLE:
        raise UsageError(f"a schema is for tables; this data holds {rows.form.value}")
    click.echo(draft(rows), nl=False)
    return 0
