"""The tools that a request declares, and which of them may be called."""

from collections.abc import Iterable
from typing import Literal

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Notice, Tool, ToolChoice

from . import wire
from .history import CUSTOM_INPUT
from .invalid import check_depth, missing, unsupported

_MODES: dict[str, Literal["auto", "none", "required"]] = {"auto": "auto", "none": "none", "required": "required"}
_FREE_TEXT = {"type": "object", "properties": {CUSTOM_INPUT: {"type": "string"}}, "required": [CUSTOM_INPUT]}


def read_tools(body: wire.Body, notices: list[Notice]) -> tuple[Tool, ...]:
    if not body.functions:
        return tuple(_tool(tool, f"tools[{number}]", notices) for number, tool in enumerate(body.tools or ()))
    if body.tools:
        raise InvalidRequest("Give either 'functions' or 'tools', not both.", param="functions")
    return tuple(_function(function, f"functions[{number}]") for number, function in enumerate(body.functions))


def _tool(tool: wire.Tool, where: str, notices: list[Notice]) -> Tool:
    if tool.type == "function":
        if tool.function is None:
            raise missing(f"{where}.function")
        return _function(tool.function, f"{where}.function")
    if tool.type == "custom":
        if tool.custom is None:
            raise missing(f"{where}.custom")
        return _custom(tool.custom, f"{where}.custom", notices)
    raise unsupported(tool.type, ("function", "custom"), f"{where}.type")


def _function(function: wire.Function, where: str) -> Tool:
    check_depth(function.parameters, f"{where}.parameters")
    return Tool(_checked_name(function.name, where), function.description or "", function.parameters)


def _custom(tool: wire.CustomTool, where: str, notices: list[Notice]) -> Tool:
    description = tool.description or ""
    if tool.format and tool.format.grammar:
        grammar = tool.format.grammar
        description += f"\n\nThe input must follow this {grammar.syntax} grammar:\n{grammar.definition}"
        notices.append(Notice(f"{where}.format", "the grammar is shown to the model, not enforced"))
    return Tool(_checked_name(tool.name, where), description.lstrip(), _FREE_TEXT)


def _checked_name(name: str, where: str) -> str:
    if not name:
        raise missing(f"{where}.name")
    return name


def custom_names(tools: Iterable[wire.Tool]) -> frozenset[str]:
    return frozenset(tool.custom.name for tool in tools if tool.custom and tool.type == "custom")


def read_tool_choice(body: wire.Body, tools: tuple[Tool, ...]) -> ToolChoice:
    param = "tool_choice" if body.tool_choice is not None else "function_call"
    choice = body.tool_choice if body.tool_choice is not None else body.function_call
    if choice is None:
        return ToolChoice()
    read = _choice(choice, param)
    if read.mode == "required" and not tools:
        raise InvalidRequest(f"'{param}' is only allowed when 'tools' are given.", param=param)
    for name in read.allowed:
        if all(tool.name != name for tool in tools):
            raise InvalidRequest(f"'{param}' names '{name}', which is not among the tools.", param=param, code="invalid_value")
    return read


def _choice(choice: str | wire.Named | wire.NamedToolChoice, param: str) -> ToolChoice:
    if isinstance(choice, str):
        if choice not in _MODES:
            raise unsupported(choice, _MODES, param)
        return ToolChoice(_MODES[choice])
    if isinstance(choice, wire.Named):
        return ToolChoice("required", (choice.name,))
    if choice.type != "allowed_tools":
        return ToolChoice("required", (_referred(choice, param),))
    allowed = choice.allowed_tools
    if allowed is None:
        raise missing(f"{param}.allowed_tools")
    if allowed.mode not in ("auto", "required"):
        raise unsupported(allowed.mode, ("auto", "required"), f"{param}.allowed_tools.mode")
    names = (_referred(tool, f"{param}.allowed_tools.tools[{number}]") for number, tool in enumerate(allowed.tools))
    return ToolChoice(_MODES[allowed.mode], tuple(names))


def _referred(reference: wire.ToolReference, where: str) -> str:
    if reference.type not in ("function", "custom"):
        raise unsupported(reference.type, ("function", "custom", "allowed_tools"), f"{where}.type")
    named = reference.function if reference.type == "function" else reference.custom
    if named is None:
        raise missing(f"{where}.{reference.type}")
    return named.name
