"""Who may read `/metrics`: whoever has METRICS_TOKEN, or asks from one of METRICS_ALLOW's networks."""

import secrets
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.conf import settings

from openai_api.errors import MetricsForbidden, NotAuthenticated

_OF_PROXIES = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
"""Whose address it is that a request comes from which has one of these is the proxy's: it says nothing about who asks."""


def check_access(head: Mapping[str, Any]) -> None:
    """`head`: a request's META. Raises NotAuthenticated or MetricsForbidden."""
    if _has_token(head.get("HTTP_AUTHORIZATION", "")) or _is_near(head):
        return
    if settings.METRICS_TOKEN:
        raise NotAuthenticated("Send METRICS_TOKEN in the header: Authorization: Bearer METRICS_TOKEN.")
    raise MetricsForbidden(
        "Only METRICS_ALLOW's networks may read this, and not through a proxy; or set METRICS_TOKEN and send it."
    )


def _has_token(authorization: str) -> bool:
    scheme, _, given = authorization.partition(" ")
    if not settings.METRICS_TOKEN or scheme.lower() != "bearer":
        return False
    return secrets.compare_digest(given.strip().encode(errors="replace"), settings.METRICS_TOKEN.encode())


def _is_near(head: Mapping[str, Any]) -> bool:
    if any(name in head for name in _OF_PROXIES):
        return False
    try:
        address = ip_address(head.get("REMOTE_ADDR", ""))
    except ValueError:  # A socket of the file system has none.
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in settings.METRICS_ALLOW)
