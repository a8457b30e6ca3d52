"""litellm as a client, in the venv that holds it: `python litellm_cases.py BASE_URL TOKEN` prints what it saw as JSON."""

import asyncio
import json
import sys

import litellm
import openai

BASE_URL, TOKEN = sys.argv[1:]
litellm.telemetry = False
ASKED = {"model": "openai/gemini-3.8-flash", "api_base": BASE_URL, "api_key": TOKEN, "num_retries": 0}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def user(content):
    return [{"role": "user", "content": content}]


def whole():
    completion = litellm.completion(**ASKED, messages=user("hello"))
    choice = completion.choices[0]
    return {"text": choice.message.content, "end": choice.finish_reason, "tokens": completion.usage.total_tokens}


def stream():
    chunks = list(litellm.completion(**ASKED, messages=user("hello"), stream=True, stream_options={"include_usage": True}))
    rebuilt = litellm.stream_chunk_builder(chunks)
    choice = rebuilt.choices[0]
    return {"text": choice.message.content, "end": choice.finish_reason, "tokens": rebuilt.usage.total_tokens}


def in_async():
    return {"text": asyncio.run(litellm.acompletion(**ASKED, messages=user("hello"))).choices[0].message.content}


def tools():
    messages = user('call get_weather {"city": "Paris"}')
    first = litellm.completion(**ASKED, messages=messages, tools=[WEATHER]).choices[0]
    call = first.message.tool_calls[0]
    messages += [first.message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    second = litellm.completion(**ASKED, messages=messages, tools=[WEATHER]).choices[0]
    return {"end": first.finish_reason, "arguments": json.loads(call.function.arguments), "text": second.message.content}


def pictures():
    asked = {**ASKED, "model": "openai/gemini-3-pro-image", "modalities": ["image", "text"]}
    whole = litellm.completion(**asked, messages=user("a red fox")).choices[0].message
    chunks = list(litellm.completion(**asked, messages=user("a red fox"), stream=True))
    streamed = litellm.stream_chunk_builder(chunks).choices[0].message
    again = [*user("a red fox"), whole.model_dump(exclude_none=True), *user("now in blue")]
    changed = litellm.completion(**asked, messages=again).choices[0].message
    return [[image["image_url"]["url"] for image in message.images] for message in (whole, streamed, changed)]


def errors():
    seen = []
    for changes in ({"api_key": "sk-nonsense"}, {"model": "openai/llama-9"}, {"temperature": "hot"}):
        try:
            litellm.completion(**{**ASKED, "messages": user("x"), **changes})
        except openai.OpenAIError as error:
            seen.append(type(error).__name__)
    return seen


# All in one process: litellm takes seconds to import.
print(json.dumps({case.__name__: case() for case in (whole, stream, in_async, tools, pictures, errors)}))
