"""The tables of a spool."""

from __future__ import annotations

from typing import Final

FORMAT: Final = 1  # of the file; `PRAGMA user_version`

# `totals` is kept by triggers, so that a post costs the same however many jobs wait.
SCHEMA: Final = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    idempotency_key TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    task TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'spooled' CHECK (state IN ('spooled', 'flushed', 'refused')),
    body TEXT CHECK ((body IS NULL) = (state = 'flushed')),
    answer TEXT CHECK ((answer IS NULL) = (state = 'spooled')),
    bytes INTEGER NOT NULL,
    spooled_at REAL NOT NULL,
    tried_at REAL,
    ended_at REAL,
    told INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_state ON jobs (state, number);
CREATE INDEX jobs_by_try ON jobs (tried_at) WHERE state = 'spooled' AND tried_at IS NOT NULL;
CREATE INDEX jobs_by_end ON jobs (ended_at) WHERE state = 'flushed';
CREATE INDEX jobs_untold ON jobs (number) WHERE told = 0 AND state <> 'spooled';
CREATE TABLE totals (state TEXT PRIMARY KEY, jobs INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals VALUES ('spooled', 0, 0), ('flushed', 0, 0), ('refused', 0, 0);
CREATE TRIGGER job_added AFTER INSERT ON jobs BEGIN
    UPDATE totals SET jobs = jobs + 1, bytes = bytes + new.bytes WHERE state = new.state;
END;
CREATE TRIGGER job_deleted AFTER DELETE ON jobs BEGIN
    UPDATE totals SET jobs = jobs - 1, bytes = bytes - old.bytes WHERE state = old.state;
END;
CREATE TRIGGER job_moved AFTER UPDATE OF state ON jobs BEGIN
    UPDATE totals SET jobs = jobs - 1, bytes = bytes - old.bytes WHERE state = old.state;
    UPDATE totals SET jobs = jobs + 1, bytes = bytes + new.bytes WHERE state = new.state;
END;
CREATE TABLE secret_args (task TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (task, name)) WITHOUT ROWID;
CREATE TABLE learnt (at REAL NOT NULL);
"""
