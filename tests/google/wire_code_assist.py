"""The messages of Code Assist's `v1internal`, in which those of the Gemini API are wrapped (sections 4.3 and 4.4).

Google publishes no descriptors of them: the fields are those that gemini-cli 0.61.0 sends (its `converter`, `server`, `setup`
and `types`). Content, tools, schemas and safety settings are the Gemini API's own messages.
"""

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

PACKAGE = "google.internal.cloud.code.v1internal"
GEMINI = "google.ai.generativelanguage.v1beta"
STRUCT = "google.protobuf.Struct"

# What the converter of gemini-cli forwards: no imageConfig, no responseFormat.
GENERATION_CONFIG = (
    "temperature", "top_p", "top_k", "candidate_count", "max_output_tokens", "stop_sequences", "response_logprobs", "logprobs",
    "presence_penalty", "frequency_penalty", "seed", "response_mime_type", "response_schema", "response_json_schema",
    "response_modalities", "media_resolution", "speech_config", "thinking_config",
)  # fmt: skip
VERTEX_ONLY = {"routing_config": STRUCT, "model_selection_config": STRUCT, "audio_timestamp": "bool"}

ENUMS = {
    "IdeType": [
        "IDE_UNSPECIFIED", "VSCODE", "INTELLIJ", "VSCODE_CLOUD_WORKSTATION", "INTELLIJ_CLOUD_WORKSTATION", "CLOUD_SHELL",
    ],
    "Platform": [
        "PLATFORM_UNSPECIFIED", "DARWIN_AMD64", "DARWIN_ARM64", "LINUX_AMD64", "LINUX_ARM64", "WINDOWS_AMD64",
    ],
    "PluginType": ["PLUGIN_UNSPECIFIED", "CLOUD_CODE", "GEMINI", "AIPLUGIN_INTELLIJ", "AIPLUGIN_STUDIO"],
    "Mode": ["MODE_UNSPECIFIED", "FULL_ELIGIBILITY_CHECK", "HEALTH_CHECK"],
}  # fmt: skip

MESSAGES = {
    "ModelRequest": {
        "contents": f"{GEMINI}.Content[]", "system_instruction": f"{GEMINI}.Content", "tools": f"{GEMINI}.Tool[]",
        "tool_config": f"{GEMINI}.ToolConfig", "safety_settings": f"{GEMINI}.SafetySetting[]",
        "generation_config": f"{PACKAGE}.GenerationConfig", "labels": "string{}", "cached_content": "string",
        "session_id": "string",
    },
    "GenerateContentRequest": {
        "model": "string", "project": "string", "user_prompt_id": "string", "request": f"{PACKAGE}.ModelRequest",
        "enabled_credit_types": "string[]",
    },
    "CountedRequest": {"model": "string", "contents": f"{GEMINI}.Content[]"},
    "CountTokensRequest": {"request": f"{PACKAGE}.CountedRequest"},
    "ClientMetadata": {
        "ide_type": f"{PACKAGE}.IdeType", "ide_name": "string", "ide_version": "string", "plugin_version": "string",
        "platform": f"{PACKAGE}.Platform", "update_channel": "string", "duet_project": "string",
        "plugin_type": f"{PACKAGE}.PluginType",
    },
    "LoadCodeAssistRequest": {
        "cloudaicompanion_project": "string", "metadata": f"{PACKAGE}.ClientMetadata", "mode": f"{PACKAGE}.Mode",
    },
    "OnboardUserRequest": {
        "tier_id": "string", "cloudaicompanion_project": "string", "metadata": f"{PACKAGE}.ClientMetadata",
    },
    "RetrieveUserQuotaRequest": {"project": "string", "user_agent": "string"},
    "ListExperimentsRequest": {"project": "string", "metadata": f"{PACKAGE}.ClientMetadata"},
    "FetchAdminControlsRequest": {"project": "string"},
    "SetCodeAssistGlobalUserSettingRequest": {"cloudaicompanion_project": "string", "free_tier_data_collection_optin": "bool"},
    "RecordCodeAssistMetricsRequest": {
        "project": "string", "request_id": "string", "metadata": f"{PACKAGE}.ClientMetadata", "metrics": f"{STRUCT}[]",
    },
}  # fmt: skip


def generation_config(of_gemini: DescriptorProto) -> DescriptorProto:
    """The Gemini API's generationConfig, cut down to what Code Assist is known to take.

    Presence is dropped with the oneofs that stand for it: bodies are only judged here, never read back.
    """
    proto = DescriptorProto(name="GenerationConfig")
    for field in of_gemini.field:
        if field.name in GENERATION_CONFIG:
            kept = proto.field.add()
            kept.CopyFrom(field)
            kept.ClearField("oneof_index")
            kept.ClearField("proto3_optional")
    return proto


def empty_file(depends_on: list[str]) -> FileDescriptorProto:
    return FileDescriptorProto(name="code_assist.proto", package=PACKAGE, syntax="proto3", dependency=depends_on)
