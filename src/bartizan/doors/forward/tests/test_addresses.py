"""Which addresses may be connected to."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from bartizan.doors.forward.addresses import NoAddress, Resolver, public
from bartizan.readers.tunnel import Place


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "168.63.129.16", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2002:a9fe:a9fe::1", "2001:0:1234::1", "2001:db8::1", "::127.0.0.1", "64:ff9b:1::a00:1",
    ],
)  # fmt: skip
def test_what_is_no_address_of_the_open_internet(address: str) -> None:
    assert not public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "104.18.7.192", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_what_is(address: str) -> None:
    assert public(ipaddress.ip_address(address))


async def test_a_configured_network_may_be_reached_and_no_other() -> None:
    resolver = Resolver(("10.1.0.0/16", "::1/128"), 4)
    assert await resolver.addresses(Place("10.1.2.3", 443, True), 5) == ["10.1.2.3"]
    assert await resolver.addresses(Place("::1", 443, True), 5) == ["::1"]
    for host in ("10.2.0.1", "127.0.0.1", "fe80::1"):
        with pytest.raises(NoAddress, match="private"):
            await resolver.addresses(Place(host, 443, True), 5)


async def test_a_name_is_checked_by_where_it_leads() -> None:
    here = Place("localhost", 443, False)
    with pytest.raises(NoAddress) as refused:
        await Resolver((), 4).addresses(here, 5)
    assert (refused.value.why, refused.value.status) == ("address-refused", 403)
    found = await Resolver(("127.0.0.0/8", "::1/128"), 4).addresses(here, 5)
    assert set(found) <= {"127.0.0.1", "::1"}


async def test_names_are_looked_up_a_bounded_number_at_once() -> None:
    resolver = Resolver((), 1)
    first = asyncio.ensure_future(resolver.addresses(Place("localhost", 443, False), 5))
    await asyncio.sleep(0)
    with pytest.raises(NoAddress) as full:
        await resolver.addresses(Place("other.invalid", 443, False), 5)
    assert full.value.status == 503
    with pytest.raises(NoAddress):
        await first
    with pytest.raises(NoAddress) as unknown:
        await resolver.addresses(Place("nobody.invalid", 443, False), 5)
    assert unknown.value.why == "unresolved"
