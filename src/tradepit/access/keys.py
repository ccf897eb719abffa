"""Keys in a file of their own, beside the journal: never in it, and not in the SQL history.

The history may be dropped, rebuilt or restored from an hour ago, and must stay a view; keys are
primary data, and a restored table would bring revoked keys back. A node reads them all into memory;
`tradepit keys` may change the file beside it, which the node sees within a second (`refresh`).
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tradepit.access.principals import Permission, Principal
from tradepit.access.sealing import PRIVATE, MasterKeyError, Seal

FILE_NAME: Final = "keys.sqlite"
KEYS_OF_ACCOUNT_MAX: Final = 32
"""Keys of one account that are not revoked."""

LABEL_MAX: Final = 64
BUSY_MS: Final = 5_000
KEY_PREFIX: Final = "tk"
KEY_BYTES: Final = 12
SECRET_BYTES: Final = 32

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS keys (
  id TEXT PRIMARY KEY,
  account TEXT,               -- null: the operator's
  permission INTEGER NOT NULL,
  label TEXT NOT NULL,
  sealed BLOB NOT NULL,       -- the secret under the master key
  created_at INTEGER NOT NULL, -- ns since the Unix epoch
  revoked_at INTEGER,
  change INTEGER NOT NULL      -- rises with every change of any row
);
CREATE INDEX IF NOT EXISTS keys_by_account ON keys (account);
CREATE INDEX IF NOT EXISTS keys_by_change ON keys (change);
"""
_COLUMNS: Final = "id, account, permission, label, sealed, created_at, revoked_at, change"


Row = tuple[str, str | None, int, str, bytes, int, int | None, int]


class TooManyKeys(Exception):
    """The account has as many keys as it may have."""


@dataclass(slots=True)
class KeyRecord:
    """One key; its secret stays sealed until it is needed."""

    principal: Principal
    label: str
    sealed: bytes
    created_at_ns: int
    revoked_at_ns: int | None
    secret: bytes | None = None

    @property
    def id(self) -> str:
        return self.principal.key_id


class NewKey(NamedTuple):
    """A key just made: the only time its secret is in clear."""

    record: KeyRecord
    secret: str


class KeyStore:
    """The keys of one data directory."""

    def __init__(self, path: Path, seal: Seal) -> None:
        is_new = not path.exists()
        if is_new:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, PRIVATE))
        self._seal = seal
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
        )
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)
        self._records: dict[str, KeyRecord] = {}
        self._of_account: dict[str | None, dict[str, None]] = {}
        self._change = 0
        self._version = -1
        self.refresh()

    def find(self, key_id: str) -> KeyRecord | None:
        """The key of an id, revoked ones too."""
        return self._records.get(key_id)

    def secret_of(self, record: KeyRecord) -> bytes:
        """The secret of a key; raises MasterKeyError."""
        if record.secret is None:
            record.secret = self._seal.open(record.sealed, _context(record))
        return record.secret

    def of_account(self, account: str | None) -> list[KeyRecord]:
        """The keys of an account, None for the operator's; oldest first."""
        return [self._records[id] for id in self._of_account.get(account, ())]

    def all(self) -> Iterator[KeyRecord]:
        """Every key."""
        return iter(self._records.values())

    def create(self, account: str | None, permission: Permission, label: str = "") -> NewKey:
        """Make a key, durably; raises TooManyKeys."""
        made = self.draft(account, permission, label)
        self.write(made.record)
        self.keep(made.record)
        return made

    def draft(self, account: str | None, permission: Permission, label: str) -> NewKey:
        """Make a key that is good for nothing before it is written and kept.

        Raises:
            TooManyKeys: the account has `KEYS_OF_ACCOUNT_MAX`.
        """
        live = [each for each in self.of_account(account) if each.revoked_at_ns is None]
        if len(live) >= KEYS_OF_ACCOUNT_MAX:
            raise TooManyKeys
        secret = secrets.token_urlsafe(SECRET_BYTES)
        key_id = f"{KEY_PREFIX}{secrets.token_hex(KEY_BYTES)}"
        principal = Principal(key_id, account, permission)
        record = KeyRecord(principal, label, b"", time.time_ns(), None, secret.encode())
        record.sealed = self._seal.close(secret.encode(), _context(record))
        return NewKey(record, secret)

    def write(self, record: KeyRecord) -> None:
        """Write a new key, durably. It blocks for a sync, and touches nothing but the file: call
        it beside the event loop, and `keep` on it."""
        principal = record.principal
        self._change_file(
            f"INSERT INTO keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
            (
                record.id,
                principal.account,
                int(principal.permission),
                record.label,
                record.sealed,
                record.created_at_ns,
            ),
        )

    def keep(self, record: KeyRecord) -> None:
        """Take a written key into memory."""
        self._records[record.id] = record
        self._of_account.setdefault(record.principal.account, {})[record.id] = None

    def write_revoked(self, record: KeyRecord, now_ns: int) -> None:
        """Write that a key is revoked, durably; it blocks as `write` does."""
        self._change_file(
            "UPDATE keys SET revoked_at = ?1, change = ?3 WHERE id = ?2 AND revoked_at IS NULL",
            (now_ns, record.id),
        )

    def revoke(self, record: KeyRecord) -> None:
        """Revoke a key, durably."""
        now_ns = time.time_ns()
        self.write_revoked(record, now_ns)
        record.revoked_at_ns = record.revoked_at_ns or now_ns

    def _change_file(self, statement: str, values: tuple[object, ...]) -> None:
        """Run a statement whose last parameter is the number of this change."""
        connection = self._connection
        with self._lock:
            connection.execute("BEGIN IMMEDIATE")
            try:
                row = connection.execute("SELECT coalesce(max(change), 0) + 1 FROM keys").fetchone()
                connection.execute(statement, (*values, row[0]))
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def refresh(self) -> list[str]:
        """Take over what another process has changed; the ids of keys that were revoked."""
        if not self._lock.acquire(blocking=False):
            return []
        try:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            if version == self._version:
                return []
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM keys WHERE change > ? ORDER BY change", (self._change,)
            ).fetchall()
            self._version = version
            return self._take_over(rows)
        finally:
            self._lock.release()

    def _take_over(self, rows: list[Row]) -> list[str]:
        revoked = []
        for key_id, account, permission, label, sealed, created, revoked_at, change in rows:
            self._change = change
            known = self._records.get(key_id)
            if known is None:
                principal = Principal(key_id, account, Permission(permission))
                self.keep(KeyRecord(principal, label, sealed, created, revoked_at))
            else:
                known.revoked_at_ns = revoked_at
            if revoked_at is not None:
                revoked.append(key_id)
        return revoked

    def check(self) -> None:
        """Open one secret, so that a wrong master key is found at the start.

        Raises:
            MasterKeyError: it does not open.
        """
        for record in self._records.values():
            try:
                self.secret_of(record)
            except MasterKeyError as error:
                raise MasterKeyError(f"key {record.id}: {error}") from None
            return

    def close(self) -> None:
        self._connection.close()


def _context(record: KeyRecord) -> bytes:
    """What a sealed secret is bound to."""
    principal = record.principal
    account = "" if principal.account is None else f"={principal.account}"
    return f"tradepit key\n{principal.key_id}\n{account}\n{int(principal.permission)}".encode()
