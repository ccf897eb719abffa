"""Host and Origin: the names of this node, whatever the spelling, and nobody else's."""

from __future__ import annotations

import pytest

from tradepit.gateway.access import Doorkeeper


def code(door: Doorkeeper, host: bytes | None, origin: bytes | None = None) -> str | None:
    problem = door.problem(host, origin)
    return None if problem is None else problem.code


@pytest.mark.parametrize(
    "host",
    [None, b"localhost", b"LOCALHOST:8080", b"127.0.0.1", b"127.0.0.1:1", b"[::1]", b"[::1]:80"],
)
def test_loopback_names_are_let_in(host: bytes | None) -> None:
    assert code(Doorkeeper(), host) is None


@pytest.mark.parametrize(
    "host",
    [
        b"", b"evil.example", b"localhost.evil.example", b"evil.example:80", b"localhost:",
        b"localhost:x", b"::1", b"[::1", b"127.0.0.1:80:80", b"localhost, evil.example",
        b" localhost", b"localhost@evil.example", b"2130706433", b"0.0.0.0",
    ],
)  # fmt: skip
def test_other_names_are_refused(host: bytes) -> None:
    assert code(Doorkeeper(), host) == "foreign_host"


@pytest.mark.parametrize(
    "origin",
    [
        b"http://evil.example", b"null", b"", b"localhost:8080", b"file://", b"ws://localhost:8080",
        b"http://localhost", b"http://localhost:81", b"http://localhost:8080.evil.example",
        b"http://localhost:8080/path", b"https://localhost:8081", b"http://",
    ],
)  # fmt: skip
def test_pages_from_elsewhere_are_refused(origin: bytes) -> None:
    assert code(Doorkeeper(), b"localhost:8080", origin) == "foreign_origin"


def test_the_nodes_own_page_is_let_in_under_any_of_its_names() -> None:
    door = Doorkeeper()
    for name in (b"localhost", b"127.0.0.1", b"[::1]"):
        assert code(door, b"localhost:8080", b"http://%b:8080" % name) is None


def test_a_proxy_named_in_the_configuration_is_let_in() -> None:
    door = Doorkeeper(("market.example",))
    assert code(door, b"market.example") is None
    assert code(door, b"127.0.0.1:8080", b"https://market.example") is None
    assert code(door, b"market.example", b"https://market.example:444") is None
    assert code(door, b"other.example") == "foreign_host"


def test_remembered_answers_stay_right_beyond_the_bound() -> None:
    door = Doorkeeper()
    for number in range(1000):
        assert code(door, b"host%d.example" % number) == "foreign_host"
        assert code(door, b"localhost:%d" % number) is None
