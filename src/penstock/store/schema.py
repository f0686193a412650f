"""The tables of the metadata store; SQLite and PostgreSQL take them alike.

::

    stream         one source of one domain, its lease epoch and its running totals
      ├── position   part → next row; names the one batch that is open on the part, if any
      ├── batch      what was, or is being, landed: an intent while `closed_no` is NULL
      └── replay     dead letters that are, or were, landed again: an intent while `open`
    table_version  how often a table of the engine has changed: the key of cached answers
    ingest_key     bodies sent with an Idempotency-Key: what was answered, or how far it got
    note           small facts by key (boot id, clean stop, progress)
    apply_run      one apply: what it was to bring about, who ran it, whether it came to its end
      └── apply_step   its steps in order
    applied_form   what each table and view was when it was applied last: drift is told from it
    incident       something that an alert says of a key, from its first row to its end
      └── delivery   who is to be told of its beginning and its end, and whether they were
    check_result   what a check of the data gave, and when
    saved_query    a statement that somebody kept under a name
    backfill       a relation that is filled anew: up to which batch, and how far it has got

The migrations under `migrations/versions` make the same tables step by step; a test compares them.
"""

from __future__ import annotations

import sqlalchemy as sa

HEAD = "0009"
"""The schema this version of Penstock works with: the last revision under `migrations/versions`."""

