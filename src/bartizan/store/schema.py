"""The tables of `state.sqlite`, as SQLAlchemy Core metadata.

Imported by migrations and their test only: the hot path speaks SQL to the standard library's sqlite3.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, PrimaryKeyConstraint, Table, Text

METADATA = MetaData()


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _whole(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=null)


def _bytes(name: str, *, null: bool = True, unique: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=null, unique=unique)


META = Table("meta", METADATA, Column("key", Text, primary_key=True), _bytes("value"))

# Who. `name_digest` is keyed, `wrapped_name` sealed under the master key; both are NULL once the person is forgotten.
PERSON = Table(
    "person",
    METADATA,
    Column("pseudonym", Text, primary_key=True),
    _bytes("wrapped_name"),
    _bytes("name_digest", unique=True),
    _whole("created_us"),
    _whole("forgotten_us", null=True),
)

# One key a person and month, wrapped by the master key. Deleting the row erases what was sealed under it.
PERSON_KEY = Table(
    "person_key",
    METADATA,
    _text("pseudonym"),
    _text("period"),
    _bytes("wrapped", null=False),
    PrimaryKeyConstraint("pseudonym", "period"),
)

# `person` is a pseudonym; `hash` is keyed by the master key.
API_KEY = Table(
    "api_key",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("name"),
    _bytes("hash", null=False, unique=True),
    _text("person"),
    _text("groups"),
    _text("app"),
    _whole("created_us"),
    _whole("revoked_us", null=True),
)

GRANT = Table(
    "grant_",
    METADATA,
    _text("person"),
    _text("clause"),
    _text("clause_digest"),
    _text("destination"),
    _text("value"),
    _whole("until_us"),
    _text("case_id", null=True),
    Index("grant_person", "person"),
)

CASE = Table(
    "case_",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("state"),
    _text("action"),
    _text("person"),
    _text("clauses"),
    _text("clause_digests"),
    _text("destination"),
    _text("values"),
    _text("risks"),
    _text("tell"),
    _bytes("token_hash", unique=True),
    _text("exchange"),
    _text("writer"),
    _whole("created_us"),
    _whole("expires_us"),
    _whole("decided_us", null=True),
    _text("decided_by", null=True),
    _bytes("sealed_subject"),
    _bytes("sealed_reason"),
    _bytes("sealed_note"),
    Index("case_person", "person"),
    Index("case_state", "state", "created_us"),
)

WRITER = Table(
    "writer",
    METADATA,
    Column("name", Text, primary_key=True),
    _text("origin"),
    _bytes("public_key", null=False),
    _whole("opened_us"),
    _whole("closed_us", null=True),
    _text("next_name", null=True),
)

# Who may sign in to the console. `person` is a pseudonym, `roles` a JSON list, `password` an argon2 hash or NULL.
ACCOUNT = Table(
    "account",
    METADATA,
    Column("person", Text, primary_key=True),
    _text("roles"),
    _text("password", null=True),
    _whole("created_us"),
    _whole("disabled_us", null=True),
)

# What stands for an account for a while: a sign-in link, a session, an API token. `hash` is keyed by the master key.
CREDENTIAL = Table(
    "credential",
    METADATA,
    Column("id", Text, primary_key=True),
    _bytes("hash", null=False, unique=True),
    _text("kind"),
    _text("person"),
    _text("name"),
    _whole("created_us"),
    _whole("seen_us"),
    _whole("until_us"),
    _whole("ended_us", null=True),
    Index("credential_person", "person"),
)

# One approval of a case that needs several.
APPROVAL = Table(
    "approval",
    METADATA,
    _text("case_id"),
    _text("by"),
    _whole("at_us"),
    PrimaryKeyConstraint("case_id", "by"),
)

# What people say about a decision: right, mistake or missed. `example` is none, proposed, taken or dismissed.
FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("exchange"),
    _text("verdict"),
    _text("clause"),
    _text("person"),
    _text("by"),
    _whole("at_us"),
    _text("example"),
    _bytes("sealed_note"),
    _bytes("sealed_example"),
    Index("feedback_exchange", "exchange"),
    Index("feedback_time", "at_us"),
)

# Who looks after an event or a case.
ASSIGNMENT = Table(
    "assignment",
    METADATA,
    Column("subject", Text, primary_key=True),
    _text("assignee"),
    _text("by"),
    _whole("at_us"),
)

# What a person should know that is no decision: a full disk, a policy file that does not hold. No content.
ALARM = Table(
    "alarm",
    METADATA,
    Column("id", Integer, primary_key=True),
    _text("name"),
    _text("process"),
    _text("facts"),
    _whole("first_us"),
    _whole("last_us"),
    _whole("times"),
    _whole("seen_us", null=True),
    Index("alarm_last", "last_us"),
)

# Notices on their way out, each to one channel; `ref` is what it is about, so that nothing is told twice.
OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", Integer, primary_key=True),
    _text("channel"),
    _text("ref"),
    _text("body"),
    _whole("created_us"),
    _whole("due_us"),
    _whole("tries"),
    _whole("sent_us", null=True),
    _text("error"),
    Index("outbox_ref", "channel", "ref", unique=True),
    Index("outbox_due", "sent_us", "due_us"),
)

# Every policy that was in force, by its digest. `by` is a pseudonym, or "" for a change made outside the console.
POLICY_VERSION = Table(
    "policy_version",
    METADATA,
    Column("id", Integer, primary_key=True),
    _text("digest"),
    _text("name"),
    _text("text"),
    _text("by"),
    _text("why"),
    _whole("at_us"),
)

# The register: every AI system in use. `id` is a catalogue's service or a name of one's own; a candidate's or a
# look-alike's is its host. `waits_us` is since when a decision is waited for. Notes and reasons are sealed.
SYSTEM = Table(
    "system",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("kind"),  # service, own, candidate, look-alike
    _text("name"),
    _text("vendor"),
    _text("category"),
    _text("status"),
    _text("alternative"),
    _text("owner"),
    _text("purpose"),
    _text("data_classes"),
    _text("data_seen"),
    _text("account"),
    _text("risk_tier"),
    _text("legal_basis"),
    _text("oversight"),
    _text("retention"),
    _text("instructions"),
    _whole("review_day", null=True),
    _whole("first_us"),
    _whole("last_us"),
    _whole("created_us"),
    _whole("changed_us"),
    _whole("waits_us", null=True),
    _whole("decided_us", null=True),
    _text("decided_by"),
    _bytes("sealed_notes"),
    Index("system_waits", "waits_us"),
)

# One source of usage: a log file, a machine, a repository, a log of the ledger. `upto` is how far a growing one was
# counted; of the first `head_bytes` bytes of a file `id` is a keyed digest.
USAGE_SOURCE = Table(
    "usage_source",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("kind"),  # logs, endpoint, code, ledger
    _text("format"),
    _text("origin"),
    _whole("head_bytes"),
    _whole("upto"),
    _whole("first_us"),
    _whole("last_us"),
    _whole("read_us"),
    _whole("reads"),
    _whole("lines"),
    _whole("junk"),
    Index("usage_source_kind", "kind", "format", "origin"),
)

# What one source tells of one person, system and day (days since 1970, UTC). `person` is a pseudonym or "", `told_by`
# the kind and format of the source: sums take the most that any of them saw, in the order of the key.
USAGE = Table(
    "usage_",
    METADATA,
    _text("system"),
    _text("person"),
    _whole("day"),
    _text("told_by"),
    _text("source"),
    _whole("evidence"),
    _text("account"),
    _whole("count"),
    _whole("bytes_up"),
    _whole("hosts"),
    _whole("first_us"),
    _whole("last_us"),
    PrimaryKeyConstraint("system", "person", "day", "told_by", "source", "evidence", "account"),
    Index("usage_day", "day"),
    Index("usage_person", "person"),
    Index("usage_source_rows", "source"),
    sqlite_with_rowid=False,
)

# A restriction that somebody need not keep for a while. `who` is a pseudonym, a group, or "" for everyone.
USE_EXCEPTION = Table(
    "use_exception",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("system"),
    _text("who_kind"),  # person, group, everyone
    _text("who"),
    _text("state"),  # asked, granted, refused, ended
    _whole("until_us"),
    _text("asked_by"),
    _whole("asked_us"),
    _text("decided_by"),
    _whole("decided_us", null=True),
    _bytes("sealed_why"),
    _bytes("sealed_note"),
    Index("use_exception_state", "state", "until_us"),
)

# Somebody wants to know who a pseudonym is: two people's act, shown to the one who asked, for a while.
NAME_REQUEST = Table(
    "name_request",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("person"),
    _text("asked_by"),
    _whole("asked_us"),
    _text("state"),  # asked, approved, refused
    _text("decided_by"),
    _whole("decided_us", null=True),
    _whole("until_us"),
    _bytes("sealed_reason"),
    Index("name_request_state", "state", "until_us"),
)

# Every decision about a system, the last one in force. `by` is a pseudonym.
USE_DECISION = Table(
    "use_decision",
    METADATA,
    Column("id", Integer, primary_key=True),
    _text("system"),
    _text("status"),
    _text("alternative"),
    _whole("review_day", null=True),
    _text("by"),
    _whole("at_us"),
    _bytes("sealed_why"),
    Index("use_decision_system", "system", "at_us"),
)

# Whose requests gateways refuse for a while: `kind` is key or person, `source` the key's id or the pseudonym.
PAUSE = Table(
    "pause",
    METADATA,
    _text("kind"),
    _text("source"),
    _text("person"),
    _text("by"),
    _whole("at_us"),
    _whole("until_us"),
    _bytes("sealed_why"),
    PrimaryKeyConstraint("kind", "source"),
)

# Views of the events that somebody gave a name: `query` is the query of its address. `removed_us`: may be put back.
SAVED_VIEW = Table(
    "saved_view",
    METADATA,
    Column("id", Text, primary_key=True),
    _text("person"),
    _text("name"),
    _text("query"),
    _whole("saved_us"),
    _whole("removed_us", null=True),
    Index("saved_view_person", "person"),
)
