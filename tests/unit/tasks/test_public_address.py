"""Addresses that a webhook may be posted to."""

import ipaddress

import pytest

from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.outgoing.public_address import is_public, resolve


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104  an address to refuse, nothing listens
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
    ],
)
def test_an_address_within_a_network_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_an_address_on_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost", "::1"])
def test_a_host_that_leads_home_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(PermanentError) as refused:
        resolve(host, 80, allow_private=False)
    assert refused.value.error_code == "WEBHOOK_ADDRESS_PRIVATE"


def test_a_private_host_is_let_through_where_the_operator_allows_it() -> None:
    assert resolve("127.0.0.1", 80, allow_private=True) == ["127.0.0.1"]


def test_a_name_that_does_not_resolve_may_do_so_later() -> None:
    with pytest.raises(TransientError):
        resolve("no-such-host.invalid", 80, allow_private=False)
