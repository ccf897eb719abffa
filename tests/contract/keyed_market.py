"""A market in key mode, and one client for each principal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contract.recordings import write_recording
from tests.contract.served_market import ServedMarket
from tests.contract.signing import Pair, SignedHttp

from tradepit.access.access import AccessOptions, open_keys
from tradepit.access.principals import Permission
from tradepit.access.rates import Rate
from tradepit.gateway.config import GatewayConfig
from tradepit.projections.database import default_url

RECORDING = "small.dbn"
"""A recording that every key may replay."""

UNLIMITED = Rate(1e9, 1e9)
OPTIONS = AccessOptions(
    key_rate=UNLIMITED, address_rate=UNLIMITED, failure_rate=UNLIMITED, nonce_slots=1 << 16
)


class KeyedMarket:
    """A market that wants keys; `alice` may trade, `reader` only read her account, `bob` is
    somebody else."""

    def __init__(
        self,
        root: Path,
        *,
        hot_path: bool = True,
        options: AccessOptions = OPTIONS,
        has_history: bool = False,
    ) -> None:
        keys = open_keys(root, slots=options.nonce_slots)
        made = keys.create(None, Permission.ADMIN)
        keys.close()
        self.admin_pair = Pair(made.record.id, made.secret)
        recordings = root / "recordings"
        recordings.mkdir(exist_ok=True)
        write_recording(recordings / RECORDING, messages=500)
        config = GatewayConfig(hot_path=hot_path, read_wait_max=0.3, recordings=(str(recordings),))
        self.root, self.config, self.options = root, config, options
        self.database_url = default_url(root) if has_history else None
        self.served = self._serve()
        self.clients: list[SignedHttp] = []
        self.admin = self.client(self.admin_pair)
        self.alice_pair = self.open_account("alice")
        self.bob_pair = self.open_account("bob")
        self.reader_pair = self.make_key("alice", "read")
        self.alice = self.client(self.alice_pair)
        self.bob = self.client(self.bob_pair)
        self.reader = self.client(self.reader_pair)
        self.nobody = self.client(None)
        self.stranger = self.client(Pair(self.alice_pair.key, "x" * 43))

    def _serve(self, *, has_feed_process: bool = True) -> ServedMarket:
        return ServedMarket(
            self.root,
            self.config,
            access=self.options,
            database_url=self.database_url,
            has_feed_process=has_feed_process,
        )

    @property
    def port(self) -> int:
        return self.served.port

    def client(self, pair: Pair | None) -> SignedHttp:
        client = SignedHttp(self.served.url, pair)
        self.clients.append(client)
        return client

    def open_account(self, name: str) -> Pair:
        answer = self.admin.send("POST", "/api/v1/accounts", {"id": name})
        assert answer.status_code == 201, answer.text
        return pair_of(answer.json())

    def make_key(self, account: str, permission: str) -> Pair:
        body = {"permission": permission}
        answer = self.admin.send("POST", f"/api/v1/accounts/{account}/keys", body)
        assert answer.status_code == 201, answer.text
        return pair_of(answer.json())

    def restart(self) -> None:
        self.served.stop()
        self.served = self._serve(has_feed_process=False)  # quick: requests have a window of 5 s
        for client in self.clients:
            client.http.base_url = self.served.url  # type: ignore[assignment]

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.served.stop()


def pair_of(answer: Any) -> Pair:
    return Pair(answer["api_key"], answer["api_secret"])


def order(side: str = "buy", price: str = "69000", **more: Any) -> dict[str, Any]:
    """The body of an order."""
    return {"instrument": "BTC-USD", "side": side, "price": price, "quantity": "0.01"} | more
