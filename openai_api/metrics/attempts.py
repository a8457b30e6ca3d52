"""What is counted of the calls to upstreams: how each of them ended, by the kind of credential."""

from credentials.roster import OF_SERVER
from openai_api.metrics.catalogue import ATTEMPTS
from openai_api.metrics.families import Series

ABANDONED = "abandoned"
"""No outcome: the client went away, or time was up."""

_SHOWN = {"code_assist": "oauth"}
"""Accounts are one kind to whoever counts credentials, whatever they are used with."""

_series: dict[tuple[str, str], Series] = {}


def count_attempt(kind: str, outcome: str) -> None:
    """`kind`: of the roster's entry. `outcome`: an Outcome, or ABANDONED."""
    series = _series.get((kind, outcome))
    if series is None:
        shown = "openai_compatible" if kind.startswith(OF_SERVER) else _SHOWN.get(kind, kind)
        series = _series[kind, outcome] = ATTEMPTS.of(shown, str(outcome))
    series.add()
