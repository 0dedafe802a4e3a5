"""The use of AI: the register, what sources tell, exceptions, and names opened by two; saved views of the events."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _text(name: str, *, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, nullable=null)


def _whole(name: str, *, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.Integer, nullable=null)


def _bytes(name: str, *, null: bool = True) -> "sa.Column[bytes]":
    return sa.Column(name, sa.LargeBinary, nullable=null)


def upgrade() -> None:
    """Written out, not taken from `store.schema`: a step never changes once it was released."""
    op.create_table(
        "system",
        sa.Column("id", sa.Text, primary_key=True),
        *map(_text, ("kind", "name", "vendor", "category", "status", "alternative", "owner", "purpose")),
        *map(
            _text,
            (
                "data_classes",
                "data_seen",
                "account",
                "risk_tier",
                "legal_basis",
                "oversight",
                "retention",
                "instructions",
            ),
        ),
        _whole("review_day", null=True),
        *map(_whole, ("first_us", "last_us", "created_us", "changed_us")),
        _whole("waits_us", null=True),
        _whole("decided_us", null=True),
        _text("decided_by"),
        _bytes("sealed_notes"),
    )
    op.create_index("system_waits", "system", ["waits_us"])
    op.create_table(
        "usage_source",
        sa.Column("id", sa.Text, primary_key=True),
        *map(_text, ("kind", "format", "origin")),
        *map(_whole, ("head_bytes", "upto", "first_us", "last_us", "read_us", "reads", "lines", "junk")),
    )
    op.create_index("usage_source_kind", "usage_source", ["kind", "format", "origin"])
    op.create_table(
        "usage_",
        *map(_text, ("system", "person")),
        _whole("day"),
        *map(_text, ("told_by", "source")),
        _whole("evidence"),
        _text("account"),
        *map(_whole, ("count", "bytes_up", "hosts", "first_us", "last_us")),
        sa.PrimaryKeyConstraint("system", "person", "day", "told_by", "source", "evidence", "account"),
        sqlite_with_rowid=False,
    )
    op.create_index("usage_day", "usage_", ["day"])
    op.create_index("usage_person", "usage_", ["person"])
    op.create_index("usage_source_rows", "usage_", ["source"])
    op.create_table(
        "use_exception",
        sa.Column("id", sa.Text, primary_key=True),
        *map(_text, ("system", "who_kind", "who", "state")),
        _whole("until_us"),
        _text("asked_by"),
        _whole("asked_us"),
        _text("decided_by"),
        _whole("decided_us", null=True),
        *map(_bytes, ("sealed_why", "sealed_note")),
    )
    op.create_index("use_exception_state", "use_exception", ["state", "until_us"])
    op.create_table(
        "name_request",
        sa.Column("id", sa.Text, primary_key=True),
        *map(_text, ("person", "asked_by")),
        _whole("asked_us"),
        *map(_text, ("state", "decided_by")),
        _whole("decided_us", null=True),
        _whole("until_us"),
        _bytes("sealed_reason"),
    )
    op.create_index("name_request_state", "name_request", ["state", "until_us"])
    op.create_table(
        "use_decision",
        sa.Column("id", sa.Integer, primary_key=True),
        *map(_text, ("system", "status", "alternative")),
        _whole("review_day", null=True),
        _text("by"),
        _whole("at_us"),
        _bytes("sealed_why"),
    )
    op.create_index("use_decision_system", "use_decision", ["system", "at_us"])
    op.create_table(
        "pause",
        *map(_text, ("kind", "source", "person", "by")),
        *map(_whole, ("at_us", "until_us")),
        _bytes("sealed_why"),
        sa.PrimaryKeyConstraint("kind", "source"),
    )
    op.create_table(
        "saved_view",
        sa.Column("id", sa.Text, primary_key=True),
        *map(_text, ("person", "name", "query")),
        _whole("saved_us"),
        _whole("removed_us", null=True),
    )
    op.create_index("saved_view_person", "saved_view", ["person"])
