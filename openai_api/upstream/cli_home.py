"""What the Gemini CLI is started with: its settings, its environment, and nothing of ours beside them.

Source: wire reference, sections 5 and 7.1 to 7.4, and gemini-cli 0.61.0 run against a server of ours.
"""

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from openai_api.translation.cli_prompt import CliPrompt
from openai_api.upstream.cli_process import Order

_ALIAS = "castor"
_SYSTEM = "You are a helpful assistant."
"""Stands where the caller has given no instruction: the CLI sends one in any case, its own of 30 KB or an empty one, which
Google refuses."""
_KEPT = (
    "PATH", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "NODE_EXTRA_CA_CERTS", "NODE_USE_SYSTEM_CA", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
_INSTEAD_BY_KEY = {
    "gemini-3.5-flash": "gemini-3.8-flash",
    "gemini-3-flash": "gemini-3.8-flash",
    "gemini-3.1-flash-lite": "gemini-3.5-flash-lite",
}
"""What the CLI sends in place of a model when it is used by API key, whatever its settings say."""
_FORBIDDEN_TOOL = "list_directory"


def instead_of(model: str, *, by_key: bool) -> str:
    """The model that the CLI would ask in place of this one; nothing if it asks this one."""
    return _INSTEAD_BY_KEY.get(model, "") if by_key else ""


def by_api_key(key: str, base_url: str) -> dict[str, str]:
    return {"GEMINI_API_KEY": key, "GOOGLE_GEMINI_BASE_URL": base_url}


def by_login(access_token: str, endpoint: str, project: str) -> dict[str, str]:
    """It never sees a refresh token."""
    environment = {
        "GOOGLE_GENAI_USE_GCA": "true",
        "GOOGLE_CLOUD_ACCESS_TOKEN": access_token,
        "CODE_ASSIST_ENDPOINT": endpoint,
    }
    return environment | ({"GOOGLE_CLOUD_PROJECT": project} if project else {})


def order(
    path: str, prompt: CliPrompt, *, model: str, config: Mapping[str, Any], access: Mapping[str, str], by_key: bool
) -> Order:
    """`config` is Gemini's generationConfig, with safetySettings beside it; `access` comes from by_api_key or by_login."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return Order(
        command=(path, "--model", _ALIAS, "--output-format", "stream-json", "--raw-output", "--extensions", "none"),
        environment={**kept, **_ENVIRONMENT, **access},
        files={
            ".gemini/settings.json": msgspec.json.encode(_settings(model, config, by_key=by_key)).decode(),
            # It looks for such a file in all folders above, too, and stops at the first.
            ".gemini/.env": "",
            "tmp/.keep": "",
            "system.md": prompt.system or _SYSTEM,
            "prompt": prompt.text,
        },
        input="prompt",
    )


_ENVIRONMENT = {
    "HOME": "{home}",
    "TMPDIR": "{home}/tmp",  # Of each failed call it leaves a report there, with the whole conversation.
    "GEMINI_SYSTEM_MD": "{home}/system.md",
    "GEMINI_CLI_SYSTEM_SETTINGS_PATH": "{home}/none",  # Those of the machine are somebody else's.
    "GEMINI_CLI_TRUST_WORKSPACE": "true",
    "GEMINI_CLI_NO_RELAUNCH": "true",  # It would start itself a second time, to give itself more memory.
    "NO_COLOR": "1",
    "NO_BROWSER": "true",
}


def _settings(model: str, config: Mapping[str, Any], *, by_key: bool) -> dict[str, Any]:
    return {
        "general": {"maxAttempts": 1, "enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "ui": {"showCompatibilityWarnings": False},
        "security": {
            "auth": {"selectedType": "gemini-api-key" if by_key else "oauth-personal"},
            "folderTrust": {"enabled": False},
        },
        "tools": {"core": [] if by_key else [_FORBIDDEN_TOOL]},
        "mcpServers": {},
        "skills": {"enabled": False},
        "hooksConfig": {"enabled": False},
        "context": {"includeDirectoryTree": False, "fileName": ["none"], "discoveryMaxDirs": 0},
        # None of these may call a model on its own account.
        "model": {"disableLoopDetection": True, "skipNextSpeakerCheck": True, "compressionThreshold": 100},
        # By a name of its own and with every rule about the model's taken away, it asks the very model that is wanted.
        "experimental": {"enableAgents": False, "dynamicModelConfiguration": True},
        "modelConfigs": {
            "customAliases": {
                _ALIAS: {"modelConfig": {"model": model, "generateContentConfig": {**config, **_without_tools(by_key=by_key)}}}
            },
            "modelIdResolutions": {model: {"default": model, "contexts": []}},
        },
    }


def _without_tools(*, by_key: bool) -> dict[str, Any]:
    """The CLI sends a list of tools even when it has none, and Google refuses an empty one.

    Of Code Assist's body the settings can take nothing away. There, one harmless tool is offered and forbidden at once.
    """
    if by_key:
        return {"httpOptions": {"extraBody": {"tools": []}}}
    return {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}
