"""Who may read `/metrics`."""

from ipaddress import ip_network

import pytest
from django.core.exceptions import ImproperlyConfigured

from openai_api.errors import GatewayError
from openai_api.metrics.access import check_access
from proxy_site.environment import Env


@pytest.fixture(autouse=True)
def near(settings):
    settings.METRICS_TOKEN = ""
    settings.METRICS_ALLOW = [ip_network(network) for network in ("127.0.0.0/8", "::1", "10.1.0.0/16")]


def refusal(**head: str) -> int:
    """The status, or 200."""
    try:
        check_access(head)
    except GatewayError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("address", "status"),
    [
        *((near, 200) for near in ("127.0.0.1", "127.8.8.8", "::1", "10.1.2.3", "::ffff:127.0.0.1")),
        *((far, 403) for far in ("10.2.0.1", "8.8.8.8", "::2", "::ffff:8.8.8.8", "", "a socket")),
    ],
)
def test_only_allowed_networks_may(address, status):
    assert refusal(REMOTE_ADDR=address) == status


@pytest.mark.parametrize("header", ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA"])
def test_what_came_through_a_proxy_came_from_no_network(header):
    assert refusal(REMOTE_ADDR="127.0.0.1", **{header: "127.0.0.1"}) == 403


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("Bearer s3cret", 200),
        ("bearer  s3cret ", 200),
        ("Bearer s3cre", 401),
        ("Basic s3cret", 401),
        ("Bearer ä", 401),
        ("", 401),
    ],
)
def test_the_token_opens_it_from_anywhere(settings, sent, status):
    settings.METRICS_TOKEN = "s3cret"
    assert refusal(REMOTE_ADDR="8.8.8.8", HTTP_AUTHORIZATION=sent) == status


@pytest.mark.parametrize("sent", ["Bearer ", "Bearer"])
def test_without_a_token_an_empty_one_opens_nothing(sent):
    assert refusal(REMOTE_ADDR="8.8.8.8", HTTP_AUTHORIZATION=sent) == 403


def test_networks_are_read_and_what_is_none_is_named(monkeypatch):
    monkeypatch.setenv("METRICS_ALLOW", "10.0.0.1/8, 192.168.1.7")
    assert Env().networks("METRICS_ALLOW", []) == [ip_network("10.0.0.0/8"), ip_network("192.168.1.7")]
    monkeypatch.setenv("METRICS_ALLOW", "everywhere")
    with pytest.raises(ImproperlyConfigured, match=r"METRICS_ALLOW must list .* 'everywhere'"):
        Env().networks("METRICS_ALLOW", [])
