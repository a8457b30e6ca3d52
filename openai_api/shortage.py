"""What a caller is told when nobody answered: which error, in which words, and when to come back."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from credentials.health import Outcome, Reason, State
from credentials.pool import Pool
from credentials.roster import OF_SERVER
from openai_api.errors import (
    DeadlineExceeded,
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    NoCredential,
    QuotaExhausted,
    UpstreamRefusal,
    UpstreamUnavailable,
)
from openai_api.translation.conversation import Notice
from openai_api.upstream.base import Custody
from openai_api.upstream.refusals import Refusal

QUOTA = frozenset(
    {
        Reason.DAY_QUOTA,
        Reason.MINUTE_QUOTA,
        Reason.NOT_ENTITLED,
        Reason.SPEND_LIMIT,
        Reason.OUT_OF_CREDIT,
        Reason.THROTTLED,
    }
)


def nothing_free(
    pool: Pool,
    model: str,
    *,
    kinds: frozenset[str],
    at: float,
    tokens: int = 0,
    unfit: Sequence[Notice] = (),
    group: str = "",
    only: str = "",
) -> GatewayError:
    """Why no credential serves the model now.

    `tokens`: the estimated length of what is asked; `unfit`: why kinds beyond `kinds` cannot serve it; `group`: the one that
    may serve it, if not all may, and `only`: what a route has left of the pool, in words.
    """
    if not pool.loaded:
        return NoCredential("Castor is starting: its pool is not loaded yet. Try again in a moment.", retry_after=1)
    if (server := _server_of(pool, kinds)) is not None:
        return _of_server(pool, server, model, kinds, at)
    if not pool.serves(model, kinds=kinds, group=group):
        if unfit:
            return _cannot(unfit[0])
        if only:
            return NoCredential(
                f"For the model '{model}' an admin lets Castor ask {only} alone, and it has none that can serve this."
            )
        if any(entry.kind in kinds for entry in pool.roster.entries):
            return NoCredential(
                "CREDENTIAL_MODE is 'disabled', which leaves AI Studio keys out, and this Castor has nothing else."
            )
        return NoCredential(
            "This Castor has no credential yet. An admin can add a Gemini API key or a Google account at /admin/."
        )
    if pool.absent(model, kinds=kinds, group=group):
        return ModelNotFound(f"The model '{model}' does not exist, or none of this Castor's credentials may use it.")
    free_at = pool.free_at(model, at=at, kinds=kinds, tokens=tokens, group=group)
    if free_at is None:
        return NoCredential("None of this Castor's credentials is valid any more. An admin sees why at /admin/.")
    return _all_rest(pool, model, kinds, retry_after=max(free_at - at, 1.0), group=group)


def out_of_reach(pool: Pool, model: str, custody: Custody, *, kinds: frozenset[str], at: float, tokens: int = 0) -> GatewayError:
    """Why the project that keeps a file serves nothing now: no other can read the file in its place."""
    group, param = custody.group, custody.field or None
    keeper = f"The Google project that keeps the file '{custody.file_id}'"
    if not pool.loaded:
        return NoCredential("Castor is starting: its pool is not loaded yet. Try again in a moment.", retry_after=1)
    if not pool.serves(model, kinds=kinds, group=group) or pool.absent(model, kinds=kinds, group=group):
        if any(entry.group == group and entry.kind in kinds for entry in pool.roster.entries):
            return NoCredential(
                f"{keeper} does not serve the model '{model}'. Upload the file again, or ask another model.", param=param
            )
        return NoCredential(f"{keeper} has no credential in this Castor any more. Upload the file again.", param=param)
    free_at = pool.free_at(model, at=at, kinds=kinds, tokens=tokens, group=group)
    if free_at is None:
        return NoCredential(f"{keeper} has no valid credential any more. Upload the file again.", param=param)
    rests = {rest.reason for rest in pool.rests_for(model, kinds=kinds, group=group) if rest.state is State.RATE_LIMITED}
    reasons = ", ".join(sorted(reason.label for reason in rests)) or "a quota limit is reached"
    until = datetime.fromtimestamp(math.ceil(free_at), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return UpstreamUnavailable(
        f"{keeper} is resting until {until} ({reasons}), and no other can read the file. Try again then, or upload it again.",
        param=param,
        retry_after=max(free_at - at, 1.0),
    )


def _server_of(pool: Pool, kinds: frozenset[str]) -> str | None:
    """The name of the server that these kinds are of; None: they are Google's."""
    ids = [int(kind.removeprefix(OF_SERVER)) for kind in kinds if kind.startswith(OF_SERVER)]
    servers = pool.roster.servers
    return servers[ids[0]].name if ids and ids[0] in servers else "that is gone" if ids else None


