"""Google's own protobuf messages, brought up to date: the judge of every body.

`google-ai-generativelanguage` lags the wire. The fields that are real but missing there stand in the tables below
(sections 1.3-1.6 of the wire reference; inner shapes from google-genai's types) and are added to copies of the
package's descriptors, so that one parser knows everything and still refuses whatever nobody has named.
"""

from functools import cache

from google.ai.generativelanguage_v1beta.types import file_service, generative_service, model
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import Message

from tests.google import wire_code_assist

PACKAGE = "google.ai.generativelanguage.v1beta"
STRUCT = "google.protobuf.Struct"
VALUE = "google.protobuf.Value"
DURATION = "google.protobuf.Duration"

NEW_ENUMS = {
    "ServiceTier": ["unspecified", "standard", "flex", "priority"],
    "ThinkingLevel": ["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"],
    "ToolType": [
        "TOOL_TYPE_UNSPECIFIED", "GOOGLE_SEARCH_WEB", "GOOGLE_SEARCH_IMAGE", "URL_CONTEXT", "GOOGLE_MAPS", "FILE_SEARCH",
        "MEDIA_PROCESSING",
    ],
    "PartMediaResolutionLevel": [
        "MEDIA_RESOLUTION_UNSPECIFIED", "MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH",
        "MEDIA_RESOLUTION_ULTRA_HIGH",
    ],
    "MediaProcessing": ["MEDIA_PROCESSING_UNSPECIFIED", "STATIC", "AGENTIC"],
    "TranscriptionMode": ["MODE_UNSPECIFIED", "VERBATIM", "SMART"],
    "TextMimeType": ["TEXT_MIME_TYPE_UNSPECIFIED", "APPLICATION_JSON", "TEXT_PLAIN"],
}  # fmt: skip

NEW_MESSAGES = {
    "ToolCall": {"id": "string", "tool_type": "ToolType", "args": STRUCT},
    "ToolResponse": {"id": "string", "tool_type": "ToolType", "response": STRUCT},
    "PartMediaResolution": {"level": "PartMediaResolutionLevel", "num_tokens": "int32"},
    "SpeechMetadata": {"speaker": "string", "style": "string"},
    "WordInfo": {"word": "string", "start_offset": DURATION, "end_offset": DURATION},
    "AudioTranscription": {
        "speaker_label": "string", "words": "WordInfo[]", "start_offset": DURATION, "end_offset": DURATION,
        "language_code": "string",
    },
    "DocumentMetadata": {"start_page": "int32", "end_page": "int32", "content_layers": "string[]"},
    "SpreadsheetMetadata": {"visible_cells": "string", "sheet_index": "int32", "content_layers": "string[]"},
    "AudioMetadata": {"start_offset": DURATION, "end_offset": DURATION},
    "StreamableHttpTransport": {
        "headers": "string{}", "sse_read_timeout": DURATION, "terminate_on_close": "bool", "timeout": DURATION, "url": "string",
    },
    "McpServer": {"name": "string", "streamable_http_transport": "StreamableHttpTransport"},
    "WebSearch": {},
    "ImageSearch": {},
    "SearchTypes": {"web_search": "WebSearch", "image_search": "ImageSearch"},
    "SpeechTranscriptionConfig": {
        "language_codes": "string[]", "custom_vocabulary": "string[]", "word_timestamp": "bool", "diarization": "bool",
        "mode": "TranscriptionMode",
    },
    "TextFormat": {"mime_type": "TextMimeType", "schema": VALUE},
    "ImageFormat": {"aspect_ratio": "string", "image_size": "string", "mime_type": "string", "delivery": "string"},
    "AudioFormat": {"mime_type": "string", "sample_rate": "int32", "bit_rate": "int32", "delivery": "string"},
    "ResponseFormat": {"text": "TextFormat", "image": "ImageFormat", "audio": "AudioFormat"},
    "EmbedContentConfig": {
        "task_type": "string", "title": "string", "output_dimensionality": "int32", "auto_truncate": "bool",
        "document_ocr": "bool", "audio_track_extraction": "bool",
    },
    "ModelStatus": {"model_stage": "string", "retirement_time": "string", "message": "string"},
}  # fmt: skip

