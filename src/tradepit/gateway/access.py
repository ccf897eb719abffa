"""Who may talk to the node at all: loopback binds, the names in `Host`, the origins of web pages.

A web page from elsewhere can make a browser send requests to this machine. Such a request carries
the page's `Origin`, or, after DNS rebinding, a foreign `Host`; both are refused on every route.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from tradepit.gateway.problems import Problem, problem_of

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
HOSTS_REMEMBERED_MAX: Final = 256
"""Checked values of Host and Origin are remembered; ordinary use has a handful."""


class OpenAccessRefused(Exception):
    """Without keys a node serves loopback addresses only."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"refusing to serve {host} without keys: anybody who reaches it could trade. "
            "Use a loopback address (127.0.0.1)"
        )
        self.host = host


def require_loopback(host: str) -> None:
    """Raise `OpenAccessRefused` unless the address to bind is a loopback one."""
    if host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise OpenAccessRefused(host)


class Doorkeeper:
    """Checks `Host` and `Origin` against the names of this node."""

    def __init__(self, allowed_hosts: tuple[str, ...] = ()) -> None:
        self._elsewhere = {name.lower().encode() for name in allowed_hosts}
        """Names of proxies in front, which may be reached by another port than this node."""
        self._names = self._elsewhere | {name.encode() for name in LOOPBACK_NAMES}
        self._known: dict[tuple[bytes | None, bytes | None], Problem | None] = {}

    def problem(self, host: bytes | None, origin: bytes | None) -> Problem | None:
        """Return why a request with these headers is refused, or None."""
        pair = (host, origin)
        try:
            return self._known[pair]
        except KeyError:
            problem = self._judge(host, origin)
            if len(self._known) >= HOSTS_REMEMBERED_MAX:
                self._known.clear()
            self._known[pair] = problem
            return problem

    def _judge(self, host: bytes | None, origin: bytes | None) -> Problem | None:
        name, port = _split(host or b"")
        if host is not None and name not in self._names:
            return problem_of("foreign_host")
        if origin is None:
            return None
        scheme, _, place = origin.partition(b"://")
        origin_name, origin_port = _split(place)
        is_ours = scheme in (b"http", b"https") and origin_name in self._names
        if is_ours and (origin_port == port or origin_name in self._elsewhere):
            return None
        return problem_of("foreign_origin")


def _split(host: bytes) -> tuple[bytes, bytes]:
    """Name and port, lower case; anything odd stays odd and so matches no name."""
    name, separator, port = host.lower().rpartition(b":")
    if separator and port.isdigit():
        return name, port
    return host.lower(), b""
