"""Secrets at rest: AES-256-GCM under a master key that does not lie beside them in clear.

What is sealed is bound to its row (`context`): a secret copied to another key, account or
permission does not open.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASTER_BYTES: Final = 32
NONCE_BYTES: Final = 12
PRIVATE: Final = 0o600


class MasterKeyError(Exception):
    """The master key is missing, readable by others, or not the one that sealed."""


class Seal:
    """Seals and opens secrets."""

    def __init__(self, master: bytes) -> None:
        self._cipher = AESGCM(master)

    def close(self, secret: bytes, context: bytes) -> bytes:
        """Return the sealed secret; never the same twice."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return the secret.

        Raises:
            MasterKeyError: sealed under another master key, or the row was tampered with.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except InvalidTag:
            raise MasterKeyError(
                "a secret does not open: another master key sealed it, or its row was changed"
            ) from None


def master_from_text(text: str) -> bytes:
    """Return the key of 64 hexadecimal digits."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != MASTER_BYTES:
        raise MasterKeyError("the master key is 64 hexadecimal digits")
    return key


def master_from_file(path: Path) -> bytes:
    """Return the key in a file that only its owner can read."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise MasterKeyError(f"{path} can be read by others (mode {mode:o}): chmod 600 it")
        return master_from_text(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise MasterKeyError(f"the master key cannot be read: {error}") from None


def make_master_file(path: Path) -> None:
    """Write a new master key, durably, unless the file is there."""
    text = os.urandom(MASTER_BYTES).hex().encode() + b"\n"
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE)
    try:
        os.write(descriptor, text)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        # A link, not a rename: of two that start at once, one wins and both read the same key.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Return when the names in the directory are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
