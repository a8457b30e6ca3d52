"""How hard to think: OpenAI's effort, Gemini's level and its budget, each turned into the knob that the model has.

Source: wire reference 2.1, 2.2 and 3 (Google's own table of efforts), 10.
"""

from typing import Any

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Notice, Thinking

from .capabilities import LEVELS, Capabilities

_BUDGETS = {"none": 0, "minimal": 512, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 32_768, "max": 32_768}
_DYNAMIC = -1

EFFORT = "reasoning_effort"
CONFIG = "extra_body.google.thinking_config"
_LEVEL = f"{CONFIG}.thinking_level"


def write_thinking(thinking: Thinking, can: Capabilities, notices: list[Notice]) -> dict[str, Any]:
    """The thinkingConfig, empty where nothing is to be sent. Raises InvalidRequest for a word that is none of theirs."""
    if can.levels:
        config = _with_level(thinking, can.levels, notices)
    elif can.budgets:
        config = _with_budget(thinking, *can.budgets, can.can_stop_thinking, notices)
    else:
        _refuse(thinking, notices)
        return {}
    if thinking.include:
        config["includeThoughts"] = True
    return config


def least_thinking(can: Capabilities) -> Thinking:
    """As little as the model can do with, where nobody has asked for any: it is sent as it stands."""
    if can.levels:
        return Thinking(level=can.levels[0])
    if can.budgets:
        return Thinking(budget=0 if can.can_stop_thinking else can.budgets[0])
    return Thinking()


def _refuse(thinking: Thinking, notices: list[Notice]) -> None:
    reason = "this model's thinking cannot be set"
    if thinking.effort not in (None, "none"):
        notices.append(Notice(EFFORT, reason))
    if thinking.level is not None or thinking.budget not in (None, 0, _DYNAMIC) or thinking.include:
        notices.append(Notice(CONFIG, reason))


def _with_level(thinking: Thinking, levels: tuple[str, ...], notices: list[Notice]) -> dict[str, Any]:
    if thinking.budget is not None:
        if thinking.budget == _DYNAMIC:
            return {}
        level = _nearest(_level_of(thinking.budget), levels)
        notices.append(Notice(f"{CONFIG}.thinking_budget", f"sent as level {level}: this model takes no budget"))
        return {"thinkingLevel": level.upper()}
    field, asked = _asked(thinking)
    if not asked:
        return {}
    level = levels[-1] if asked == "max" else _nearest(asked, levels)
    if asked not in (level, "max"):
        notices.append(Notice(field, f"sent as {level}: this model knows {', '.join(levels)}"))
    return {"thinkingLevel": level.upper()}


def _with_budget(thinking: Thinking, least: int, most: int, can_stop: bool, notices: list[Notice]) -> dict[str, Any]:
    field, word = _asked(thinking)
    if thinking.budget is not None:
        field, asked = f"{CONFIG}.thinking_budget", thinking.budget
    elif word:
        asked = _BUDGETS[word]
    else:
        return {}
    stays = asked == _DYNAMIC or (asked == 0 and can_stop)
    budget = asked if stays else min(max(asked, least), most)
    if field == _LEVEL:
        notices.append(Notice(field, f"sent as a budget of {budget} tokens: this model takes no level"))
    elif budget != asked and word != "max":
        notices.append(Notice(field, f"sent as a budget of {budget} tokens: this model's limit"))
    return {"thinkingBudget": budget}


def _asked(thinking: Thinking) -> tuple[str, str]:
    """The caller's field and the word in it, empty if there is none."""
    field, word = (_LEVEL, thinking.level) if thinking.level else (EFFORT, thinking.effort or "")
    word = word.lower()
    if word and word not in _BUDGETS:
        raise InvalidRequest(f"{field} must be one of {', '.join(_BUDGETS)}, not '{word}'.", param=field)
    return field, word


def _level_of(budget: int) -> str:
    """The lowest level whose usual budget is as large."""
    return next((level for level in LEVELS if _BUDGETS[level] >= budget), LEVELS[-1])


def _nearest(word: str, levels: tuple[str, ...]) -> str:
    """The model's level that is nearest to the one asked for; of two equally near ones the lower."""
    rank = LEVELS.index(word) if word in LEVELS else 0  # The others are `none`; a model that has levels always thinks.
    return min(levels, key=lambda level: abs(LEVELS.index(level) - rank))
