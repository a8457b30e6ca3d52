"""Tools, the choice among them, and the form of the answer: what may be asked for together depends on the model.

Source: wire reference 1.6.
"""

from typing import Any

from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Conversation, Notice, ToolChoice

from .capabilities import Capabilities
from .names import Names
from .schema import parameters_schema, response_schema


class Offer(Struct, frozen=True):
    """What is asked for together, after what the model cannot combine was taken out."""

    functions: bool
    search: bool
    format: bool


def settle(conversation: Conversation, can: Capabilities, notices: list[Notice]) -> Offer:
    functions = bool(conversation.tools)
    search = conversation.web_search
    form = conversation.format is not None
    if not can.tools:
        _drop(functions, "tools", "this model has no tools", notices)
        _drop(search, "web_search_options", "this model cannot search the web", notices)
        functions = search = False
    if not can.json:
        _drop(form, "response_format", "this model does not answer in JSON", notices)
        form = False
    # Functions that must not be called need not be there, if they stood in the way of something else.
    if conversation.tool_choice.mode == "none" and (search or (form and not can.json_with_tools)):
        functions = False
    if functions and not can.search_with_functions:
        _drop(search, "web_search_options", "this model cannot search the web while it has functions", notices)
        search = False
    if (functions or search) and not can.json_with_tools:
        _drop(form, "response_format", "this model cannot answer in JSON while it has tools", notices)
        form = False
    return Offer(functions, search, form)


def _drop(asked_for: bool, field: str, reason: str, notices: list[Notice]) -> None:
    if asked_for:
        notices.append(Notice(field, reason))


def write_tools(conversation: Conversation, offer: Offer, names: Names, notices: list[Notice]) -> dict[str, Any]:
    """The fields `tools` and `toolConfig`, as far as there is something to say. Raises InvalidRequest."""
    body: dict[str, Any] = {}
    tools: list[dict[str, Any]] = []
    config: dict[str, Any] = {}
    if offer.functions:
        tools.append({"functionDeclarations": _declarations(conversation, names, notices)})
        if calling := _function_calling(conversation, names):
            config["functionCallingConfig"] = calling
    elif conversation.tool_choice.mode == "required":
        notices.append(Notice("tool_choice", "there are no functions to choose from"))
    if offer.search:
        tools.append({"googleSearch": {}})
        if offer.functions:
            config["includeServerSideToolInvocations"] = True
    if tools:
        body["tools"] = tools
    if config:
        body["toolConfig"] = config
    return body


def write_format(conversation: Conversation, offer: Offer, notices: list[Notice]) -> dict[str, Any]:
    """The fields of generationConfig that ask for JSON."""
    if not offer.format or conversation.format is None:
        return {}
    config: dict[str, Any] = {"responseMimeType": "application/json"}
    if conversation.format.schema:
        schema = response_schema(conversation.format.schema, "response_format", notices)
        config |= {"responseJsonSchema": schema} if schema else {}
    return config


def _declarations(conversation: Conversation, names: Names, notices: list[Notice]) -> list[dict[str, Any]]:
    declarations: list[dict[str, Any]] = []
    seen: set[str] = set()
    for index, tool in enumerate(conversation.tools):
        field = f"tools[{index}].function"
        if not tool.name or tool.name in seen:
            fault = f"Two functions are named '{tool.name}'." if tool.name else "A function has no name."
            raise InvalidRequest(fault, param=f"{field}.name")
        seen.add(tool.name)
        declaration: dict[str, Any] = {"name": names.on_wire(tool.name)}
        if tool.description:
            declaration["description"] = tool.description
        if schema := parameters_schema(tool.parameters, f"{field}.parameters", notices):
            declaration["parametersJsonSchema"] = schema
        declarations.append(declaration)
    return declarations


def _function_calling(conversation: Conversation, names: Names) -> dict[str, Any]:
    choice = conversation.tool_choice
    _check_allowed(choice, {tool.name for tool in conversation.tools})
    if choice.mode == "none":
        return {"mode": "NONE"}
    if choice.allowed:
        # A subset may be named only where calls are checked: AUTO that checks is VALIDATED.
        mode = "VALIDATED" if choice.mode == "auto" else "ANY"
        return {"mode": mode, "allowedFunctionNames": [names.on_wire(name) for name in choice.allowed]}
    return {} if choice.mode == "auto" else {"mode": "ANY"}


def _check_allowed(choice: ToolChoice, declared: set[str]) -> None:
    for name in choice.allowed:
        if name not in declared:
            raise InvalidRequest(f"tool_choice names the function '{name}', which is not among the tools.", param="tool_choice")
