"""One way of logging for everything: structlog, as text for people or as JSON lines, on standard error."""

import logging
import sys
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from credentials.crypto import redact
from openai_api.ids import current_request

_encode = msgspec.json.Encoder(enc_hook=str).encode


def configure(options: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG hook; `options` are settings.LOGGING: `level` and `format` (console or json)."""
    level = logging.getLevelNamesMapping()[options["level"]]
    final: list[Any] = [_as_text if options["format"] == "console" else _as_json]
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _of_request,
        _redacted,
    ]
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _configure_standard_library(level, [structlog.stdlib.add_logger_name, *shared], final)


def _configure_standard_library(level: int, before: list[Any], final: list[Any]) -> None:
    """What Django, Celery and gunicorn log goes the same way."""
    handler = logging.StreamHandler(sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=[remove, *final]))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "asyncio", "celery"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


def _of_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the request that it was said for, in the line of the request itself (`id`) once."""
    if (request := current_request.get()) and "id" not in event:
        event["request"] = request
    return event


def _redacted(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask whatever looks like a secret in texts that somebody else wrote: messages, causes and traces."""
    for name in ("event", "cause", "exception", "detail"):
        if isinstance(text := event.get(name), str):
            event[name] = redact(text)
    return event


def _as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line for people, and a trace below it. Not structlog's own, which takes longer than most requests."""
    trace = event.pop("exception", None)
    head = f"{event.pop('timestamp')} {event.pop('level'):<8} {str(event.pop('event')).strip()}"
    line = " ".join([head, *(f"{name}={value}" for name, value in event.items() if value not in ("", None))])
    if not line.isprintable():  # Callers choose some of these words: they shall forge no line, and steer no terminal.
        line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
    return f"{line}\n{trace}" if trace else line


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return _encode(event).decode()
