"""How hard a model thinks: what may be asked of which (sections 2.1 and 2.2), and what it costs here."""

from typing import Any

from tests.google.errors import invalid
from tests.google.models import Model

TOKENS_OF_LEVEL = {"": 0, "MINIMAL": 0, "LOW": 8, "MEDIUM": 16, "HIGH": 32, "XHIGH": 64}
"""The simulator's own: so many tokens are thought at each level."""
TOKENS_OF_DYNAMIC_BUDGET = 16


def check(config: dict[str, Any], model: Model) -> None:
    """Refuse a thinkingConfig that the model does not take."""
    if config and not model.thinks:
        raise invalid(f"Thinking is not enabled for models/{model.id}")
    level, budget = config.get("thinkingLevel"), config.get("thinkingBudget")
    if level and budget is not None:
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if level:
        _check_level(level, model)
    if budget is not None:
        _check_budget(int(budget), model)


def _check_level(level: str, model: Model) -> None:
    if level == "THINKING_LEVEL_UNSPECIFIED":
        return
    if not model.levels:
        raise invalid("Thinking level is not supported for this model.")
    if level not in model.levels:
        raise invalid(f"Thinking level {level} is not supported for this model. Please retry with other thinking level.")


def _check_budget(budget: int, model: Model) -> None:
    if model.budget is None:
        raise invalid("Thinking budget is not supported for this model. Please use thinking level instead.")
    if budget == -1 or (budget == 0 and model.can_stop_thinking):
        return
    least, most = model.budget
    if budget == 0:
        raise invalid("Budget 0 is invalid. This model only works in thinking mode.")
    if not least <= budget <= most:
        raise invalid(f"The thinking budget {budget} is invalid. Please choose a value between {least} and {most}.")


def tokens(config: dict[str, Any], model: Model) -> int:
    """How many tokens this request's thoughts take."""
    if model.budget is None:
        level = config.get("thinkingLevel") or model.default_level
        return TOKENS_OF_LEVEL.get(level, TOKENS_OF_LEVEL.get(model.default_level, 0))
    budget = int(config.get("thinkingBudget", -1 if model.thinks_by_default else 0))
    return TOKENS_OF_DYNAMIC_BUDGET if budget < 0 else min(budget, TOKENS_OF_DYNAMIC_BUDGET)
