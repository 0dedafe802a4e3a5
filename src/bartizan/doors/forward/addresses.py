"""From a host to the addresses that may be connected to.

A name is looked up once, and the connection goes to an address that was checked: whoever answers another time with
another address (DNS rebinding) gains nothing. Addresses of this machine, of its neighbours and of what clouds keep at
well-known places are refused, also where they are wrapped in an IPv6 address, unless a network is configured.

Source: RFC 6890 (special-purpose addresses); RFC 4291, 2.5.5.2 (mapped); RFC 6052, 2.1 (NAT64); RFC 3056 (6to4).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bartizan.readers.tunnel import Place

MAX_TRIED = 4  # Addresses of one host.
FRESH_S = 5.0  # How long an answer may be used again: pages open many tunnels to one host at once.
MAX_KNOWN = 4096
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Public by their number, and yet of the machine: Azure's agent. https://learn.microsoft.com/azure/virtual-network/
_METADATA = frozenset({ipaddress.ip_address("168.63.129.16")})
# Special by IANA's registries, and global to some versions of Python's `ipaddress`.
_SPECIAL = tuple(
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "3fff::/20", "5f00::/16"))
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NoAddress(Exception):
    """There is nowhere to connect to. `why` is one word for records and counters, `status` what the client is told."""

    def __init__(self, why: str, status: int, what: str) -> None:
        self.why, self.status, self.what = why, status, what
        super().__init__(what)


def public(address: Address) -> bool:
    """Whether it is on the open internet, whatever it is wrapped in."""
    inner = _unwrapped(address)
    if inner is not address:
        return public(inner)
    if isinstance(address, ipaddress.IPv6Address) and address.teredo is not None:
        return False
    if address in _METADATA or any(address.version == net.version and address in net for net in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


class Resolver:
    """Looks names up, a bounded number at once. Belongs to the event loop."""

    def __init__(self, networks: Iterable[str], at_once: int) -> None:
        """`networks` may be reached although they are not public."""
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(network) for network in networks)
        self._at_once, self._under_way = at_once, 0
        self._known: dict[str, tuple[float, list[str]]] = {}

    def may(self, address: Address) -> bool:
        """Whether a connection may go there."""
        inner = _unwrapped(address)
        return public(address) or any(inner.version == net.version and inner in net for net in self._networks)

    async def addresses(self, place: Place, within_s: float) -> list[str]:
        """Where to connect for a place, in the order to try. Raises NoAddress."""
        if place.literal:
            return self._checked([ipaddress.ip_address(place.host)])
        now = asyncio.get_running_loop().time()
        until, known = self._known.get(place.host, (0.0, []))
        if now < until:
            return known
        found = self._checked(await self._looked_up(place, within_s))
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[place.host] = (now + FRESH_S, found)
        return found

    def _checked(self, found: list[Address]) -> list[str]:
        if not all(map(self.may, found)):  # A name with one private address is no honest name.
            raise NoAddress("address-refused", 403, "the host's address is private, and no such network is configured")
        return [str(address) for address in found[:MAX_TRIED]]

    async def _looked_up(self, place: Place, within_s: float) -> list[Address]:
        if self._under_way >= self._at_once:
            raise NoAddress("lookups", 503, "too many names are being looked up")
        self._under_way += 1
        lookup = asyncio.ensure_future(
            asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        )
        lookup.add_done_callback(self._looked)
        try:
            rows = await asyncio.wait_for(asyncio.shield(lookup), within_s)
        except TimeoutError:
            raise NoAddress("unresolved", 504, "the host's name was not looked up in time") from None
        except (OSError, UnicodeError):
            raise NoAddress("unresolved", 502, "the host's name is not known") from None
        return list(dict.fromkeys(ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows))

    def _looked(self, lookup: asyncio.Future[Any]) -> None:
        """A thread is free again (Any: rows as the system gives them); also where nobody waits for it any more."""
        self._under_way -= 1
        if not lookup.cancelled():
            lookup.exception()