METADATA = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_NUMBERED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite numbers a key by itself only where its type is spelt INTEGER."""

STREAM = sa.Table(
    "stream",
    METADATA,
    sa.Column("id", _NUMBERED, primary_key=True),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("incarnation", sa.Text, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    # Totals over closed batches, moved by the transaction that closes one: a status page asks for
    # them each second, and summing months of batches would grow with time.
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("good", sa.BigInteger, nullable=False),
    sa.Column("dead", sa.BigInteger, nullable=False),
    sa.Column("batches", sa.BigInteger, nullable=False),
    sa.Column("last_ingested_ms", sa.BigInteger, nullable=False),
    # Counts the leases of its parts and of batches in them, where landers share the log.
    sa.Column("leases", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("domain", "source"),
    sqlite_autoincrement=True,
)

BATCH = sa.Table(
    "batch",
    METADATA,
    # AUTOINCREMENT: a number once handed out is never handed out again, even if its row is deleted.
    sa.Column("batch", _NUMBERED, primary_key=True),
    sa.Column("stream_id", sa.ForeignKey("stream.id"), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("spans", sa.JSON, nullable=False),  # [[part, start, stop], …] in the order landed
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("ingested_ms", sa.BigInteger, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("good", sa.BigInteger, nullable=False),
    sa.Column("dead", sa.BigInteger, nullable=False),
    # NULL while open, then the order of closing. Batches close out of order, so the audit mark is
    # one of these: a mark by batch number would pass over an older batch that closes after it.
    sa.Column("closed_no", sa.BigInteger),
    sa.Column("closed_ms", sa.BigInteger),
    sa.Column("lease", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("closed_no"),
    sa.Index(None, "stream_id", "batch"),
    sqlite_autoincrement=True,
)

POSITION = sa.Table(
    "position",
    METADATA,
    sa.Column("stream_id", sa.ForeignKey("stream.id"), primary_key=True),
    sa.Column("part", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("next_row", sa.BigInteger, nullable=False),
    # One column, hence at most one open intent a part, by construction.
    sa.Column("open_batch", sa.ForeignKey("batch.batch")),
    sa.Column("lease", sa.BigInteger, nullable=False, server_default="0"),
)

REPLAY = sa.Table(
    "replay",
    METADATA,
    sa.Column("id", _NUMBERED, primary_key=True),
    sa.Column("stream_id", sa.ForeignKey("stream.id"), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("spans", sa.JSON, nullable=False),  # [[part, start, stop], …], each of its rows
    sa.Column("batches", sa.JSON, nullable=False),  # [[batch, rows], …] that the rows came in
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    # The newest batch when it was opened: by what has landed since, a table may forget its token.
    # -1 where a power cut may have taken the token; then only counting tells what is stored.
    sa.Column("newest_batch", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("landed", sa.BigInteger, nullable=False),
    sa.Column("opened_ms", sa.BigInteger, nullable=False),
    sa.Column("closed_ms", sa.BigInteger),
    sqlite_autoincrement=True,
)

TABLE_VERSION = sa.Table(
    "table_version",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)

NOTE = sa.Table(
    "note",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

INGEST_KEY = sa.Table(
    "ingest_key",
    METADATA,
    sa.Column("domain", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("claim", sa.Text, nullable=False),  # names the attempt; its records are tagged so
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("spans", sa.JSON, nullable=False),  # [[part, start, stop], …] stored so far
    sa.Column("status", sa.Integer, nullable=False),  # of the answer; 0 while there is none
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("expires_ms", sa.BigInteger, nullable=False),
    sa.Index(None, "expires_ms"),
    sa.Index(  # a start looks for the few that were running, among millions
        "ix_ingest_key_running",
        "domain",
        "source",
        sqlite_where=sa.text("status = 0"),
        postgresql_where=sa.text("status = 0"),
    ),
)

APPLY_RUN = sa.Table(
    "apply_run",
    METADATA,
    sa.Column("id", _NUMBERED, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),  # of the files
    sa.Column("accepted", sa.JSON, nullable=False),  # what the user agreed to lose or to leave
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # open, done, abandoned
    sa.Column("started_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),
    sqlite_autoincrement=True,
)

APPLY_STEP = sa.Table(
    "apply_step",
    METADATA,
    sa.Column("run_id", sa.ForeignKey("apply_run.id"), primary_key=True),
    sa.Column("no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("step", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # waiting, running, done, failed
    sa.Column("error", sa.Text, nullable=False),
)

APPLIED_FORM = sa.Table(
    "applied_form",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),  # database.table
    sa.Column("relation", sa.Text, nullable=False),  # database.relation of the file it comes from
    sa.Column("form", sa.JSON, nullable=False),
)

BACKFILL = sa.Table(
    "backfill",
    METADATA,
    sa.Column("id", _NUMBERED, primary_key=True),
    sa.Column("relation", sa.Text, nullable=False),  # database.relation
    sa.Column("digest", sa.Text, nullable=False),  # of its file's statements
    sa.Column("state", sa.Text, nullable=False),  # see store/backfills.py
    sa.Column("cut", sa.BigInteger, nullable=False),  # the last batch that the slices hold
    sa.Column("work", sa.JSON, nullable=False),  # its slices, and what it has made
    sa.Column("done", sa.Integer, nullable=False),  # slices that are stored
    sa.Column("upto", sa.Integer, nullable=False),  # the slice before which the next ones end
    sa.Column("started_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),
    sqlite_autoincrement=True,
)

INCIDENT = sa.Table(
    "incident",
    METADATA,
    sa.Column("id", _NUMBERED, primary_key=True),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("alert", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),  # what it is about: JSON of the key's values
    sa.Column("state", sa.Text, nullable=False),  # pending, firing, resolved
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("row", sa.JSON, nullable=False),  # the last one: its evidence
    sa.Column("since_ms", sa.BigInteger, nullable=False),
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
    sa.Column("fired_ms", sa.BigInteger),
    sa.Column("resolved_ms", sa.BigInteger),
    sa.Index(None, "domain", "alert", "state"),
    sa.Index(  # one open incident of a key, whoever looks
        "uq_incident_open",
        "domain",
        "alert",
        "key",
        unique=True,
        sqlite_where=sa.text("state <> 'resolved'"),
        postgresql_where=sa.text("state <> 'resolved'"),
    ),
    sqlite_autoincrement=True,
)

DELIVERY = sa.Table(
    "delivery",
    METADATA,
    sa.Column("id", _NUMBERED, primary_key=True),
    sa.Column("incident_id", sa.ForeignKey("incident.id"), nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),  # fired, resolved
    sa.Column("state", sa.Text, nullable=False),  # waiting, sent, failed, silenced
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_ms", sa.BigInteger, nullable=False),  # not before
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),
    sa.UniqueConstraint("incident_id", "channel", "event"),
    sa.Index(None, "state", "next_ms"),
    sqlite_autoincrement=True,
)

CHECK_RESULT = sa.Table(
    "check_result",
    METADATA,
    sa.Column("id", _NUMBERED, primary_key=True),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # passed, failed, error
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("sample", sa.JSON, nullable=False),  # the first few rows that fail
    sa.Column("took_ms", sa.BigInteger, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Index(None, "domain", "name", "at_ms"),
    sqlite_autoincrement=True,
)

SAVED_QUERY = sa.Table(
    "saved_query",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sql", sa.Text, nullable=False),
    sa.Column("database", sa.Text, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),  # how the page shows its answer
    sa.Column("saved_ms", sa.BigInteger, nullable=False),
)
