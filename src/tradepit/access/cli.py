"""`tradepit keys`: the first admin key, and what an operator does beside the node."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from tradepit.access.access import open_keys
from tradepit.access.keys import KeyRecord, KeyStore, TooManyKeys
from tradepit.access.principals import PERMISSIONS, Permission
from tradepit.access.sealing import MasterKeyError

MASTER_KEY_VARIABLE: Final = "TRADEPIT_ACCESS__MASTER_KEY"
MASTER_FILE_VARIABLE: Final = "TRADEPIT_ACCESS__MASTER_KEY_FILE"

app = typer.Typer(
    no_args_is_help=True,
    help="Keys of a node in key mode: make, list, revoke; beside a running node too.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
DataDir = Annotated[
    Path, typer.Option("--data-dir", help="The node's data directory.", file_okay=False)
]
MasterFile = Annotated[
    Path | None,
    typer.Option(
        "--master-key-file",
        envvar=MASTER_FILE_VARIABLE,
        help="Seals the secrets; default: access/master.key in the data directory.",
    ),
]
MasterKey = Annotated[
    str | None,
    typer.Option(envvar=MASTER_KEY_VARIABLE, hidden=True, help="64 hexadecimal digits."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)


@app.command()
def create(
    admin: Annotated[bool, typer.Option("--admin", help="A key of the operator.")] = False,
    account: Annotated[str | None, typer.Option(help="The account it speaks for.")] = None,
    permission: Annotated[str, typer.Option(help="Of an account's key: read or trade.")] = "trade",
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    data_dir: DataDir = Path("data"),
    master_key_file: MasterFile = None,
    master_key: MasterKey = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show its secret, once."""
    if admin == (account is not None):
        raise _fail("give --admin, or --account with its id")
    wanted = Permission.ADMIN if admin else PERMISSIONS.get(permission)
    if wanted is None or (not admin and wanted is Permission.ADMIN):
        raise _fail("the permission of an account's key is read or trade")
    keys = _open(data_dir, master_key_file, master_key)
    try:
        made = keys.create(account, wanted, label)
    except TooManyKeys:
        raise _fail("there are too many keys of this owner; revoke some") from None
    finally:
        keys.close()
    if as_json:
        print(json.dumps({"api_key": made.record.id, "api_secret": made.secret}))
        return
    console.print(f"key     {made.record.id}", highlight=False)
    console.print(f"secret  {made.secret}", highlight=False)
    console.print("The secret is shown this once; nobody can read it back.", highlight=False)


@app.command("list")
def list_keys(
    data_dir: DataDir = Path("data"),
    master_key_file: MasterFile = None,
    master_key: MasterKey = None,
    as_json: AsJson = False,
) -> None:
    """Show all keys, without secrets."""
    keys = _open(data_dir, master_key_file, master_key)
    rows = [_facts(record) for record in keys.all()]
    keys.close()
    if as_json:
        print(json.dumps(rows))
        return
    table = Table("key", "account", "permission", "label", "created", "revoked")
    for row in rows:
        table.add_row(*(str(value or "") for value in row.values()))
    console.print(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The id of the key.")],
    data_dir: DataDir = Path("data"),
    master_key_file: MasterFile = None,
    master_key: MasterKey = None,
) -> None:
    """Revoke a key; a running node closes what it opened within a second."""
    keys = _open(data_dir, master_key_file, master_key)
    try:
        record = keys.find(key)
        if record is None:
            raise _fail(f"there is no key {key}")
        keys.revoke(record)
    finally:
        keys.close()
    console.print(f"{key} is revoked", highlight=False)


def _open(data_dir: Path, master_file: Path | None, master_key: str | None) -> KeyStore:
    try:
        return open_keys(data_dir, master_key=master_key, master_file=master_file)
    except (MasterKeyError, OSError) as error:
        raise _fail(str(error)) from None


def _facts(record: KeyRecord) -> dict[str, str | None]:
    revoked = record.revoked_at_ns
    return {
        "key": record.id,
        "account": record.principal.account,
        "permission": record.principal.permission.word,
        "label": record.label,
        "created_at": _time(record.created_at_ns),
        "revoked_at": None if revoked is None else _time(revoked),
    }


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()


def _fail(text: str) -> typer.Exit:
    errors.print(f"tradepit: {text}", style="red", highlight=False)
    return typer.Exit(1)
