"""The tables of the state directory's one database, and the number that says which tables they are."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x42424554  # "BBET": tells our database from any other
VERSION: Final = 1

OFFSET_BITS: Final = 40
"""A record's row id is its partition's id and its offset: one range of ids is one partition, in order."""

# Names and keys are blobs: UTF-8 with lone surrogates let through sorts by code point and keeps any text.
SCHEMA: Final = """
CREATE TABLE topics (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE);
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    topic INTEGER NOT NULL,
    number INTEGER NOT NULL,
    low INTEGER NOT NULL DEFAULT 0,
    high INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, number)
);
CREATE TABLE records (id INTEGER PRIMARY KEY, value BLOB NOT NULL, key BLOB, headers TEXT, at INTEGER NOT NULL);
CREATE TABLE groups (id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, name BLOB NOT NULL, UNIQUE (topic, name));
CREATE TABLE members (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    grp INTEGER NOT NULL,
    process TEXT NOT NULL,
    seen INTEGER NOT NULL
);
CREATE INDEX members_of ON members (grp);
CREATE TABLE offsets (
    grp INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    next INTEGER NOT NULL,
    member INTEGER,
    PRIMARY KEY (grp, partition)
) WITHOUT ROWID;

CREATE TABLE writes (
    seq INTEGER PRIMARY KEY,
    collection BLOB NOT NULL,
    key BLOB NOT NULL,
    value TEXT,
    at INTEGER NOT NULL
);
CREATE TABLE documents (
    collection BLOB NOT NULL,
    key BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (collection, key)
) WITHOUT ROWID;
CREATE TABLE feed (low INTEGER NOT NULL);
INSERT INTO feed (low) VALUES (0);

CREATE TABLE cache_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    scored INTEGER NOT NULL,
    number INTEGER NOT NULL CHECK (typeof(number) = 'integer'),
    expires INTEGER
);
CREATE INDEX cache_expiry ON cache_keys (expires) WHERE expires IS NOT NULL;
CREATE TABLE cache_members (
    owner INTEGER NOT NULL,
    member BLOB NOT NULL,
    score INTEGER NOT NULL,
    PRIMARY KEY (owner, member)
) WITHOUT ROWID;
CREATE INDEX cache_scores ON cache_members (owner, score, member);
CREATE TABLE cache_garbage (owner INTEGER PRIMARY KEY);
CREATE TABLE locks (key BLOB PRIMARY KEY, owner BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE channels (id INTEGER PRIMARY KEY, channel BLOB NOT NULL, message BLOB NOT NULL);

CREATE TABLE nodes (
    path BLOB PRIMARY KEY,
    parent BLOB NOT NULL,
    data BLOB NOT NULL,
    version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX nodes_of ON nodes (parent, path);
CREATE TABLE leases (
    name BLOB PRIMARY KEY,
    fencing INTEGER NOT NULL,
    owner BLOB,
    until INTEGER NOT NULL,
    process TEXT NOT NULL
) WITHOUT ROWID;
"""


def encode(text: str) -> bytes:
    """Return the blob that *text* is kept as."""
    return text.encode("utf-8", "surrogatepass")


def decode(blob: bytes) -> str:
    """Return the text that a blob keeps."""
    return blob.decode("utf-8", "surrogatepass")


def end_of_prefix(prefix: bytes) -> bytes:
    """Return a bound that sorts after every text that starts with *prefix*: no UTF-8 has a byte 0xff."""
    return prefix + b"\xff"
