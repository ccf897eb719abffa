"""The start page in key mode: it asks for a key, signs in the browser, trades with a cookie."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.contract.keyed_market import KeyedMarket
from tests.end_to_end.test_page import CHROMIUM, browser_at, eventually, fill_in

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: apt install chromium)"
)


def test_the_page_asks_for_a_key_and_trades_with_it(tmp_path: Path) -> None:
    market = KeyedMarket(tmp_path / "market")
    pair = market.alice_pair

    async def scenario() -> None:
        async with browser_at(f"{market.served.url}/", tmp_path / "browser") as page:
            await page.until("byId('login').open")

            async def sign_in(secret: str) -> None:
                await page.run(
                    f"byId('login-key').value = '{pair.key}'; "
                    f"byId('login-secret').value = '{secret}'; "
                    "byId('login').querySelector('form').requestSubmit()"
                )

            await sign_in("wrong")
            await page.until("byId('login-message').textContent.includes('signature')")
            await sign_in(pair.secret)

            async def is_open() -> bool:
                try:
                    return await page.is_true(
                        "byId('connection').className === 'live' && book.isKnown"
                        " && account === 'alice'"
                    )
                except AssertionError:  # the page is just being loaded again
                    return False

            await eventually(is_open, "the page opens with the key")
            assert not await page.is_true("byId('login').open")
            assert "tradepit_ticket" not in str(await page.run("document.cookie"))
            await fill_in(page, side="buy", price="69000", quantity="0.01")
            await page.until("openOrders.size === 1")
            ended = await asyncio.to_thread(market.admin.send, "DELETE", f"/api/v1/keys/{pair.key}")
            assert ended.status_code == 200
            await page.until("byId('login').open")

    try:
        asyncio.run(scenario())
        items = market.reader.send("GET", "/api/v1/orders?status=open").json()["items"]
        assert [item["client_id"] for item in items] == ["alice"]
    finally:
        market.close()
