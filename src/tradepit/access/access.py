"""The door in key mode: what a request shows goes in, who speaks comes out, or why nobody does."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from tradepit.access.keys import FILE_NAME as KEYS_FILE
from tradepit.access.keys import KeyRecord, KeyStore, NewKey
from tradepit.access.nonces import FILE_NAME as NONCES_FILE
from tradepit.access.nonces import (
    SLOTS,
    NonceLog,
    NonceLogUnusable,
    NonceUsed,
    NotYet,
    make_nonce_log,
)
from tradepit.access.principals import Permission, Principal
from tradepit.access.rates import ADDRESS_RATE, FAILURE_RATE, KEY_RATE, Buckets, Rate, RateExceeded
from tradepit.access.sealing import (
    MasterKeyError,
    Seal,
    make_master_file,
    master_from_file,
    master_from_text,
    sync_directory,
)
from tradepit.access.sessions import Sessions
from tradepit.access.signature import (
    TIMESTAMP_DIGITS_MAX,
    Signed,
    is_nonce,
    is_signature,
    message_of,
)

DIRECTORY: Final = "access"
MASTER_FILE: Final = "master.key"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessOptions:
    """What can be set about key mode."""

    window_ms: int = 5_000
    """How far a request's timestamp may lie from the node's clock."""
    session_s: float = 3_600.0
    key_rate: Rate = KEY_RATE
    """Requests, batch operations and socket messages of one key."""
    address_rate: Rate = ADDRESS_RATE
    """Requests from one address, whoever sends them."""
    failure_rate: Rate = FAILURE_RATE
    """Failed authentications of one address."""
    proxies: frozenset[str] = frozenset()
    """Addresses whose X-Forwarded-For is believed."""
    nonce_slots: int = SLOTS


class AccessDenied(Exception):
    """Nobody is let in; `code` is the interface's word for why."""

    def __init__(self, code: str, detail: str = "", *, retry_after_s: int = 0) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s


