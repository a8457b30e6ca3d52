"""How the simulator counts tokens, so that tests can say exactly what a request costs.

A text has one token per word (a run of letters, digits and underscores) and one per other visible sign. Calls, their
results and declarations count as the text of their compact JSON. An image or a document costs 258 tokens, sound 32 per second
of 16-bit 16 kHz samples, at least one second. Nothing else counts: no roles, no structure.
"""

import base64
import json
import re
from collections import Counter
from typing import Any

TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])")
# Echoed traces of the server's own tools count as prompt tokens (section 1.6).
SHOWN = ("functionCall", "functionResponse", "executableCode", "codeExecutionResult", "toolCall", "toolResponse")
PER_IMAGE = 258
SOUND_PER_SECOND = 32
BYTES_PER_SECOND = 32_000


def count(text: str) -> int:
    return sum(1 for _ in TOKEN.finditer(text))


def split(text: str, size: int) -> list[str]:
    """Pieces of at most `size` tokens, which joined are the text again."""
    ends = [match.end() for match in TOKEN.finditer(text)][size - 1 :: size]
    if not ends or ends[-1] != len(text):
        ends.append(len(text))
    starts = [0, *ends[:-1]]
    pieces = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    if len(pieces) > 1 and not count(pieces[-1]):
        pieces[-2:] = [pieces[-2] + pieces[-1]]  # white space at the end is no piece of its own
    return pieces


def cut(text: str, tokens: int) -> str:
    """The first so many tokens of a text."""
    ends = [match.end() for match in TOKEN.finditer(text)]
    return text if tokens >= len(ends) else text[: ends[tokens - 1] if tokens else 0]


def count_part(part: dict[str, Any]) -> Counter[str]:
    """Tokens of one part, by modality."""
    if "inlineData" in part:
        return _media(part["inlineData"])
    if "fileData" in part:
        return Counter(DOCUMENT=PER_IMAGE)
    shown = {name: part[name] for name in SHOWN if name in part}
    files = [_media(file["inlineData"]) for file in part.get("functionResponse", {}).get("parts", ()) if "inlineData" in file]
    own = Counter(TEXT=count(part.get("text", "")) + sum(count(_compact(_without_files(value))) for value in shown.values()))
    return sum(files, own)


def count_call(call: dict[str, Any]) -> int:
    """Tokens of a call that the model makes. Its id costs nothing: it is Google's, not the model's."""
    return count_part({"functionCall": {"name": call["name"], "args": call.get("args", {})}})["TEXT"]


def count_json(value: Any) -> int:
    return count(_compact(value))


def count_contents(contents: list[dict[str, Any]]) -> Counter[str]:
    return sum((count_part(part) for content in contents for part in content.get("parts", ())), Counter[str]())


def count_request(request: dict[str, Any]) -> Counter[str]:
    """Everything that the model reads: conversation, instruction, declarations."""
    instruction = [request["systemInstruction"]] if "systemInstruction" in request else []
    declared = [tool["functionDeclarations"] for tool in request.get("tools", ()) if tool.get("functionDeclarations")]
    tools = Counter(TEXT=sum(count(_compact(declarations)) for declarations in declared))
    return count_contents([*request.get("contents", ()), *instruction]) + tools


def details(counts: Counter[str]) -> list[dict[str, Any]]:
    return [{"modality": modality, "tokenCount": tokens} for modality, tokens in counts.items() if tokens]


def _media(blob: dict[str, Any]) -> Counter[str]:
    kind = blob.get("mimeType", "").split("/")[0]
    if kind == "audio":
        size = len(base64.b64decode(blob.get("data", "") + "==", altchars=b"-_"))
        return Counter(AUDIO=SOUND_PER_SECOND * max(1, size // BYTES_PER_SECOND))
    modality = {"image": "IMAGE", "video": "VIDEO"}.get(kind, "DOCUMENT")
    return Counter({modality: PER_IMAGE})


def _without_files(value: Any) -> Any:
    return {name: content for name, content in value.items() if name != "parts"}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