def _of_server(pool: Pool, server: str, model: str, kinds: frozenset[str], at: float) -> GatewayError:
    if not pool.serves(model, kinds=kinds):
        return NoCredential(f"The server {server} has no credential here. An admin can add one at /admin/.")
    if pool.absent(model, kinds=kinds):
        return ModelNotFound(f"The server {server} does not have the model '{model}', or none of its credentials may use it.")
    free_at = pool.free_at(model, at=at, kinds=kinds)
    if free_at is None:
        return NoCredential(f"None of the credentials of the server {server} is valid any more. An admin sees why at /admin/.")
    return _all_rest(pool, model, kinds, retry_after=max(free_at - at, 1.0))


def _cannot(unfit: Notice) -> GatewayError:
    """There are credentials, but none of a kind that can do what is asked."""
    if not unfit.field:
        return NoCredential(unfit.reason)
    return InvalidRequest(f"This Castor has no credential that could serve {unfit.field}: {unfit.reason}.", param=unfit.field)


def refused_by_upstream(refusal: Refusal) -> GatewayError:
    """The error for the refusal after which nobody else was asked."""
    match refusal.outcome:
        case Outcome.REQUEST_REFUSED:
            status = refusal.status if 400 <= refusal.status < 500 else 400
            if refusal.kind:
                return UpstreamRefusal(refusal.message, status=status, code=refusal.code, param=refusal.param, kind=refusal.kind)
            return UpstreamRefusal(refusal.message, status=status, code=refusal.code)
        case Outcome.MODEL_ABSENT:
            return ModelNotFound(refusal.message, param="model")
        case Outcome.THROTTLED:
            return QuotaExhausted(f"Google is throttling this Castor: {refusal.message}", retry_after=refusal.retry_after or 10)
        case Outcome.UPSTREAM_FAILED if refusal.kind:
            return _in_its_words(refusal)
        case _ if refusal.status == 504:
            return DeadlineExceeded(refusal.message, retry_after=1)
        case _:
            return UpstreamUnavailable(refusal.for_caller, retry_after=refusal.retry_after or 1)


def _in_its_words(refusal: Refusal) -> GatewayError:
    """A failure that a server of OpenAI's dialect has told about itself."""
    error = UpstreamUnavailable(refusal.message, code=refusal.code, param=refusal.param, retry_after=refusal.retry_after or 1)
    error.status = refusal.status if refusal.status >= 500 else UpstreamUnavailable.status
    error.kind = refusal.kind
    return error


def too_late(deadline: float) -> GatewayError:
    """`deadline`: the seconds that a request may take."""
    return DeadlineExceeded(f"No complete answer came within {deadline:g} seconds (TIMEOUT of this Castor).")


def _all_rest(pool: Pool, model: str, kinds: frozenset[str], *, retry_after: float, group: str = "") -> GatewayError:
    rests = {rest.reason for rest in pool.rests_for(model, kinds=kinds, group=group) if rest.state is State.RATE_LIMITED}
    reasons = ", ".join(sorted(reason.label for reason in rests)) or "a quota limit is reached"
    message = f"Every credential that serves '{model}' is resting ({reasons}). The first is back in {retry_after:.0f} s."
    if rests & QUOTA or not rests:
        return QuotaExhausted(message, retry_after=retry_after)
    return UpstreamUnavailable(message, retry_after=retry_after)
