"""Which hosts a caller's URL may lead to, and connections that cannot be led elsewhere afterwards.

Every address that a name stands for is checked, and the connection is made to the very address that was checked: a name
server that answers differently the second time is never asked a second time.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable

import httpcore
import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]
"""(host name, port) → its addresses as text; raises OSError where there are none."""

ADDRESSES_TRIED = 4

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
# getaddrinfo reads 2130706433, 0x7f.1 and 0177.0.0.1 as 127.0.0.1: a name whose last label is a number is no name.
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_LOCAL_NAMES = (".localhost", ".localdomain", ".local", ".internal", ".intranet", ".lan", ".home.arpa")


def _networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


# The only part of IPv6 that is handed out for use on the internet.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Translates to the IPv4 address in its last 32 bits, which is the one to judge.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What `ipaddress` takes to be global, and we do not.
_NOT_PUBLIC = _networks(
    "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
    "192.88.99.0/24",  # 6to4 relays
    "168.63.129.16/32",  # Azure's metadata service
    "2001::/23",  # protocol assignments, Teredo among them
    "2002::/16",  # 6to4: carries an IPv4 address
    "3fff::/20",  # documentation
)
_PRIVATE = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "::1/128", "fc00::/7")
# Never opened, not even with private networks: these give out the machine's own cloud credentials.
_METADATA = _networks("100.100.100.200/32", "fd00:ec2::254/128")


class Refused(Exception):
    """A URL that is not fetched, or a file that is not taken: one plain sentence, fit for the caller's eyes."""


async def resolve(host: str, port: int) -> list[str]:
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers))


def is_public(address: Address) -> bool:
    """Whether this is a global unicast address, whatever an IPv6 address may carry inside."""
    if address.version == 6:
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_PUBLIC)


class NetworkPolicy:
    """Where a fetch may go. `allow_private` opens private and loopback networks and any port, link-local ones never."""

    def __init__(self, *, allow_private: bool) -> None:
        self.allow_private = allow_private

    def check_url(self, url: httpx.URL) -> None:
        if url.scheme not in ("http", "https"):
            raise Refused("Only http and https URLs can be fetched.")
        if url.userinfo:
            raise Refused("A URL with a user name or a password in it is not fetched.")
        if not url.host:
            raise Refused("The URL names no host.")
        self._check_host(url.raw_host.decode("ascii"))
        self._check_port(url.port)

    def _check_port(self, port: int | None) -> None:
        if port is None or port in (80, 443) or (self.allow_private and 0 < port < 65536):
            return
        raise Refused(f"Files are fetched from ports 80 and 443 only, not {port}.")

    def _check_host(self, host: str) -> None:
        if address := _literal(host):
            return self.check_address(host, address)
        if not _NAME.fullmatch(host) or _ENDS_IN_NUMBER.fullmatch(host):
            raise Refused("The URL's host is neither a plain host name nor an address in its usual form.")
        if not self.allow_private and ("." not in host or f".{host}".endswith(_LOCAL_NAMES)):
            raise Refused(_not_public(host))
        return None

    def check_address(self, host: str, address: Address) -> None:
        if not is_public(address) and not (self.allow_private and _is_plainly_private(address)):
            raise Refused(_not_public(host))


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections to checked addresses only. TLS still names, and verifies, the host of the URL."""

    def __init__(self, policy: NetworkPolicy, resolver: Resolver, network: httpcore.AsyncNetworkBackend) -> None:
        self._policy = policy
        self._resolver = resolver
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in (await self._addresses(host, port))[:ADDRESSES_TRIED]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise Refused(f"{host} cannot be reached.") from failure

    async def _addresses(self, host: str, port: int) -> list[str]:
        if _literal(host):
            found = [host]
        else:
            try:
                found = await self._resolver(host, port)
            except (OSError, UnicodeError) as error:
                raise Refused(f"The host {host} cannot be found.") from error
        for text in found:
            # One bad address condemns the name: an honest one does not mix public and private addresses.
            self._policy.check_address(host, ipaddress.ip_address(text))
        return found


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_plainly_private(address: Address) -> bool:
    return any(address in network for network in _PRIVATE) and not any(address in network for network in _METADATA)


def _not_public(host: str) -> str:
    return f"The host {host} is not on the public internet."
