"""What README.md and the notebook show is what happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tradepit.testing.fixtures import FreshNode

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
NOTEBOOK = ROOT / "docs" / "first_experiment.ipynb"
ADDRESS = "http://127.0.0.1:8080"
FILE_BYTES_MAX = 500_000
NOTEBOOK_SECONDS = 120

EXECUTE = """
import sys
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
kernel = AsyncKernelManager(transport="ipc", ip=sys.argv[2] + ".socket", kernel_name="python3")
NotebookClient(notebook, timeout=60, km=kernel).execute()
nbformat.write(notebook, sys.argv[2])
"""
"""In a process of its own: its libraries leave sockets to the garbage collector."""

PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SHELL = re.findall(r"^    (curl (?:.*\\\n)*.*)$", README, re.MULTILINE)
TRADES = [command for command in SHELL if "/orders" in command]
"""The others look at the makers of a demonstration; `test_demo` runs them."""


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_python_of_the_readme_runs(
    number: int, tradepit_node: FreshNode, capsys: pytest.CaptureFixture[str]
) -> None:
    code = PYTHON[number].replace(ADDRESS, tradepit_node.url)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)
    for name, value in names.items():
        if name.startswith("test_"):
            value(tradepit_node.market.fork())
    said = capsys.readouterr().out
    for expected in re.findall(r"\)  # (.*)$", code, re.MULTILINE):
        assert expected in said
    assert said or any(name.startswith("test_") for name in names)


def test_the_readme_has_examples() -> None:
    assert len(PYTHON) >= 4
    assert TRADES


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("command", TRADES)
def test_shell_of_the_readme_runs(command: str, tradepit_node: FreshNode) -> None:
    assert ADDRESS in command
    shell = command.replace(ADDRESS, tradepit_node.url)
    answer = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=30)
    assert json.loads(answer.stdout)["client_id"] == "you", answer.stderr


def test_the_notebook_runs_and_says_what_it_said(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    pytest.importorskip("matplotlib")
    executed = tmp_path / "executed.ipynb"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", EXECUTE, str(NOTEBOOK), str(executed)]
    subprocess.run(command, check=True, timeout=NOTEBOOK_SECONDS, env=environment)
    shown, run = (nbformat.read(path, as_version=4) for path in (NOTEBOOK, executed))
    assert texts(run) == texts(shown)
    assert pictures(run) == pictures(shown) == 4
    assert NOTEBOOK.stat().st_size < FILE_BYTES_MAX


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def texts(notebook: Any) -> list[str]:
    """What the cells print and return, without the addresses of pictures."""
    found = [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in outputs(notebook)
    ]
    return [text for text in found if not text.startswith("<Figure")]


def pictures(notebook: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))
