"""The guarded fetcher: where it goes, where it never goes, and what it takes home."""

import asyncio
import gzip
import ipaddress
import ssl
import time
import zlib
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_api import fetcher as module
from openai_api.errors import InvalidRequest
from openai_api.fetcher import Fetcher
from openai_api.public_network import NetworkPolicy, PinnedNetwork, Refused, is_public
from openai_api.translation.conversation import Conversation, Media, RemoteMedia, Text, ToolResult, Turn
from tests.api.media_server import HEIC, JPEG, PDF, PNG, WAV, http, media_server

FIELD = "messages[0].content[1].image_url.url"
PUBLIC = "93.184.215.14"


class NameServer:
    """A resolver under the test's control: each look-up of a name takes the next of its answers; the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self.answers.get(host) or self.answers.get("default")
        if not answers:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


def resolving(**answers: list[str]) -> NameServer:
    return NameServer(**{name.replace("_", "."): [addresses] for name, addresses in answers.items()})


class Network(httpcore.AsyncNetworkBackend):
    """Notes where it was asked to connect, and leads nowhere."""

    def __init__(self, unreachable: tuple[str, ...] = ()) -> None:
        self.connected: list[tuple[str, int]] = []
        self.unreachable = unreachable

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):  # noqa: ASYNC109
        self.connected.append((host, port))
        if host in self.unreachable:
            raise httpcore.ConnectError("refused")
        return httpcore.AsyncMockStream([http(PNG, "image/png")])


@pytest.fixture
def network(monkeypatch):
    """Fetchers made from here on connect to nothing real."""
    network = Network()
    monkeypatch.setattr(httpcore, "AnyIOBackend", lambda: network)
    return network


def guarded(resolver=None, **changes) -> Fetcher:
    options = {"allow_private": False, "max_bytes": 10_000, "timeout": 10.0, **changes}
    return Fetcher(**options, resolver=resolver or NameServer(default=[[PUBLIC]]))


def on_loopback(**changes) -> Fetcher:
    return guarded(NameServer(default=[["127.0.0.1"]]), **{"allow_private": True, **changes})


async def fetch(fetcher: Fetcher, url: str) -> Media:
    try:
        return await fetcher.fetch(RemoteMedia(url, FIELD))
    finally:
        await fetcher.close()


async def refusal(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(InvalidRequest) as caught:
        await fetch(fetcher, url)
    assert caught.value.param == FIELD
    assert caught.value.status == 400
    return caught.value.message


@pytest.fixture
def site():
    with media_server() as server:
        yield server


# --- Where a URL may lead --------------------------------------------------------------------------------------------

NOT_PUBLIC = "not on the public internet"
NO_HOST = "names no host"
ODD_HOST = "neither a plain host name nor an address"
UNREADABLE = "cannot be read"
SCHEME = "Only http and https"
USER = "user name or a password"
PORT = "ports 80 and 443 only"

REFUSED_URLS = [
    # schemes
    ("file:///etc/passwd", SCHEME),
    ("ftp://example.com/a.png", SCHEME),
    ("gopher://example.com/_x", SCHEME),
    ("data:image/png;base64,AAAA", SCHEME),
    ("gs://bucket/a.png", SCHEME),
    ("javascript:alert(1)", SCHEME),
    ("//example.com/a.png", SCHEME),
    ("/a.png", SCHEME),
    ("a.png", SCHEME),
    ("", SCHEME),
    ("ws://example.com/", SCHEME),
    # no host, no sense
    ("http:///a.png", NO_HOST),
    ("http:a.png", NO_HOST),
    ("http://", NO_HOST),
    ("http://exa\nmple.com/", UNREADABLE),
    ("http://example.com:80x/", UNREADABLE),
    ("http://[v1.x]/", UNREADABLE),
    ("http://999.1.1.1/", UNREADABLE),
    ("https://" + "a" * 70_000, UNREADABLE),
    # credentials, and hosts that hide behind them
    ("http://user:secret@example.com/a.png", USER),
    ("http://user@example.com/", USER),
    ("http://:secret@example.com/", USER),
    ("http://example.com@127.0.0.1/", USER),
    ("http://example.com\\@127.0.0.1/", USER),
    ("http://example.com:80@127.0.0.1:80/", USER),
    # ports
    ("http://example.com:22/", PORT),
    ("http://example.com:6379/", PORT),
    ("https://example.com:8443/", PORT),
    ("http://example.com:0/", PORT),
    ("http://example.com:99999/", PORT),
    # plain private and special addresses
    ("http://127.0.0.1/", NOT_PUBLIC),
    ("http://127.8.8.8/", NOT_PUBLIC),
    ("http://10.0.0.1/", NOT_PUBLIC),
    ("http://172.16.0.1/", NOT_PUBLIC),
    ("http://172.31.255.255/", NOT_PUBLIC),
    ("http://192.168.1.1/", NOT_PUBLIC),
    ("http://169.254.169.254/latest/meta-data/", NOT_PUBLIC),
    ("http://100.64.0.1/", NOT_PUBLIC),
    ("http://100.100.100.200/", NOT_PUBLIC),
    ("http://168.63.129.16/", NOT_PUBLIC),
    ("http://192.0.0.192/", NOT_PUBLIC),
    ("http://192.88.99.1/", NOT_PUBLIC),
    ("http://198.18.0.1/", NOT_PUBLIC),
    ("http://203.0.113.9/", NOT_PUBLIC),
    ("http://0.0.0.0/", NOT_PUBLIC),
    ("http://224.0.0.1/", NOT_PUBLIC),
    ("http://240.0.0.1/", NOT_PUBLIC),
    ("http://255.255.255.255/", NOT_PUBLIC),
    # IPv6, and IPv4 inside it
    ("http://[::1]/", NOT_PUBLIC),
    ("http://[::]/", NOT_PUBLIC),
    ("http://[0:0:0:0:0:0:0:1]/", NOT_PUBLIC),
    ("http://[fe80::1]/", NOT_PUBLIC),
    ("http://[fd00:ec2::254]/", NOT_PUBLIC),
    ("http://[fc00::1]/", NOT_PUBLIC),
    ("http://[fec0::1]/", NOT_PUBLIC),
    ("http://[ff02::1]/", NOT_PUBLIC),
    ("http://[2001:db8::1]/", NOT_PUBLIC),
    ("http://[3fff::1]/", NOT_PUBLIC),
    ("http://[5f00::1]/", NOT_PUBLIC),
    ("http://[::ffff:127.0.0.1]/", NOT_PUBLIC),
    ("http://[::ffff:7f00:1]/", NOT_PUBLIC),
    ("http://[::ffff:8.8.8.8]/", NOT_PUBLIC),
    ("http://[::7f00:1]/", NOT_PUBLIC),
    ("http://[64:ff9b::7f00:1]/", NOT_PUBLIC),
    ("http://[64:ff9b::a9fe:a9fe]/", NOT_PUBLIC),
    ("http://[64:ff9b:1::808:808]/", NOT_PUBLIC),
    ("http://[2002:7f00:1::]/", NOT_PUBLIC),
    ("http://[2002:a9fe:a9fe::1]/", NOT_PUBLIC),
    ("http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", NOT_PUBLIC),
    ("http://[fe80::1%25eth0]/", "not"),
    # addresses in disguise, which getaddrinfo would read as 127.0.0.1 or 169.254.169.254
    ("http://2130706433/", ODD_HOST),
    ("http://0x7f000001/", ODD_HOST),
    ("http://017700000001/", ODD_HOST),
    ("http://127.1/", ODD_HOST),
    ("http://127.0.1/", ODD_HOST),
    ("http://0x7f.0.0.1/", ODD_HOST),
    ("http://0177.0.0.1/", UNREADABLE),
    ("http://127.0.0.0x1/", ODD_HOST),
    ("http://0xa9fea9fe/", ODD_HOST),
    ("http://example.1/", ODD_HOST),
    ("http://0/", ODD_HOST),
    # names
    ("http://localhost/", NOT_PUBLIC),
    ("http://LOCALHOST/", NOT_PUBLIC),
    ("http://a.localhost/", NOT_PUBLIC),
    ("http://redis/", NOT_PUBLIC),
    ("http://metadata/", NOT_PUBLIC),
    ("http://metadata.google.internal/", NOT_PUBLIC),
    ("http://printer.local/", NOT_PUBLIC),
    ("http://localhost.localdomain/", NOT_PUBLIC),
    ("http://localhost./", ODD_HOST),
    ("http://127.0.0.1./", ODD_HOST),
    ("http://example.com./", ODD_HOST),
    ("http://example..com/", ODD_HOST),
    ("http://.example.com/", ODD_HOST),
    ("http://%6cocalhost/", ODD_HOST),
    ("http://127%2e0%2e0%2e1/", ODD_HOST),
    ("http://exa mple.com/", ODD_HOST),
    ("http://127.0.0.1\\.example.com/", ODD_HOST),
    ("http://" + "a" * 64 + ".com/", ODD_HOST),
    ("http://" + "a.b" * 100 + ".com/", ODD_HOST),
    # letters and dots of other scripts
    ("http://127。0。0。1/", NOT_PUBLIC),
    ("http://１２７.0.0.1/", UNREADABLE),
    ("http://①②⑦.0.0.1/", UNREADABLE),
    ("http://ⓛocalhost/", UNREADABLE),
    ("http://loc\u00adalhost/", UNREADABLE),
    ("http://localhost\u200b/", UNREADABLE),
]


@pytest.mark.parametrize(("url", "sentence"), REFUSED_URLS)
async def test_a_url_that_leads_nowhere_public_is_refused_before_anything_is_asked(url, sentence, network):
    names = NameServer(default=[[PUBLIC]])
    message = await refusal(guarded(names), url)
    assert sentence in message
    assert "secret" not in message
    assert names.asked == []
    assert network.connected == []


REFUSED_ANSWERS = [
    ["127.0.0.1"],
    ["10.1.2.3"],
    ["169.254.169.254"],
    ["100.127.0.1"],
    ["0.0.0.0"],
    ["::1"],
    ["fe80::1%eth0"],
    ["fd12::1"],
    ["fd00:ec2::254"],
    ["::ffff:10.0.0.1"],
    ["64:ff9b::c0a8:101"],
    ["2002:c0a8:101::1"],
    [PUBLIC, "127.0.0.1"],
    ["127.0.0.1", PUBLIC],
    [PUBLIC, "2606:4700::1111", "::1"],
    ["8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9", "192.168.0.1"],
]


@pytest.mark.parametrize("addresses", REFUSED_ANSWERS, ids=" ".join)
async def test_a_name_with_one_bad_address_is_refused_without_connecting(addresses, network):
    message = await refusal(guarded(resolving(pictures_example_com=addresses)), "https://pictures.example.com/a.png")
    assert message == "The host pictures.example.com is not on the public internet."
    assert network.connected == []


@pytest.mark.parametrize(
    ("url", "addresses", "connected"),
    [
        ("http://pictures.example.com/a.png", ["8.8.8.8"], [("8.8.8.8", 80)]),
        ("http://pictures.example.com:443/a.png", ["8.8.8.8"], [("8.8.8.8", 443)]),
        ("http://8.8.8.8/a.png", [], [("8.8.8.8", 80)]),
        ("http://[2606:4700::1111]/a.png", [], [("2606:4700::1111", 80)]),
        ("http://[64:ff9b::808:808]/a.png", [], [("64:ff9b::808:808", 80)]),
        ("http://bücher.example/a.png", ["2606:4700::1111"], [("2606:4700::1111", 80)]),
        ("http://under_score.example.com/a.png", ["8.8.8.8"], [("8.8.8.8", 80)]),
        ("HTTP://Pictures.Example.COM/a.png", ["8.8.8.8"], [("8.8.8.8", 80)]),
    ],
)
async def test_a_public_address_is_connected_to_as_checked(url, addresses, connected, network):
    assert (await fetch(guarded(NameServer(default=[addresses])), url)).mime_type == "image/png"
    assert network.connected == connected


async def test_the_next_address_is_tried_when_one_cannot_be_reached(network):
    network.unreachable = ("8.8.8.8",)
    await fetch(guarded(NameServer(default=[["8.8.8.8", "8.8.4.4"]])), "http://pictures.example.com/")
    assert network.connected == [("8.8.8.8", 80), ("8.8.4.4", 80)]


async def test_a_host_with_no_address_that_answers_is_named(network):
    network.unreachable = tuple(f"8.8.8.{n}" for n in range(9))
    message = await refusal(guarded(NameServer(default=[list(network.unreachable)])), "http://pictures.example.com/")
    assert message == "pictures.example.com cannot be reached."
    assert len(network.connected) == 4


async def test_a_name_server_that_changes_its_mind_after_the_check_is_not_asked_again(network):
    names = NameServer(default=[[PUBLIC], ["127.0.0.1"]])
    await fetch(guarded(names), "http://rebinding.example.com/")
    assert names.asked == ["rebinding.example.com"]
    assert network.connected == [(PUBLIC, 80)]


async def test_a_name_that_has_been_rebound_is_refused_at_the_next_fetch(network):
    fetcher = guarded(NameServer(default=[[PUBLIC], ["127.0.0.1"]]))
    await fetcher.fetch(RemoteMedia("http://rebinding.example.com/", FIELD))
    assert NOT_PUBLIC in await refusal(fetcher, "http://rebinding.example.com/")
    assert network.connected == [(PUBLIC, 80)]


async def test_the_systems_resolver_is_asked_once_and_its_answer_pinned(network, monkeypatch):
    asked = []

    async def getaddrinfo(host, port, **kwargs):
        asked.append(host)
        return [(2, 1, 6, "", (PUBLIC, port)), (10, 1, 6, "", ("2606:4700::1111", port, 0, 0))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    await fetch(Fetcher(allow_private=False, max_bytes=1000, timeout=5), "http://pictures.example.com/")
    assert asked == ["pictures.example.com"]
    assert network.connected == [(PUBLIC, 80)]


async def test_an_unknown_host_is_named():
    assert await refusal(guarded(NameServer()), "https://nowhere.example.com/") == "The host nowhere.example.com cannot be found."


@settings(max_examples=300)
@given(st.ip_addresses())
def test_an_address_that_ipaddress_calls_not_global_is_never_public(address):
    assert address.is_global or not is_public(address)


@settings(max_examples=200)
@given(
    st.sampled_from(["::ffff:0:0/96", "64:ff9b::/96", "2002::/16", "2001::/32", "fc00::/7", "fe80::/10", "ff00::/8", "::/96"]),
    st.integers(min_value=0),
)
def test_an_ipv6_range_that_carries_or_hides_something_is_public_only_as_nat64_of_a_public_address(network, offset):
    network = ipaddress.ip_network(network)
    address = network[offset % network.num_addresses]
    inside = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    assert is_public(address) == (network == ipaddress.ip_network("64:ff9b::/96") and is_public(inside))


@settings(max_examples=200)
@given(st.ip_addresses().filter(lambda address: not is_public(address)))
async def test_no_connection_is_ever_made_to_an_address_that_is_not_public(address):
    network = Network()
    pinned = PinnedNetwork(NetworkPolicy(allow_private=False), NameServer(default=[[str(address)]]), network)
    for host in ("pictures.example.com", str(address)):
        with pytest.raises(Refused):
            await pinned.connect_tcp(host, 80)
    assert network.connected == []


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "224.0.0.1", "::", "0.0.0.0"]
)
async def test_private_networks_allowed_still_close_off_link_local_and_metadata(address, network):
    host = f"[{address}]" if ":" in address else address
    assert NOT_PUBLIC in await refusal(guarded(allow_private=True), f"http://{host}/")
    assert NOT_PUBLIC in await refusal(guarded(NameServer(default=[[address]]), allow_private=True), "http://pictures/")
    assert network.connected == []


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "192.168.1.9", "172.20.0.2", "::1", "fd12::1", "100.64.0.7", PUBLIC]
)
async def test_private_networks_allowed_open_them_with_any_port(address, network):
    await fetch(guarded(NameServer(default=[[address]]), allow_private=True), "http://pictures:9000/")
    assert network.connected == [(address, 9000)]


AWKWARD = st.text(alphabet=st.sampled_from("aé0.:/@[]%\\?#&-_~ \t\n\u3002\uff10\ud800\u212a１"), max_size=12)


@settings(max_examples=400)
@given(st.sampled_from(["http://", "https://", "HTTP:", "//", ""]), AWKWARD | st.text(max_size=20))
async def test_no_text_in_place_of_a_url_is_our_own_error(scheme, rest):
    network = Network()
    fetcher = guarded()
    fetcher._pool = httpcore.AsyncConnectionPool(network_backend=PinnedNetwork(fetcher._policy, NameServer(), network))
    with pytest.raises(InvalidRequest):
        await fetch(fetcher, scheme + rest)
    assert network.connected == []


# --- What is asked -----------------------------------------------------------------------------------------------------


async def test_a_file_is_fetched_by_name_with_our_own_headers_and_nothing_else(site, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    site.answers["/a.png"] = http(PNG, "image/png", set_cookie="session=1")
    fetcher = on_loopback()
    for _ in range(2):
        media = await fetcher.fetch(RemoteMedia(site.url("/a.png?size=2", "pictures.example.com"), FIELD))
        assert media == Media("image/png", media.data)
        assert b64decode(media.data, validate=True) == PNG
    await fetcher.close()
    expected = {
        "host": f"pictures.example.com:{site.port}",
        "user-agent": "Castor/1 (media fetcher)",
        "accept": "*/*",
        "accept-encoding": "identity",
    }
    assert site.asked == [("/a.png?size=2", expected)] * 2


# --- Redirects -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(status, site):
    site.answers["/a"] = http(status=status, location="/b/../c?x=1")
    site.answers["/c"] = http(PNG, "image/png")
    assert (await fetch(on_loopback(), site.url("/a"))).mime_type == "image/png"
    assert [path for path, _ in site.asked] == ["/a", "/c?x=1"]


async def test_three_redirects_are_followed_and_a_fourth_is_not(site):
    for n in range(5):
        site.answers[f"/{n}"] = http(status=302, location=f"/{n + 1}")
    site.answers["/5"] = http(PNG, "image/png")
    assert (await fetch(on_loopback(), site.url("/2"))).mime_type == "image/png"
    assert "redirected more than 3 times" in await refusal(on_loopback(), site.url("/1"))
    assert site.asked[-1][0] == "/4"


REDIRECTS_TO_NOWHERE = [
    ("http://169.254.169.254/latest/meta-data/", NOT_PUBLIC),
    ("http://[fe80::1]/", NOT_PUBLIC),
    ("//[::ffff:169.254.169.254]/", NOT_PUBLIC),
    ("http://2130706433/", ODD_HOST),
    ("http://user:secret@pictures.example.com/", USER),
    ("file:///etc/passwd", SCHEME),
    ("gopher://x/", SCHEME),
    ("http://bad.example.com/", NOT_PUBLIC),
    ("http://exa\x7fmple/", UNREADABLE),
    ("http://[", ODD_HOST),
    ("http://[::1", UNREADABLE),
    ("//a]b/", ODD_HOST),
    ("", "redirected more than 3 times"),
]


@pytest.mark.parametrize(("location", "sentence"), REDIRECTS_TO_NOWHERE)
async def test_every_redirect_is_checked_like_a_url_of_its_own(location, sentence, site):
    site.answers["/a"] = http(status=302, location=location)
    names = resolving(pictures_example_com=["127.0.0.1"], bad_example_com=["169.254.0.1"])
    message = await refusal(guarded(names, allow_private=True), site.url("/a", "pictures.example.com"))
    assert sentence in message
    assert "secret" not in message


async def test_a_public_site_cannot_redirect_into_a_private_network(network, monkeypatch):
    stream = httpcore.AsyncMockStream([http(status=302, location="http://127.0.0.1/admin")])

    async def connect_tcp(host, port, *rest):
        network.connected.append((host, port))
        return stream

    monkeypatch.setattr(network, "connect_tcp", connect_tcp)
    assert await refusal(guarded(), "http://pictures.example.com/") == "The host 127.0.0.1 is not on the public internet."
    assert network.connected == [(PUBLIC, 80)]


# --- TLS -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for secure.example.com: (path of the certificate, context of a server that shows it)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "secure.example.com")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("secure.example.com")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


@pytest.fixture
def secure_site(certificate, monkeypatch):
    path, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    names = []
    context.sni_callback = lambda socket, name, context: names.append(name)
    with media_server(context) as server:
        server.names = names
        yield server


async def test_tls_asks_for_and_verifies_the_host_of_the_url_not_the_address(secure_site):
    secure_site.answers["/a.png"] = http(PNG, "image/png")
    assert (await fetch(on_loopback(), secure_site.url("/a.png", "secure.example.com", "https"))).mime_type == "image/png"
    assert secure_site.names == ["secure.example.com"]


@pytest.mark.parametrize("host", ["other.example.com", "127.0.0.1"])
async def test_a_certificate_of_another_host_is_refused(host, secure_site):
    assert "No secure connection" in await refusal(on_loopback(), secure_site.url("/a.png", host, "https"))
    assert secure_site.asked == []


async def test_a_redirect_never_leaves_https(secure_site):
    secure_site.answers["/a"] = http(status=302, location="http://secure.example.com/b")
    message = await refusal(on_loopback(), secure_site.url("/a", "secure.example.com", "https"))
    assert message == "secure.example.com redirects from https to a URL without it."


async def test_a_server_without_tls_is_no_secure_connection():
    async def answer_in_the_clear(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer_in_the_clear, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "No secure connection" in await refusal(on_loopback(), f"https://127.0.0.1:{port}/a")


# --- What comes back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "content", "expected"),
    [
        ("image/png", PNG, "image/png"),
        ("Image/JPG", JPEG, "image/jpeg"),
        ("image/png", JPEG, "image/jpeg"),
        ("", PNG, "image/png"),
        ("application/octet-stream", PNG, "image/png"),
        ("binary/octet-stream", PDF, "application/pdf"),
        ("text/plain", PNG, "image/png"),
        ("image/heic", HEIC, "image/heic"),
        ("application/pdf", PDF, "application/pdf"),
        ("application/x-pdf; x=y", PDF, "application/pdf"),
        ("image/png", PDF, "application/pdf"),
        ("audio/x-wav", WAV, "audio/wav"),
        ("", WAV, "audio/wav"),
        ("audio/mpeg", b"\x00anything", "audio/mpeg"),
        ("", b"ID3\x04", "audio/mp3"),
        ("video/mp4", b"\x00anything", "video/mp4"),
        ("", b"\x00\x00\x00\x20ftypisom....", "video/mp4"),
        ("audio/mp4", b"\x00\x00\x00\x20ftypisom....", "audio/m4a"),
        ("video/quicktime", b"\x00", "video/mov"),
        ("text/csv; charset=utf-8", b"a,b", "text/csv"),
    ],
)
async def test_the_type_is_the_servers_word_unless_the_bytes_know_better(content_type, content, expected, site):
    site.answers["/a"] = http(content, content_type)
    assert (await fetch(on_loopback(), site.url("/a"))).mime_type == expected


@pytest.mark.parametrize(
    ("content_type", "content", "sort"),
    [
        ("text/html; charset=utf-8", b"<html>not found</html>", "text/html"),
        ("image/png", b"<html>not found</html>", "image/png"),
        ("image/gif", b"GIF89a", "image/gif"),
        ("image/svg+xml", b"<svg/>", "image/svg+xml"),
        ("application/zip", b"PK\x03\x04", "application/zip"),
        ("application/x-msdownload", b"MZ", "application/x-msdownload"),
        ("", b"whatever", "a file of no known type"),
        ("application/octet-stream", b"whatever", "application/octet-stream"),
        ("<script>", b"whatever", "a file of no known type"),
    ],
)
async def test_what_gemini_does_not_read_is_refused_by_its_type(content_type, content, sort, site):
    site.answers["/a"] = http(content, content_type)
    message = await refusal(on_loopback(), site.url("/a"))
    assert message.startswith(f"127.0.0.1 sent {sort}, which Gemini does not read")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (http(status=404), "127.0.0.1 answered with HTTP status 404."),
        (http(status=500), "HTTP status 500"),
        (http(PNG, "image/png", status=206), "HTTP status 206"),
        (http(status=304), "HTTP status 304"),
        (http(b"", "image/png"), "empty file"),
        (http(PNG, "image/png", length=False, content_length="1000"), "broke the transfer off"),
        (http(PNG, "image/png", length=False, content_length="x"), "broke the transfer off"),
        (b"SSH-2.0-OpenSSH\r\n", "broke the transfer off"),
        (b"", "broke the transfer off"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000, "broke the transfer off"),
        (http(PNG * 1000, "image/png"), "larger than 10,000 bytes"),
        (http(PNG * 1000, "image/png", length=False), "larger than 10,000 bytes"),
        (http(b"", "image/png", length=False, content_length="9" * 18), "larger than 10,000 bytes"),
        (http(PNG, "image/png", content_encoding="br"), "packs it in a way that was not asked for"),
        (http(PNG, "image/png", content_encoding="gzip, gzip"), "packs it in a way that was not asked for"),
        (http(PNG, "image/png", content_encoding="gzip"), "broke the transfer off"),
        (http(gzip.compress(PNG)[:-9], "image/png", content_encoding="gzip"), "cut off"),
        (http(gzip.compress(PNG + b"\0" * 10**7), "image/png", content_encoding="gzip"), "larger than 10,000 bytes"),
        (http(zlib.compress(PNG + b"\0" * 10**7), "image/png", content_encoding="deflate"), "larger than 10,000 bytes"),
    ],
)
async def test_an_answer_that_is_no_honest_file_is_refused(answer, sentence, site):
    site.answers["/a"] = answer
    assert sentence in await refusal(on_loopback(), site.url("/a"))


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)])
async def test_a_file_packed_against_our_wish_is_unpacked(encoding, pack, site):
    site.answers["/a"] = http(pack(b"a,b\n" * 2000), "text/csv", content_encoding=encoding)
    assert b64decode((await fetch(on_loopback(), site.url("/a"))).data) == b"a,b\n" * 2000


async def test_a_file_of_exactly_the_largest_size_is_taken(site):
    site.answers["/a"] = http(b"x" * 10_000, "text/plain")
    assert len(b64decode((await fetch(on_loopback(), site.url("/a"))).data)) == 10_000


async def test_an_endless_file_is_left_as_soon_as_it_is_too_large(site):
    def flood(send):
        send(http(b"", "image/png", length=False))
        while True:
            send(PNG * 1000)

    site.answers["/a"] = flood
    assert "larger than" in await refusal(on_loopback(), site.url("/a"))
    assert site.hung_up.wait(20)


def _trickle(send):
    send(http(b"", "image/png", length=False))
    while True:
        time.sleep(0.01)
        send(b"\0")


def _slow_headers(send):
    send(b"HTTP/1.1 200 OK\r\n")
    while True:
        time.sleep(0.01)
        send(b"x: y\r\n")


@pytest.mark.parametrize("answer", [_trickle, _slow_headers])
async def test_a_server_that_trickles_is_left_when_the_time_is_up(answer, site):
    site.answers["/a"] = answer
    assert await refusal(on_loopback(timeout=0.3), site.url("/a")) == "The file took longer than 0.3 seconds to fetch."
    assert site.hung_up.wait(20)


async def test_the_time_is_that_of_the_whole_chain_of_redirects(site):
    def late(send):
        time.sleep(0.2)
        send(http(status=302, location="/a"))

    site.answers["/a"] = late
    assert "took longer than 0.3 seconds" in await refusal(on_loopback(timeout=0.3), site.url("/a"))


async def test_a_name_server_that_never_answers_costs_no_more_than_the_time():
    async def silent(host, port):
        await asyncio.Event().wait()

    assert "took longer than" in await refusal(guarded(silent, timeout=0.05), "http://pictures.example.com/")


# --- Whole conversations ---------------------------------------------------------------------------------------------------


def naming(*urls: str) -> Conversation:
    files = tuple(RemoteMedia(url, f"messages[0].content[{n}].image_url.url") for n, url in enumerate(urls))
    return Conversation(model="gemini-3.8-flash", turns=(Turn("user", files),))


async def fetch_all(conversation: Conversation, **changes) -> Conversation:
    fetcher = on_loopback(**changes)
    try:
        return await fetcher.fetch_all(conversation)
    finally:
        await fetcher.close()


async def test_every_file_of_a_conversation_is_put_in_its_place(site):
    site.answers |= {"/a": http(PNG, "image/png"), "/b": http(PDF, "application/pdf")}
    a, b = (RemoteMedia(site.url(path), FIELD) for path in ("/a", "/b"))
    asked = Conversation(
        model="gemini-3.8-flash",
        turns=(
            Turn("user", (Text("look"), a, b, a)),
            Turn("tool", (ToolResult("call_1", "look", "{}", media=(b,)),)),
        ),
    )
    inline = await fetch_all(asked)
    assert list(inline.remote_media()) == []
    look, first, second, third = inline.turns[0].parts
    assert look == Text("look")
    assert [media.mime_type for media in (first, second, third)] == ["image/png", "application/pdf", "image/png"]
    assert inline.turns[1].parts[0].media == (second,)
    assert sorted(path for path, _ in site.asked) == ["/a", "/b"]


async def test_a_conversation_without_remote_files_is_left_as_it_is():
    conversation = naming()
    assert await fetch_all(conversation) is conversation


async def test_sixteen_files_are_fetched_and_a_seventeenth_is_refused_before_any_is(site):
    site.answers |= {f"/{n}": http(PNG, "image/png") for n in range(17)}
    urls = [site.url(f"/{n}") for n in range(17)]
    with pytest.raises(InvalidRequest, match="At most 16 files") as caught:
        await fetch_all(naming(*urls))
    assert caught.value.param == "messages[0].content[16].image_url.url"
    assert site.asked == []
    assert list((await fetch_all(naming(*urls[:16], urls[0]))).remote_media()) == []
    assert len(site.asked) == 16


async def test_one_bad_file_fails_the_request_and_names_its_field(site):
    site.answers["/a"] = http(PNG, "image/png")
    with pytest.raises(InvalidRequest, match="404") as caught:
        await fetch_all(naming(site.url("/a"), site.url("/absent")))
    assert caught.value.param == "messages[0].content[1].image_url.url"


async def test_all_files_together_have_a_limit_too(site):
    site.answers |= {f"/{n}": http(b"x" * 9_000, "text/plain") for n in range(4)}
    assert len(list((await fetch_all(naming(*(site.url(f"/{n}") for n in range(3))))).turns[0].parts)) == 3
    with pytest.raises(InvalidRequest, match="too large together"):
        await fetch_all(naming(*(site.url(f"/{n}") for n in range(4))))


async def test_a_file_named_a_thousand_times_counts_a_thousand_times(site):
    site.answers["/a"] = http(b"x" * 9_000, "text/plain")
    with pytest.raises(InvalidRequest, match="too large together"):
        await fetch_all(naming(*[site.url("/a")] * 1000))


async def test_files_are_fetched_side_by_side_but_only_so_many_at_once(site, monkeypatch):
    running, most = 0, 0
    together = asyncio.Event()

    async def fetch(self, media):
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == module.AT_ONCE:
            together.set()
        await together.wait()  # Nobody gets past this until as many as allowed are running together.
        running -= 1
        return Media("image/png", "")

    monkeypatch.setattr(Fetcher, "fetch", fetch)
    await asyncio.wait_for(fetch_all(naming(*(site.url(f"/{n}") for n in range(12)))), 20)
    assert most == module.AT_ONCE


async def test_when_one_file_is_refused_the_others_are_not_waited_for(site):
    def endless(send):
        send(http(b"", "image/png", length=False))
        while True:
            time.sleep(0.01)
            send(b"\0")

    site.answers["/endless"] = endless
    with pytest.raises(InvalidRequest, match="404"):
        await asyncio.wait_for(fetch_all(naming(site.url("/endless"), site.url("/absent")), timeout=300), 60)
    assert site.hung_up.wait(20)
