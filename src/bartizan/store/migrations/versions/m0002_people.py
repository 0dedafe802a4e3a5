"""People in the loop: accounts, what they say about decisions, what they are told."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _text(name: str, *, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, nullable=null)


def _whole(name: str, *, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.Integer, nullable=null)


def _bytes(name: str, *, null: bool = True, unique: bool = False) -> "sa.Column[bytes]":
    return sa.Column(name, sa.LargeBinary, nullable=null, unique=unique)


def upgrade() -> None:
    """Written out, not taken from `store.schema`: a step never changes once it was released."""
    op.create_table(
        "account",
        sa.Column("person", sa.Text, primary_key=True),
        _text("roles"),
        _text("password", null=True),
        _whole("created_us"),
        _whole("disabled_us", null=True),
    )
    op.create_table(
        "credential",
        sa.Column("id", sa.Text, primary_key=True),
        _bytes("hash", null=False, unique=True),
        *map(_text, ("kind", "person", "name")),
        *map(_whole, ("created_us", "seen_us", "until_us")),
        _whole("ended_us", null=True),
    )
    op.create_index("credential_person", "credential", ["person"])
    op.create_table(
        "approval", *map(_text, ("case_id", "by")), _whole("at_us"), sa.PrimaryKeyConstraint("case_id", "by")
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Text, primary_key=True),
        *map(_text, ("exchange", "verdict", "clause", "person", "by")),
        _whole("at_us"),
        _text("example"),
        *map(_bytes, ("sealed_note", "sealed_example")),
    )
    op.create_index("feedback_exchange", "feedback", ["exchange"])
    op.create_index("feedback_time", "feedback", ["at_us"])
    op.create_table(
        "assignment",
        sa.Column("subject", sa.Text, primary_key=True),
        *map(_text, ("assignee", "by")),
        _whole("at_us"),
    )
    op.create_table(
        "alarm",
        sa.Column("id", sa.Integer, primary_key=True),
        *map(_text, ("name", "process", "facts")),
        *map(_whole, ("first_us", "last_us", "times")),
        _whole("seen_us", null=True),
    )
    op.create_index("alarm_last", "alarm", ["last_us"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        *map(_text, ("channel", "ref", "body")),
        *map(_whole, ("created_us", "due_us", "tries")),
        _whole("sent_us", null=True),
        _text("error"),
    )
    op.create_index("outbox_ref", "outbox", ["channel", "ref"], unique=True)
    op.create_index("outbox_due", "outbox", ["sent_us", "due_us"])
    op.create_table(
        "policy_version",
        sa.Column("id", sa.Integer, primary_key=True),
        *map(_text, ("digest", "name", "text", "by", "why")),
        _whole("at_us"),
    )