NEW_FIELDS = {
    "GenerateContentRequest": {
        "service_tier": "ServiceTier", "store": "bool", "labels": "string{}", "continuation_token": "bytes",
    },
    "GenerationConfig": {"response_format": "ResponseFormat", "audio_transcription_config": "SpeechTranscriptionConfig"},
    "ThinkingConfig": {"thinking_level": "ThinkingLevel"},
    "ImageConfig": {"image_size": "string"},
    "VoiceConfig": {"voice": "string"},
    "Part": {
        "tool_call": "ToolCall", "tool_response": "ToolResponse", "media_resolution": "PartMediaResolution",
        "media_processing": "MediaProcessing", "speech_metadata": "SpeechMetadata", "audio_transcription": "AudioTranscription",
        "document_metadata": "DocumentMetadata", "spreadsheet_metadata": "SpreadsheetMetadata", "audio_metadata": "AudioMetadata",
    },
    "Blob": {"display_name": "string"},
    "FunctionResponseBlob": {"display_name": "string"},
    "FunctionResponsePart": {"file_data": "FileData"},
    "ExecutableCode": {"id": "string"},
    "CodeExecutionResult": {"id": "string"},
    "Tool": {"mcp_servers": "McpServer[]"},
    "Tool.GoogleSearch": {"search_types": "SearchTypes"},
    "Tool.ComputerUse": {"enable_prompt_injection_detection": "bool"},
    "FileSearch": {"file_search_store_names": "string[]", "top_k": "int32", "metadata_filter": "string"},
    "ToolConfig": {"include_server_side_tool_invocations": "bool"},
    "EmbedContentRequest": {"embed_content_config": "EmbedContentConfig"},
    "Candidate": {"continuation_token": "bytes"},
    "GenerateContentResponse": {"create_time": "string", "model_status": "ModelStatus"},
    "GenerateContentResponse.PromptFeedback": {"block_reason_message": "string"},
}  # fmt: skip

NEW_VALUES = {
    "HarmCategory": ["HARM_CATEGORY_JAILBREAK"],
    "GenerationConfig.Modality": ["VIDEO"],
    "Tool.ComputerUse.Environment": ["ENVIRONMENT_MOBILE", "ENVIRONMENT_DESKTOP"],
    "Candidate.FinishReason": [
        "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "ESCALATION", "PUP_LIMITED_DISABLED", "CONTINUATION",
    ],
}  # fmt: skip

# Members of a oneof: a part is a call or a text, never both.
ONEOF = {
    ("Part", "tool_call"): "data",
    ("Part", "tool_response"): "data",
    ("FunctionResponsePart", "file_data"): "data",
    ("VoiceConfig", "voice"): "voice_config",
}

ENUMS = {*NEW_ENUMS, *(f"{wire_code_assist.PACKAGE}.{name}" for name in wire_code_assist.ENUMS)}

SCALARS = {
    name: getattr(FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("string", "bool", "bytes", "int32", "double", "float")
}


@cache
def message_class(name: str) -> type[Message]:
    """The class of one of Google's messages, e.g. `GenerateContentRequest`; those of other packages bear their full name."""
    full_name = name if name.startswith("google.") else f"{PACKAGE}.{name}"
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(full_name))


def descriptor(name: str) -> Descriptor:
    return message_class(name).DESCRIPTOR


def judge(body: dict, name: str) -> Message:
    """Parse a body as that message; an unknown field, a wrong type or two members of a oneof raise `json_format.ParseError`."""
    return json_format.ParseDict(body, message_class(name)(), ignore_unknown_fields=False)


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    for root in (generative_service.GenerateContentRequest, model.Model, file_service.CreateFileRequest):
        _add(pool, root.pb().DESCRIPTOR.file, added)
    _add_code_assist(pool, sorted(added))
    return pool


