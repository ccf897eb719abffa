"""Who uses a folder of an index: shared by readers, alone for who makes or removes it.

The lock is the kernel's, on a file in the folder, so it ends with its process. The time of that
file says when the index was opened last.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

LOCK_NAME: Final = "lock"


class InUse(Exception):
    """Somebody else uses the folder, or it is gone."""


class FolderLock:
    """A lock on one folder; several of one process exclude each other like those of several."""

    def __init__(self, folder: Path, *, alone: bool) -> None:
        """
        Raises: InUse.
        """
        path = folder / LOCK_NAME
        try:
            self._descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if alone else 0), 0o644)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InUse(str(folder)) from error
        try:
            self._lock(fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            # Whoever removed the folder first did so under the lock.
            if os.fstat(self._descriptor).st_nlink == 0 or not path.exists():
                raise InUse(str(folder))
        except BaseException:
            self.release()
            raise

    def share(self) -> None:
        """Let readers in, without letting go in between."""
        self._lock(fcntl.LOCK_SH)

    def note_use(self) -> None:
        """Say that the folder is used now."""
        os.utime(self._descriptor)

    def release(self) -> None:
        """Let go; again is nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _lock(self, kind: int) -> None:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(str(self._descriptor)) from error
