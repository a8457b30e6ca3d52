"""Everything in a request that is neither a message nor a tool: how to sample, how to think, what form to answer in."""

from typing import Any, TypeVar

import msgspec

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Format, Notice, PictureFormat, Sampling, Thinking

from . import wire
from .invalid import check_depth, check_range, mismatch, missing, unsupported

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
LEVELS = ("minimal", "low", "medium", "high", "xhigh")
MAX_STOP = 1024
"""Characters of one stop sequence; looking for them is done on every piece of every answer."""

_TIERS = {"auto": "", "default": "", "standard": "standard", "flex": "flex", "priority": "priority", "fast": "priority"}
_MODALITIES = {"text": "TEXT", "image": "IMAGE"}
Options = TypeVar("Options", bound=msgspec.Struct)
_GOOGLE_OPTIONS = frozenset(wire.GoogleOptions.__struct_fields__)

# Zero, false and empty are the defaults of all these, and so change nothing.
_LEFT_OUT = {
    "audio": "spoken answers are not available in chat completions",
    "frequency_penalty": "Gemini's models refuse penalties",
    "logit_bias": "Gemini has no logit bias",
    "logprobs": "Gemini's models refuse log probabilities",
    "moderation": "there is no moderation here",
    "prediction": "Gemini has no predicted outputs",
    "presence_penalty": "Gemini's models refuse penalties",
    "top_logprobs": "Gemini's models refuse log probabilities",
}


def read_sampling(body: wire.Body) -> Sampling:
    check_range(body.temperature, 0, 2, "temperature")
    check_range(body.top_p, 0, 1, "top_p")
    check_range(body.max_tokens, 1, float("inf"), "max_tokens")
    check_range(body.max_completion_tokens, 1, float("inf"), "max_completion_tokens")
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        # Local servers' clients write 0 or -1 to turn it off.
        top_k=body.top_k if body.top_k and body.top_k > 0 else None,
        max_tokens=body.max_completion_tokens or body.max_tokens,
        stop=read_stop(body.stop) if body.stop else (),
        seed=body.seed,
    )


def read_stop(stop: str | list[str]) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop
    if any(len(one) > MAX_STOP for one in stops):
        raise InvalidRequest(f"Invalid 'stop': a sequence is longer than {MAX_STOP} characters.", param="stop")
    return tuple(dict.fromkeys(filter(None, stops)))


def read_google(body: wire.Body, notices: list[Notice]) -> wire.GoogleOptions:
    """Gather Google's options from the three places where they may stand; the top of the body wins."""
    if body.google is None and body.extra_body is None:
        return body
    extra = dict(body.extra_body or {})
    nested = extra.pop("google", None)
    notices += [Notice(f"extra_body.{field}", "unknown") for field in extra]
    options = wire.GoogleOptions
    sources = (body, _convert(body.google, options, "google", notices), _convert(nested, options, "extra_body.google", notices))
    given = ((field, getattr(source, field)) for source in reversed(sources) for field in _GOOGLE_OPTIONS)
    return options(**{field: value for field, value in given if value is not None})


def _convert(raw: Any, kind: type[Options], where: str, notices: list[Notice]) -> Options:
    if isinstance(raw, dict):
        check_depth(raw, where)
        raw = _snake_keys(raw)
        notices += [Notice(f"{where}.{field}", "unknown") for field in raw if field not in kind.__struct_fields__]
    try:
        return msgspec.convert({} if raw is None else raw, kind)
    except msgspec.ValidationError as error:
        raise mismatch(error, where) from error


def _snake_keys(value: Any) -> Any:
    """Google's JSON takes `thinkingBudget` and `thinking_budget` alike."""
    if not isinstance(value, dict):
        return value
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): _snake_keys(one) for key, one in value.items()}


