"""Rules of tools and of how they may be called (section 1.6)."""

import re
from collections.abc import Iterator
from typing import Any

from tests.google import schemas
from tests.google.errors import invalid
from tests.google.models import Model

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
MOST_DECLARATIONS = 512
BUILT_IN = ("googleSearch", "urlContext", "codeExecution", "googleMaps", "fileSearch", "computerUse", "mcpServers")
CALLS_MUST = ("ANY", "VALIDATED")


def check(request: dict[str, Any], model: Model) -> None:
    tools = request.get("tools", [])
    declared = list(_declarations(tools))
    built_in = [name for tool in tools for name in BUILT_IN if name in tool]
    if model.kind in ("speech", "transcription") and tools:
        raise invalid("Tool use is not enabled for this model.")
    _check_kinds(tools)
    _check_declarations(declared)
    _check_config(request.get("toolConfig", {}), [function["name"] for _, function in declared])
    if declared and built_in:
        _check_combination(request.get("toolConfig", {}), model)
    _check_traces(request)


def _check_traces(request: dict[str, Any]) -> None:
    """toolCall and toolResponse parts belong to requests that show the server's own calls (section 1.4)."""
    parts = [part for content in request.get("contents", ()) for part in content.get("parts", ())]
    has_traces = any(name in part for part in parts for name in ("toolCall", "toolResponse"))
    if has_traces and not request.get("toolConfig", {}).get("includeServerSideToolInvocations"):
        raise invalid("Request contains an invalid argument.")


def _declarations(tools: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, tool in enumerate(tools):
        for index, function in enumerate(tool.get("functionDeclarations", ())):
            yield f"GenerateContentRequest.tools[{number}].function_declarations[{index}]", function


def _check_kinds(tools: list[dict[str, Any]]) -> None:
    for number, tool in enumerate(tools):
        if "googleSearchRetrieval" in tool:
            raise invalid("google_search_retrieval is not supported. Please use google_search tool instead.")
        if not tool.get("functionDeclarations") and not any(name in tool for name in BUILT_IN):
            raise invalid(
                f"* GenerateContentRequest.tools[{number}].tool_type: required one_of 'tool_type' must have one initialized field"
            )


def _check_declarations(declared: list[tuple[str, dict[str, Any]]]) -> None:
    if len(declared) > MOST_DECLARATIONS:
        raise invalid(f"At most {MOST_DECLARATIONS} function declarations can be specified.")
    seen = set()
    for path, function in declared:
        name = function.get("name", "")
        if not NAME.fullmatch(name):
            raise invalid(
                f"* {path}.name: Invalid function name. Must start with a letter or an underscore. Must be alphameric "
                "(a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64."
            )
        if name in seen:
            raise invalid(f"Duplicate function declaration found: {name}")
        seen.add(name)
        _check_parameters(path, function)


def _check_parameters(path: str, function: dict[str, Any]) -> None:
    for kind in ("parameters", "response"):
        json_kind = "parametersJsonSchema" if kind == "parameters" else "responseJsonSchema"
        if kind in function and json_kind in function:
            raise invalid(f"* {path}: only one of {kind} and {kind}_json_schema may be set.")
        if kind in function:
            schemas.check(function[kind], f"{path}.{kind}")
        if json_kind in function:
            schemas.check_json_schema(function[json_kind], f"{path}.{kind}_json_schema")
    if function.get("parameters", {}).get("type", "OBJECT") != "OBJECT":
        raise invalid(f"* {path}.parameters: schema type must be OBJECT.")


def _check_config(config: dict[str, Any], names: list[str]) -> None:
    calling = config.get("functionCallingConfig")
    if calling is None:
        return
    if not names:
        raise invalid("Function calling config is set without function_declarations.")
    allowed = calling.get("allowedFunctionNames", [])
    if allowed and calling.get("mode") not in CALLS_MUST:
        raise invalid("Function calling config: allowed_function_names should be set only when the function calling mode is ANY.")
    for name in allowed:
        if name not in names:
            raise invalid(f"Function calling config: allowed_function_names holds '{name}', which is not declared.")


def _check_combination(config: dict[str, Any], model: Model) -> None:
    if model.generation not in ("3", "4"):
        raise invalid("Tool use with function calling is unsupported")
    if not config.get("includeServerSideToolInvocations"):
        raise invalid(
            "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling."
        )