class Access:
    """Keys, nonces, sessions and rates of one node. Made by `open_access`."""

    def __init__(
        self,
        keys: KeyStore,
        nonces: NonceLog,
        options: AccessOptions,
        *,
        now_ms: Callable[[], int],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keys = keys
        self.options = options
        self.sessions = Sessions(options.session_s)
        self.failed_count = 0
        self.on_ended: Callable[[], None] = lambda: None
        """Called after keys were revoked or sessions ended, so that their sockets are closed."""
        self._nonces = nonces
        self._now_ms = now_ms
        self._now_s = now_s
        self._of_keys = Buckets(options.key_rate)
        self._of_addresses = Buckets(options.address_rate)
        self._of_failures = Buckets(options.failure_rate)
        self._nobody = secrets.token_bytes(32)
        """The secret that unknown keys are compared with, so that they take as long."""

    def admit(self, address: str) -> None:
        """Count a request of an address before anything of it is looked at.

        Raises:
            AccessDenied: rate_limited.
        """
        now_s = self._now_s()
        try:
            self._of_failures.require(address, now_s)
            self._of_addresses.take(address, now_s)
        except RateExceeded as error:
            raise _too_many(error, "address") from None

    def principal_of(self, key: bytes) -> Principal | None:
        """Who a key would stand for, whoever shows it: nothing is proved yet."""
        record = self.keys.find(key.decode("latin-1"))
        return None if record is None else record.principal

    def authenticate(
        self,
        signed: Signed,
        *,
        method: bytes,
        path: bytes,
        raw_query: bytes,
        body: bytes,
        address: str,
    ) -> Principal:
        """Return who signed a request, and use up its nonce.

        Raises:
            AccessDenied: unauthenticated, timestamp_outside_window, nonce_used, rate_limited or
                not_available. Unknown keys and wrong signatures are told the same.
        """
        now_ms = self._now_ms()
        timestamp_ms = self._timestamp(signed.timestamp, now_ms, address)
        record = self.keys.find(signed.key.decode("latin-1"))
        secret = self._nobody
        is_known = record is not None and record.revoked_at_ns is None
        if record is not None:
            try:
                secret = self.keys.secret_of(record)
            except MasterKeyError as error:
                log.error("a key does not open", key=record.id, error=str(error))
                is_known = False
        message = message_of(signed, method=method, path=path, raw_query=raw_query, body=body)
        is_right = is_signature(secret, message, signed.signature)
        if record is None or not (is_right and is_known and is_nonce(signed.nonce)):
            raise self.failure(address)
        try:
            self._nonces.use(record.id, signed.nonce, timestamp_ms, now_ms)
        except NonceUsed:
            raise self.failure(address, "nonce_used") from None
        except NotYet as error:
            wait_s = error.wait_ms // 1000 + 1
            detail = "the node cannot know yet whether this request was used; sign it again later"
            raise AccessDenied("not_available", detail, retry_after_s=wait_s) from None
        except NonceLogUnusable as error:
            log.error("no nonce can be recorded", error=str(error))
            raise AccessDenied("not_available", "nonces cannot be recorded now") from None
        self.charge(record.principal)
        return record.principal

    def _timestamp(self, text: bytes, now_ms: int, address: str) -> int:
        if not (text.isdigit() and len(text) <= TIMESTAMP_DIGITS_MAX):
            raise self.failure(address)
        timestamp_ms = int(text)
        ahead_ms = timestamp_ms - now_ms
        window_ms = self.options.window_ms
        if not -window_ms < ahead_ms <= window_ms:
            side = "ahead of" if ahead_ms > 0 else "behind"
            detail = f"{abs(ahead_ms)} ms {side} the node's clock; {window_ms} ms are allowed"
            raise self.failure(address, "timestamp_outside_window", detail)
        return timestamp_ms

    def charge(self, principal: Principal, count: int = 1) -> None:
        """Count requests of a key.

        Raises:
            AccessDenied: rate_limited.
        """
        try:
            self._of_keys.take(principal.key_id, self._now_s(), count)
        except RateExceeded as error:
            raise _too_many(error, "key") from None

    def by_ticket(self, ticket: str, address: str) -> Principal:
        """Return who a ticket stands for.

        Raises:
            AccessDenied: unauthenticated or rate_limited.
        """
        principal = self.sessions.find(ticket, self._now_s())
        if principal is None:
            raise self.failure(address)
        self.charge(principal)
        return principal

    def failure(
        self, address: str, code: str = "unauthenticated", detail: str = ""
    ) -> AccessDenied:
        """Count a failed authentication; the exception to raise."""
        self.failed_count += 1
        self._of_failures.spend(address, self._now_s())
        return AccessDenied(code, detail)

    def is_valid(self, principal: Principal) -> bool:
        """Whether what was let in once still would be."""
        record = self.keys.find(principal.key_id)
        if record is None or record.revoked_at_ns is not None:
            return False
        session_id = principal.session_id
        return session_id is None or self.sessions.is_open(session_id, self._now_s())

    async def create_key(self, account: str | None, permission: Permission, label: str) -> NewKey:
        """Make a key; it works when this returns. Raises TooManyKeys."""
        made = self.keys.draft(account, permission, label)
        await asyncio.to_thread(self.keys.write, made.record)
        self.keys.keep(made.record)
        log.info("key created", key=made.record.id, account=account, permission=permission.word)
        return made

    async def revoke_key(self, record: KeyRecord) -> None:
        """Revoke a key and end what it opened; nothing is let in when this returns."""
        now_ns = time.time_ns()
        await asyncio.to_thread(self.keys.write_revoked, record, now_ns)
        record.revoked_at_ns = record.revoked_at_ns or now_ns
        self.sessions.end_of_key(record.id)
        self.on_ended()
        log.info("key revoked", key=record.id)

    def open_session(self, principal: Principal, permission: Permission) -> tuple[str, str]:
        """Return the ticket of a new session, and its id; raises TooManySessions."""
        return self.sessions.open(principal, permission, self._now_s())

    def end_session(self, principal: Principal) -> None:
        """End the session of a ticket; without one, all sessions of the key."""
        if principal.session_id is None:
            self.sessions.end_of_key(principal.key_id)
        else:
            self.sessions.end(principal.session_id)
        self.on_ended()

    def sweep(self) -> None:
        """Look for keys that were changed beside the node, and for sessions that are over."""
        for key_id in self.keys.refresh():
            self.sessions.end_of_key(key_id)
        self.sessions.sweep(self._now_s())
        self.on_ended()

    def address_of(self, peer: str, forwarded: bytes | None) -> str:
        """The address that rates count: the peer's, or the one that a known proxy names last."""
        if forwarded is None or peer not in self.options.proxies:
            return peer
        return forwarded.rpartition(b",")[2].strip().decode("latin-1") or peer

    def close(self) -> None:
        """Close the files."""
        self._nonces.close()
        self.keys.close()


def _too_many(error: RateExceeded, whose: str) -> AccessDenied:
    detail = f"too many requests of this {whose}"
    return AccessDenied("rate_limited", detail, retry_after_s=error.retry_after_s)


def prepare_directory(data_dir: Path, *, slots: int = SLOTS) -> Path:
    """Make the folder of key mode with an empty nonce log, unless keys are there already."""
    directory = data_dir / DIRECTORY
    data_dir.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    if not (directory / KEYS_FILE).exists() and not (directory / NONCES_FILE).exists():
        make_nonce_log(directory / NONCES_FILE, slots)
    sync_directory(data_dir)
    return directory


def open_keys(
    data_dir: Path,
    *,
    master_key: str | None = None,
    master_file: Path | None = None,
    slots: int = SLOTS,
) -> KeyStore:
    """Open the keys of a data directory, made on first use.

    Args:
        master_key: 64 hexadecimal digits; None: it lies in a file.
        master_file: that file; None: `access/master.key`, made on first use.
    Raises:
        MasterKeyError: no master key, or not the one that sealed the keys.
    """
    directory = prepare_directory(data_dir, slots=slots)
    if master_key is not None:
        master = master_from_text(master_key)
    else:
        path = master_file or directory / MASTER_FILE
        if master_file is None and not path.exists():
            if (directory / KEYS_FILE).exists():
                raise MasterKeyError(f"{path} is gone, and the keys are sealed under it")
            make_master_file(path)
        master = master_from_file(path)
    keys = KeyStore(directory / KEYS_FILE, Seal(master))
    sync_directory(directory)
    try:
        keys.check()
    except MasterKeyError:
        keys.close()
        raise
    return keys


def open_access(
    data_dir: Path,
    options: AccessOptions,
    *,
    master_key: str | None = None,
    master_file: Path | None = None,
    now_ms: Callable[[], int] | None = None,
) -> Access:
    """Open key mode for a data directory whose lock the caller holds; raises MasterKeyError."""
    clock = now_ms or _wall_ms
    slots = options.nonce_slots
    keys = open_keys(data_dir, master_key=master_key, master_file=master_file, slots=slots)
    path = data_dir / DIRECTORY / NONCES_FILE
    nonces = NonceLog(path, window_ms=options.window_ms, now_ms=clock(), slots=slots)
    return Access(keys, nonces, options, now_ms=clock)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
