"""Everything that `/metrics` tells. docs/metrics.md has the same list, which a test compares.

Labels are words of ours, and models that the pool knows: callers cannot make more of them.
"""

from openai_api.metrics.families import counter, found, gauge, histogram

# --- Requests

REQUESTS = counter(
    "castor_requests_total",
    "Requests that have ended. status: 2xx, 4xx, 5xx, or gone (the client hung up); model: who served, or other.",
    *("dialect", "model", "status"),
)
REFUSED = counter(
    "castor_requests_refused_total",
    "Requests refused before anybody was asked: no good token, malformed, unknown path, too many at once.",
    "code",
)
SECONDS = histogram("castor_request_seconds", "From a request's arrival to the end of its answer, where that is whole.", "model")
FIRST_TOKEN = histogram("castor_first_token_seconds", "From a request's arrival to the first token of its answer.", "model")
TOKENS = counter(
    "castor_tokens_total",
    "Tokens as upstreams count them. kind: in, out, cached (of those in), reasoning (of those out).",
    *("model", "kind"),
)
IN_FLIGHT = gauge("castor_requests_in_flight", "API requests under way.")
IN_FLIGHT_LIMIT = gauge("castor_requests_in_flight_limit", "MAX_IN_FLIGHT of all web processes together.")
STREAMS = gauge("castor_streams_in_flight", "Answers that are being sent as streams.")
WAITING = gauge("castor_requests_waiting", "Calls that wait for a credential to become free.")

# --- The pool

ATTEMPTS = counter(
    "castor_attempts_total",
    "Calls to upstreams that have ended. outcome: served, abandoned (by the client, or for want of time), or why not.",
    *("kind", "outcome"),
)
CREDENTIALS = found("castor_credentials", "Credentials by kind and state.", "kind", "state")
RESTS = found("castor_rests", "Rests in force: of a credential or a project, for one model or all.", "reason")

# --- What Castor stands on

DATABASE_UP = found("castor_database_up", "1 while the database answers; credentials and rests are not told while it is 0.")
JOURNAL_BYTES = found("castor_journal_bytes", "Usage on the disk that is not in the database yet.")
JOURNAL_SEGMENTS = found("castor_journal_segments", "Files of the journal.")
JOURNAL_AGE = found("castor_journal_oldest_seconds", "Since when the oldest of them has been there; 0: there is none.")
HEARTBEAT = found(
    "castor_celery_heartbeat_timestamp_seconds",
    "When a Celery worker last did what beat had sent; 0: never. Missing while that cannot be asked.",
)
PROCESSES = gauge("castor_web_processes", "Web processes that live.")
STARTED = found("castor_start_timestamp_seconds", "When this Castor was started, since when its counters count.")
BUILD = found("castor_build_info", "Always 1.", "version", "python")
