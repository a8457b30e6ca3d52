"""What the request log forgets, and when: what is old, and the oldest of what is too much."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils.timezone import now

from openai_api.models import LoggedRequest

_MB = 1024 * 1024
_AT_ONCE = 500


def forget_old() -> None:
    LoggedRequest.objects.filter(started_at__lt=now() - timedelta(days=settings.REQUEST_LOG_DAYS)).delete()
    beyond = list(_beyond(settings.REQUEST_LOG_MAX_MB * _MB))
    for start in range(0, len(beyond), _AT_ONCE):
        LoggedRequest.objects.filter(pk__in=beyond[start : start + _AT_ONCE]).delete()


def _beyond(most: int) -> Iterator[int]:
    """Those for which there is no room, counted from the newest; a row weighs what it takes in the database, roughly."""
    size = 0
    for pk, packed in LoggedRequest.objects.order_by("-pk").values_list("pk", "bytes").iterator(chunk_size=5000):
        size += packed * 4 // 3 + 1000
        if size > most:
            yield pk
