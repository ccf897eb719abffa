"""The start page in a real browser on a real node: buy, see the queue shrink, see the fill.

Chromium is driven over its DevTools socket; without Chromium the tests are skipped.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
DEMO = (sys.executable, "-m", "tradepit.cli", "demo", "--port", "0", "--rate", "100")
PATIENCE_S = 30.0
"""How long anything may take that is going to happen; a loaded machine needs several seconds."""

SYMBOL = "LTC-USD"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: apt install chromium)"
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A demo node with live flow on a free port."""
    data_dir = tmp_path_factory.mktemp("node")
    node = subprocess.Popen(
        [*DEMO, "--data-dir", str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert node.stdout is not None
        found = None
        while found is None:
            line = node.stdout.readline()
            assert line, "the node ended before it said where it serves"
            found = re.search(r"http://[\d.]+:\d+", line)
        yield found[0]
    finally:
        node.terminate()
        node.communicate(timeout=PATIENCE_S)


class Browser(WSListener):
    """One tab of a headless Chromium."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._parts = b""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._parts += frame.get_payload_as_bytes()
        if not frame.fin or frame.msg_type == WSMsgType.CLOSE:
            return
        message = json.loads(self._parts)
        self._parts = b""
        if "id" in message:
            self._waiting.pop(message["id"]).set_result(message)
        elif message["method"] == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(message["params"]["exceptionDetails"]))

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = self._number = self._number + 1
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        body = {"id": number, "method": method, "params": parameters}
        self.transport.send(WSMsgType.TEXT, json.dumps(body).encode())
        message = await asyncio.wait_for(answer, PATIENCE_S)
        assert "error" not in message, message
        result: dict[str, Any] = message["result"]
        return result

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited in the page."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def is_true(self, script: str) -> bool:
        return bool(await self.run(f"Promise.resolve({script}).then(Boolean)"))

    async def until(self, script: str) -> None:
        """Wait until an expression is true in the page."""
        try:
            await eventually(lambda: self.is_true(script), script)
        except AssertionError as error:
            error.add_note(await self.run("document.body.innerText"))
            raise

    async def text(self, selector: str) -> str:
        return str(await self.run(f"document.querySelector({json.dumps(selector)}).textContent"))


async def eventually(is_so: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if await is_so():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"did not happen within {PATIENCE_S:g} s: {what}")


@asynccontextmanager
async def browser_at(address: str, profile: Path) -> AsyncIterator[Browser]:
    process = await asyncio.create_subprocess_exec(
        str(CHROMIUM),
        *FLAGS,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            host = await _debugging_host(process)
        async with httpx.AsyncClient(trust_env=False) as client:
            targets = (await client.get(f"http://{host}/json")).json()
        page = next(target for target in targets if target["type"] == "page")
        _, browser = await ws_connect(Browser, page["webSocketDebuggerUrl"], max_frame_size=1 << 26)
        assert isinstance(browser, Browser)
        for domain in ("Page", "Runtime"):
            await browser.call(f"{domain}.enable")
        await browser.call("Page.navigate", url=address)
        loaded = f"location.href === {json.dumps(address)} && document.readyState === 'complete'"
        await browser.until(loaded)
        yield browser
        assert browser.problems == []
    finally:
        process.terminate()
        await process.communicate()


async def _debugging_host(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        if found := re.search(r"listening on ws://([^/]+)/", line):
            return found[1]
    raise AssertionError("Chromium ended at once")


async def post_order(client: httpx.AsyncClient, **order: str) -> dict[str, Any]:
    answer = await client.post("/api/v1/orders", json={"instrument": SYMBOL, **order})
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json()
    return placed


async def fill_in(page: Browser, *, side: str, price: str, quantity: str) -> None:
    await page.run(
        f"""document.querySelector('input[name=side][value={side}]').click();
        document.querySelector('input[name=type][value=limit]').click();
        byId('price').value = '{price}'; byId('quantity').value = '{quantity}';
        byId('send').click()"""
    )


def test_own_order_reaches_the_front_of_its_queue_and_is_filled(url: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        address = f"{url}/?account=watcher&instrument={SYMBOL}"
        async with (
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
            browser_at(address, tmp_path) as page,
        ):
            await page.until("byId('connection').className === 'live' && book.isKnown")
            await page.until("byId('bids').firstChild.dataset.price")
            price = str(await page.run("byId('bids').firstChild.dataset.price"))
            for account in ("first", "second"):
                await post_order(client, client_id=account, side="buy", price=price, quantity="40")
            await page.run(
                """window.queue = [];
                new MutationObserver(() => { for (const line of byId('open').children)
                  if (line.dataset.ahead) queue.push(Number(line.dataset.ahead)); })
                  .observe(byId('open'), {childList: true})"""
            )
            await fill_in(page, side="buy", price=price, quantity="1.5")
            await page.until("queue.length && queue[0] >= 80")
            assert "before you" in await page.text("#open .place")
            assert "Held" in await page.text("#account-box")

            filled = "byId('done').querySelector('[data-status=filled]')"

            async def sell(number: int) -> bool:
                """Sell a little, and wait until the page shows the queue that is left."""
                await post_order(
                    client,
                    client_id=f"seller-{number}",
                    side="sell",
                    price=price,
                    quantity="12",
                    time_in_force="ioc",
                )
                answer = await client.get("/api/v1/orders?client_id=watcher&status=open")
                for order in answer.json()["items"]:
                    await page.until(f"queue.at(-1) <= {order['queue_ahead']} || {filled}")
                return not answer.json()["items"]

            sellers = count()
            await eventually(lambda: sell(next(sellers)), "the own order is filled")
            await page.until(filled)
            queue = await page.run("queue")
            assert queue == sorted(queue, reverse=True)
            assert len(set(queue)) >= 3
            done = await page.text("#done [data-status=filled]")
            assert f"Buy 1.500 {SYMBOL}" in done
            assert re.search(r"average [\d.,]+, (fee|rebate) [\d.]+ USD", done)
            assert re.match(f"Bought 1.500 {SYMBOL} at ", await page.text("#toast"))
            await page.until("!document.querySelector('#open [data-ahead]')")

    asyncio.run(scenario())


def test_order_can_be_cancelled_on_the_page_and_refusals_are_said_in_words(
    url: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with browser_at(f"{url}/?account=canceller&instrument={SYMBOL}", tmp_path) as page:
            await page.until("byId('bids').lastChild.dataset.price")
            price = str(await page.run("byId('bids').lastChild.dataset.price"))
            await fill_in(page, side="buy", price=price, quantity="2")
            await page.until("document.querySelector('#open button')")
            await page.run("document.querySelector('#open button').click()")
            await page.until("document.querySelector('#done [data-status=cancelled]')")
            await fill_in(page, side="sell", price=price, quantity="1000000")
            await page.until("byId('message').className === 'wrong'")
            assert "The account cannot pay for this" in await page.text("#message")
            await fill_in(page, side="sell", price="abc", quantity="1")
            await page.until("byId('price').getAttribute('aria-invalid') === 'true'")

    asyncio.run(scenario())


def test_page_is_right_again_after_a_gap_and_after_a_lost_connection(
    url: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with browser_at(f"{url}/?instrument=BTC-USD", tmp_path) as page:
            await page.until("book.isKnown && trades.length > 1")
            channel = "'book:BTC-USD'"
            await page.run(f"book.bids.clear(), lastSeq.set({channel}, 1)")
            await page.until(f"lastSeq.get({channel}) > 1 && book.bids.size > 5")
            await page.run("wait = 2000, socket.close()")
            await page.until("byId('connection').className === ''")
            await page.until("byId('connection').className === 'live'")
            await page.run(
                """window.changes = 0;
                socket.addEventListener('message', event => {
                  changes += event.data.includes('"book:'); })"""
            )
            await page.until("changes > 100")
            await page.until(
                """call('GET', '/orderbook?instrument=BTC-USD&depth=12').then(image => {
                  const pairs = levels => JSON.stringify(levels.map(l => [l.price, l.quantity]));
                  return pairs(image.bids) === pairs(best('bids').map(p => book.bids.get(p)))
                    && pairs(image.asks) === pairs(best('asks').map(p => book.asks.get(p)));
                })"""
            )

    asyncio.run(scenario())


def test_text_from_the_market_never_becomes_markup(url: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        name = "<img&src=x>"
        async with browser_at(f"{url}/?instrument={SYMBOL}", tmp_path) as page:
            await page.until("book.isKnown")
            await page.run(
                f"byId('account').value = '{name}', byId('account-line').requestSubmit()"
            )
            await page.until("balances.size > 0")
            await page.run(f"announce('{name}'), say('{name}', true)")
            assert await page.run("document.images.length") == 0
            assert await page.text("#toast") == name
            assert await page.run("document.title") == "Tradepit"

    asyncio.run(scenario())