def read_thinking(body: wire.Body, google: wire.GoogleOptions) -> Thinking:
    config, include = google.thinking_config, google.include_thoughts
    effort, budget = _read_reasoning(body)
    if include is None:
        include = _wants_reasoning(body)
    if config is None:
        return Thinking(effort=effort, budget=budget, include=include)
    if effort is not None or budget is not None:
        raise InvalidRequest("Give either 'reasoning_effort' or 'thinking_config', not both.", param="reasoning_effort")
    if config.thinking_level and config.thinking_budget is not None:
        raise InvalidRequest("Give either 'thinking_level' or 'thinking_budget', not both.", param="thinking_config")
    level = config.thinking_level.lower() if config.thinking_level else None
    if level is not None and level not in LEVELS:
        raise unsupported(level, LEVELS, "thinking_config.thinking_level")
    wanted = include if config.include_thoughts is None else config.include_thoughts
    return Thinking(level=level, budget=config.thinking_budget, include=wanted)


def _read_reasoning(body: wire.Body) -> tuple[str | None, int | None]:
    """Return effort and budget, of which one at most is set."""
    effort, reasoning, param = body.reasoning_effort, body.reasoning, "reasoning_effort"
    if effort is None and reasoning is not None:
        effort, param = "none" if reasoning.enabled is False else reasoning.effort, "reasoning.effort"
    if effort is not None and effort not in EFFORTS:
        raise unsupported(effort, EFFORTS, param)
    budget = reasoning.max_tokens if reasoning and effort is None else None
    return effort, budget


def _wants_reasoning(body: wire.Body) -> bool | None:
    if body.reasoning is not None and body.reasoning.exclude is not None:
        return not body.reasoning.exclude
    return body.include_reasoning


def read_format(wanted: wire.ResponseFormat | None) -> Format | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return Format()
    if wanted.type != "json_schema":
        raise unsupported(wanted.type, ("text", "json_object", "json_schema"), "response_format.type")
    schema = wanted.json_schema.schema if wanted.json_schema else None
    if schema is None:
        raise missing("response_format.json_schema.schema")
    check_depth(schema, "response_format.json_schema.schema")
    return Format(schema)


def read_modalities(modalities: list[str] | None, notices: list[Notice]) -> tuple[str, ...]:
    if not modalities:
        return ()
    for modality in modalities:
        if modality not in ("text", "image", "audio"):
            raise unsupported(modality, ("text", "image", "audio"), "modalities")
    if "audio" in modalities:
        notices.append(Notice("modalities", _LEFT_OUT["audio"]))
    return tuple(_MODALITIES[modality] for modality in modalities if modality != "audio")


def read_picture(google: wire.GoogleOptions, notices: list[Notice]) -> PictureFormat | None:
    """`image_config`, wherever it stands: in `generation_config` it is Gemini's own."""
    raw, where = google.image_config, "image_config"
    if google.generation_config is not None:
        own = _convert(google.generation_config, wire.GenerationConfig, "generation_config", notices).image_config
        raw, where = (own, "generation_config.image_config") if raw is None else (raw, where)
    if raw is None:
        return None
    wanted = _convert(raw, wire.ImageConfig, where, notices)
    return PictureFormat(wanted.aspect_ratio or "", wanted.image_size or "")


def read_service_tier(tier: str | None, notices: list[Notice]) -> str:
    if tier is None:
        return ""
    if tier == "scale":
        notices.append(Notice("service_tier", "Gemini has no scale tier"))
        return ""
    if tier not in _TIERS:
        raise unsupported(tier, (*_TIERS, "scale"), "service_tier")
    return _TIERS[tier]


def read_web_search(options: dict[str, Any] | None, notices: list[Notice]) -> bool:
    """Gemini's search has no knobs: options that would turn one are named."""
    for field, value in (options or {}).items():
        if value is not None and (field, value) != ("search_context_size", "medium"):
            notices.append(Notice(f"web_search_options.{field}", "Gemini's search has no such option"))
    return options is not None


def note_left_out(body: wire.Body, notices: list[Notice]) -> None:
    for field, reason in _LEFT_OUT.items():
        if getattr(body, field):
            notices.append(Notice(field, reason))
    if body.verbosity not in (None, "", "medium"):
        notices.append(Notice("verbosity", "Gemini has no verbosity setting"))
