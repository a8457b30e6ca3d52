"""What a refusal says about quotas: which one is used up, how large it is, whose it is, and when it begins anew.

Source: wire reference, sections 4.6 and 6.3. Google's own names (`quotaId`, metadata) come before its sentences.
"""

import re
import time
from datetime import UTC, datetime
from typing import Any

from credentials.health import DAY
from openai_api.upstream.refusal_body import Said, seconds

_LONGEST_MINUTE = 300.0
"""Seconds: whoever is told to wait longer is not told about a minute. Source: gemini-cli's classifier, section 4.6."""
_SHORTEST_DAY = 60.0
_LONGEST_ID = 200
_WEEK = 7 * DAY  # Code Assist has weekly quotas too, and names their end.

_ABOUT_QUOTA = re.compile(
    r"\W*(?:you exceeded your|(?:quota|rate limit) exceeded|resource (?:has been )?exhausted|too many requests|please retry in"
    r"|you have exhausted your capacity|individual quota reached)\b"
)
_EXCEEDED = re.compile(r"quota exceeded for metric: ([^,\s]+), limit: (\d{1,9})\b(?![.,]\d)")
_EXCEEDED_OF_OLD = re.compile(r"^quota exceeded for quota metric '[^']*' and limit '([^']*)'")
_RETRY_IN = re.compile(r"\bplease retry in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)")
_RESET_IN = re.compile(r"\b(?:reset after|resets in) ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)")
_OUT_OF_CAPACITY = re.compile(r"^(?:you have exhausted your capacity on this model|individual quota reached)\b")
_PROJECT = re.compile(r"projects/([a-z0-9][a-z0-9.:-]{0,99})")
_UNUSED_IN = re.compile(r"^(?:the|gemini|generative language) api has not been used in project (\d{6,}) before\b")
_CONSUMER = re.compile(r" for consumer 'project_number:(\d{6,})'")

_GEMINI_API = "generativelanguage.googleapis.com"
_NOT_ITS_OWN = frozenset({"CONSUMER_INVALID", "USER_PROJECT_DENIED"})
"""Reasons whose consumer is what was asked for, not what the credential belongs to."""


def _is_quota_of_code_assist(said: Said) -> bool:
    if _OUT_OF_CAPACITY.search(said.text):
        return True
    return said.is_of_code_assist and not said.reasons.isdisjoint({"RATE_LIMIT_EXCEEDED", "QUOTA_EXHAUSTED"})


def is_long_quota_of_code_assist(said: Said) -> bool:
    return _is_quota_of_code_assist(said) and ("QUOTA_EXHAUSTED" in said.reasons or (delay(said) or 0.0) > _LONGEST_MINUTE)


def is_zero_quota(said: Said) -> bool:
    """A limit of 0 means that the model is not in the project's plan. Protobuf's JSON leaves a zero out."""
    if stated := _stated_limits(said):
        return 0 in stated.values()
    values = [violation.get("quotaValue", "0") for violation in said.violations if violation.get("quotaId")]
    return any(_number(value) == 0 for value in (*values, said.metadata("quota_limit_value")))


def is_day_quota(said: Said) -> bool:
    old = _EXCEEDED_OF_OLD.search(said.text)
    return any("PerDay" in quota for quota in _quotas(said)) or bool(old and "per day" in old.group(1))


def is_minute_quota(said: Said) -> bool:
    if said.violations or delay(said) is not None or _stated_limits(said):
        return True
    return "RATE_LIMIT_EXCEEDED" in said.reasons or bool(_EXCEEDED_OF_OLD.search(said.text))


def delay(said: Said) -> float | None:
    """After how many seconds Google says to come back."""
    reset = seconds(said.metadata("quotaResetDelay"))
    if reset is None:
        reset = _seconds_until(said.metadata("quotaResetTimeStamp"))
    if reset is not None:
        return reset
    if said.retry_delay is not None:
        return said.retry_delay
    about_quota = _about_quota(said)
    named = _RETRY_IN.search(about_quota) or _RESET_IN.search(about_quota)
    return seconds(named.group(1)) if named else None


def short_rest(said: Said) -> float | None:
    """The delay as it may be obeyed: a day at most, for nothing rests longer on one sentence of Google's."""
    named = delay(said)
    return None if named is None else min(named, DAY)


def day_rest(said: Said) -> float | None:
    """When a day's quota begins anew. Only Code Assist's word on that is any good: AI Studio's is wrong more often than not."""
    named = delay(said) if _is_quota_of_code_assist(said) else None
    return None if named is None else max(_SHORTEST_DAY, min(named, _WEEK))


def quota_of(said: Said) -> str:
    """Google's id of the quota that decides: a day's before a minute's."""
    quotas = _quotas(said)
    return next((quota for quota in quotas if "PerDay" in quota), quotas[0] if quotas else "")


def limit_of(said: Said) -> int | None:
    """How large the quota that decides is, where Google says so."""
    quota = quota_of(said)
    violation = next((item for item in said.violations if quota and str(item.get("quotaId")).startswith(quota)), {})
    for value in (violation.get("quotaValue"), said.metadata("quota_limit_value")):
        if (named := _number(value)) is not None:
            return named
    stated = _stated_limits(said)
    metric = violation.get("quotaMetric")
    return stated.get(metric.lower()) if isinstance(metric, str) else min(stated.values(), default=None)


def project_of(said: Said) -> str:
    """The Google project that the quota of an API key belongs to, where it is named."""
    if said.is_of_code_assist:
        return ""
    for info in said.infos:
        named = _PROJECT.fullmatch(info.metadata.get("consumer", ""))
        # What Code Assist names is often the project of the OAuth client, which all logins share.
        if named and info.metadata.get("service", _GEMINI_API) == _GEMINI_API:
            return "" if info.reason in _NOT_ITS_OWN else named.group(1)
    if said.status not in (403, 429):
        return ""
    named = _UNUSED_IN.search(said.text) or _CONSUMER.search(_about_quota(said))
    return named.group(1) if named else ""


def _quotas(said: Said) -> list[str]:
    ids = [violation.get("quotaId") for violation in said.violations]
    return [quota[:_LONGEST_ID] for quota in (*ids, said.metadata("quota_limit")) if isinstance(quota, str) and quota]


def _about_quota(said: Said) -> str:
    """The message, if that is what it is about from its beginning on: further on it may quote anybody."""
    return said.text if _ABOUT_QUOTA.match(said.text) else ""


def _stated_limits(said: Said) -> dict[str, int]:
    """metric -> limit, out of the message. Of several limits of one metric the smallest."""
    stated: dict[str, int] = {}
    for metric, limit in _EXCEEDED.findall(_about_quota(said)):
        stated[metric] = min(int(limit), stated.get(metric, int(limit)))
    return stated


def _seconds_until(moment: str) -> float | None:
    """Of a moment such as 2026-11-22T08:00:00Z, which is past if this is negative: then it says nothing any more."""
    try:
        until = datetime.fromisoformat(moment)
    except ValueError:
        return None
    left = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp() - time.time()
    return left if left > 0 else None


def _number(value: Any) -> int | None:
    """An int64 as protobuf's JSON writes it: in quotes, mostly. The largest ones stand for no limit at all."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None