def _add_code_assist(pool: descriptor_pool.DescriptorPool, known_files: list[str]) -> None:
    file = wire_code_assist.empty_file(known_files)
    of_gemini = DescriptorProto()
    pool.FindMessageTypeByName(f"{PACKAGE}.GenerationConfig").CopyToProto(of_gemini)
    config = file.message_type.add()
    config.CopyFrom(wire_code_assist.generation_config(of_gemini))
    for field, kind in wire_code_assist.VERTEX_ONLY.items():
        _add_field(file.package, config.name, config, field, kind)
    _add_enums(file, wire_code_assist.ENUMS)
    _add_messages(file, wire_code_assist.MESSAGES)
    pool.AddSerializedFile(file.SerializeToString())


def _add(pool: descriptor_pool.DescriptorPool, file: FileDescriptor, added: set[str]) -> None:
    if file.name in added:
        return
    added.add(file.name)
    for dependency in file.dependencies:
        _add(pool, dependency, added)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    if proto.package == PACKAGE:
        _bring_up_to_date(proto)
    pool.AddSerializedFile(proto.SerializeToString())


def _bring_up_to_date(file: FileDescriptorProto) -> None:
    for name, proto in _messages(file.message_type):
        for field in proto.field:
            field.name = field.name.rstrip("_")  # `type_` is the Python package's spelling, not the wire's.
        for field, kind in NEW_FIELDS.get(name, {}).items():
            _add_field(file.package, name, proto, field, kind)
        for enum in proto.enum_type:
            _add_values(f"{name}.{enum.name}", enum)
    for enum in file.enum_type:
        _add_values(enum.name, enum)
    if any(message.name == "Content" for message in file.message_type):
        _add_new_types(file)


def _messages(protos, prefix: str = ""):
    for proto in protos:
        name = prefix + proto.name
        yield name, proto
        yield from _messages(proto.nested_type, f"{name}.")


def _add_new_types(file: FileDescriptorProto) -> None:
    _add_enums(file, NEW_ENUMS)
    _add_messages(file, NEW_MESSAGES)


def _add_enums(file: FileDescriptorProto, enums: dict[str, list[str]]) -> None:
    for name, values in enums.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)


def _add_messages(file: FileDescriptorProto, messages: dict[str, dict[str, str]]) -> None:
    for name, fields in messages.items():
        proto = file.message_type.add(name=name)
        for field, kind in fields.items():
            _add_field(file.package, name, proto, field, kind)


def _add_field(package: str, message: str, proto: DescriptorProto, name: str, kind: str) -> None:
    number = max((field.number for field in proto.field), default=900) + 1
    field = proto.field.add(name=name, number=max(number, 900), json_name=_camel(name))
    field.label = FieldDescriptorProto.LABEL_REPEATED if kind.endswith(("[]", "{}")) else FieldDescriptorProto.LABEL_OPTIONAL
    if kind == "string{}":
        _make_map(package, message, proto, field)
    else:
        _set_type(field, kind.removesuffix("[]"))
    if oneof := ONEOF.get((message, name)):
        field.oneof_index = [declaration.name for declaration in proto.oneof_decl].index(oneof)


def _set_type(field: FieldDescriptorProto, kind: str) -> None:
    if kind in SCALARS:
        field.type = SCALARS[kind]
        return
    field.type = FieldDescriptorProto.TYPE_ENUM if kind in ENUMS else FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = f".{kind}" if "." in kind else f".{PACKAGE}.{kind}"


def _make_map(package: str, message: str, proto: DescriptorProto, field: FieldDescriptorProto) -> None:
    entry = proto.nested_type.add(name=_camel(field.name).capitalize() + "Entry")
    entry.options.map_entry = True
    for number, name in enumerate(("key", "value"), start=1):
        entry.field.add(name=name, number=number, type=SCALARS["string"], label=FieldDescriptorProto.LABEL_OPTIONAL)
    field.type = FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = f".{package}.{message}.{entry.name}"


def _add_values(name: str, enum: EnumDescriptorProto) -> None:
    for value in NEW_VALUES.get(name, ()):
        enum.value.add(name=value, number=max(known.number for known in enum.value) + 1)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
