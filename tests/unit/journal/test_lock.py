import os
import subprocess
import sys

import pytest

from tradepit.journal.lock import AlreadyRunning, DirectoryLock


def test_a_second_lock_is_refused_and_names_the_holder(tmp_path):
    with DirectoryLock(tmp_path / "lock"):
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}") as caught:
            DirectoryLock(tmp_path / "lock")
        assert str(tmp_path) in str(caught.value)
    DirectoryLock(tmp_path / "lock").release()


def test_a_killed_holder_leaves_no_lock_behind(tmp_path):
    program = (
        "import sys, pathlib, os, signal\n"
        "from tradepit.journal.lock import DirectoryLock\n"
        "DirectoryLock(pathlib.Path(sys.argv[1]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "lock"
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert path.exists()
    DirectoryLock(path).release()
