"""Pages at a port of a process's own: what is answered, and who is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tradepit.observe.own_port import (
    BODY_BYTES_MAX,
    Page,
    PageRefused,
    Pages,
    PageServer,
    PortTaken,
    Request,
    bind,
    is_loopback,
    json_page,
    text_page,
)

Test = Callable[[httpx.AsyncClient], Awaitable[None]]


async def said(request: Request) -> Page:
    return json_page({"query": dict(request.query), "bytes": len(request.body)})


async def words(_request: Request) -> Page:
    return text_page("Grüße")


async def refused(_request: Request) -> Page:
    raise PageRefused(503, "not_ready", "later")


ROUTES = {
    ("GET", "/"): words,
    ("GET", "/words"): words,
    ("POST", "/said"): said,
    ("GET", "/refused"): refused,
}


def served(test: Test, *, is_local: bool = True) -> None:
    """Run a test against the pages."""

    async def work() -> None:
        with bind("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with (
                PageServer(Pages(ROUTES, is_loopback=is_local), listener),
                httpx.AsyncClient(base_url=url, trust_env=False) as client,
            ):
                await test(client)

    asyncio.run(work())


def test_a_route_gets_query_and_body_and_its_page_is_answered() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        answer = await client.post("/said/?count=3&count=4", content=b"x" * BODY_BYTES_MAX)
        assert answer.json() == {"query": {"count": "4"}, "bytes": BODY_BYTES_MAX}
        assert (await client.get("/")).text == "Grüße"
        head = await client.head("/words")
        assert (head.status_code, head.headers["content-length"], head.content) == (200, "7", b"")

    served(test)


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/elsewhere", 404, "not_found"),
        ("DELETE", "/said", 405, "method_not_allowed"),
        ("HEAD", "/said", 405, ""),
        ("GET", "/refused", 503, "not_ready"),
    ],
)
def test_what_is_refused_is_a_problem_document(
    method: str, target: str, status: int, code: str
) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        answer = await client.request(method, target)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        if code:
            found = answer.json()
            assert (found["code"], found["type"]) == (code, f"/problems/{code}")

    served(test)


def test_a_body_that_is_too_long_is_refused() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        answer = await client.post("/said", content=b"x" * (BODY_BYTES_MAX + 1))
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    served(test)


def test_web_pages_are_refused_wherever_they_are_from() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        for origin in ("http://127.0.0.1", "http://elsewhere.example", "null"):
            answer = await client.post("/said", headers={"Origin": origin})
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")

    served(test)
    served(test, is_local=False)


def test_on_a_loopback_address_foreign_names_are_refused() -> None:
    async def local(client: httpx.AsyncClient) -> None:
        refused = await client.get("/words", headers={"Host": "rebound.example:8081"})
        assert (refused.status_code, refused.json()["code"]) == (403, "foreign_host")
        for host in ("localhost:8081", "LOCALHOST", "127.0.0.1", "[::1]:8081"):
            assert (await client.get("/words", headers={"Host": host})).status_code == 200

    async def elsewhere(client: httpx.AsyncClient) -> None:
        assert (await client.get("/words", headers={"Host": "mm-0.example"})).status_code == 200

    served(local)
    served(elsewhere, is_local=False)


def test_a_port_that_is_taken_is_named() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} of 127.0.0.1: Address already in use"):
            bind("127.0.0.1", port)


def test_loopback_addresses_are_known() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "[::1]"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "10.0.0.1", "example.org"))
