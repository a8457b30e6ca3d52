"""The bodies of Chat Completions, as msgspec reads them.

Fields are what the official SDKs send, and what well-known clients add (Google's `extra_body`, OpenRouter's `reasoning`).
Null is allowed wherever a field is optional: half of all clients write their unset options out.
"""

from typing import Any, get_args

from msgspec import Struct

from openai_api.translation.conversation import SafetySetting, Schema


class ImageURL(Struct, gc=False):
    url: str
    detail: str | None = None


class InputAudio(Struct, gc=False):
    data: str
    format: str = "wav"


class FileData(Struct, gc=False):
    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class GoogleExtra(Struct, gc=False):
    thought_signature: str | None = None


class ExtraContent(Struct, gc=False):
    google: GoogleExtra | None = None


def thought_signature(extra: ExtraContent | None) -> str:
    """Empty where the client has not kept it."""
    return (extra.google.thought_signature if extra and extra.google else None) or ""


class TextPart(Struct, gc=False, tag_field="type", tag="text"):
    text: str


class RefusalPart(Struct, gc=False, tag_field="type", tag="refusal"):
    refusal: str


class ImagePart(Struct, gc=False, tag_field="type", tag="image_url"):
    image_url: ImageURL | str
    """OpenAI demands the object; many clients write the bare URL."""
    extra_content: ExtraContent | None = None


class AudioPart(Struct, gc=False, tag_field="type", tag="input_audio"):
    input_audio: InputAudio


class FilePart(Struct, gc=False, tag_field="type", tag="file"):
    file: FileData


Part = TextPart | RefusalPart | ImagePart | AudioPart | FilePart
Content = str | list[Part] | None


class FunctionCall(Struct, gc=False):
    name: str
    arguments: str | dict[str, Any] | None = None
    """JSON text; some clients send the object itself."""
    extra_content: ExtraContent | None = None


class CustomCall(Struct, gc=False):
    name: str
    input: str = ""


class ToolCall(Struct, gc=False):
    id: str
    function: FunctionCall | None = None
    custom: CustomCall | None = None
    type: str | None = None
    extra_content: ExtraContent | None = None


class SystemMessage(Struct, gc=False, tag_field="role", tag="system"):
    content: Content = None
    name: str | None = None


class DeveloperMessage(SystemMessage, gc=False, tag_field="role", tag="developer"):
    pass


class UserMessage(Struct, gc=False, tag_field="role", tag="user"):
    content: Content = None
    name: str | None = None


class AssistantMessage(Struct, gc=False, tag_field="role", tag="assistant"):
    content: Content = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    images: list[ImagePart] | None = None
    audio: Any = None
    name: str | None = None


class ToolMessage(Struct, gc=False, tag_field="role", tag="tool"):
    tool_call_id: str
    content: Content = None
    name: str | None = None


class FunctionMessage(Struct, gc=False, tag_field="role", tag="function"):
    name: str
    content: Content = None


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage

ROLES: tuple[str, ...] = tuple(str(role.__struct_config__.tag) for role in get_args(Message))
PART_TYPES: tuple[str, ...] = tuple(str(part.__struct_config__.tag) for part in get_args(Part))


class Function(Struct, gc=False):
    name: str
    description: str | None = None
    parameters: Schema | None = None


class Grammar(Struct, gc=False):
    definition: str
    syntax: str = "lark"


class CustomFormat(Struct, gc=False):
    type: str = "text"
    grammar: Grammar | None = None


class CustomTool(Struct, gc=False):
    name: str
    description: str | None = None
    format: CustomFormat | None = None


class Tool(Struct, gc=False):
    type: str = "function"
    function: Function | None = None
    custom: CustomTool | None = None


class Named(Struct, gc=False):
    name: str


class ToolReference(Struct, gc=False):
    type: str = "function"
    function: Named | None = None
    custom: Named | None = None


class AllowedTools(Struct, gc=False):
    tools: list[ToolReference]
    mode: str = "auto"


class NamedToolChoice(ToolReference, gc=False):
    allowed_tools: AllowedTools | None = None


class JsonSchemaFormat(Struct, gc=False):
    schema: Schema | None = None


class ResponseFormat(Struct, gc=False):
    type: str
    json_schema: JsonSchemaFormat | None = None


class StreamOptions(Struct, gc=False):
    include_usage: bool | None = None


class Reasoning(Struct, gc=False):
    """OpenRouter's way to ask for thinking."""

    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None


class ThinkingConfig(Struct, gc=False):
    thinking_level: str | None = None
    thinking_budget: int | None = None
    include_thoughts: bool | None = None


class ImageConfig(Struct, gc=False):
    aspect_ratio: str | None = None
    image_size: str | None = None


class GenerationConfig(Struct, gc=False):
    """Gemini's own: what else stands in it has a name in Chat Completions."""

    image_config: dict[str, Any] | None = None


class GoogleOptions(Struct, gc=False, kw_only=True):
    """What Google's own OpenAI layer adds; read from `google`, from `extra_body.google` and from the top of the body."""

    thinking_config: ThinkingConfig | None = None
    include_thoughts: bool | None = None
    safety_settings: list[SafetySetting] | None = None
    cached_content: str | None = None
    image_config: dict[str, Any] | None = None
    """OpenRouter has it too."""
    generation_config: dict[str, Any] | None = None


class Body(GoogleOptions, gc=False, kw_only=True):
    """POST /v1/chat/completions."""

    model: str
    messages: list[Message]

    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: int | None = None

    stream: bool | None = None
    stream_options: StreamOptions | None = None

    tools: list[Tool] | None = None
    tool_choice: str | NamedToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    function_call: str | Named | None = None

    response_format: ResponseFormat | None = None
    modalities: list[str] | None = None
    web_search_options: dict[str, Any] | None = None
    service_tier: str | None = None

    reasoning_effort: str | None = None
    reasoning: Reasoning | None = None
    include_reasoning: bool | None = None
    google: dict[str, Any] | None = None
    extra_body: dict[str, Any] | None = None

    # Taken and without effect on the answer, on OpenAI's side as on ours.
    user: Any = None
    metadata: Any = None
    store: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    safety_identifier: Any = None

    # What Gemini cannot do; named in a notice when it would change the answer.
    audio: Any = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, Any] | None = None
    logprobs: bool | None = None
    moderation: Any = None
    prediction: Any = None
    presence_penalty: float | None = None
    top_logprobs: int | None = None
    verbosity: str | None = None


class KnownBody(Body, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The same, refusing other fields: decoding with it first makes finding them free where there are none."""
