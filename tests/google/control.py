"""The control endpoint: what `google.script(…)` and its kin do, over HTTP, for tests in another process and for demos.

GET    /_simulator/health   {"status": "ok"}
POST   /_simulator/scripts  one script or a list of them → {"scripts": n}   ·   GET: those still waiting   ·   DELETE
GET    /_simulator/calls?since=N   {"calls": […], "connections": n}, from number N+1 on   ·   DELETE
POST   /_simulator/clock    {"advance": seconds} or {"set": "2026-11-20T12:00:00-08:00"} → {"now": …}   ·   GET
POST   /_simulator/quotas   {"project"?, "model"?, "rpm"?, "rpd"?, "paid"?}   ·   DELETE
POST   /_simulator/keys     {key: project, …}   ·   GET
POST   /_simulator/users    {"email", "tier"?, "project"?, …}: the fields of `accounts.User`   ·   GET
POST   /_simulator/logins   {"email", "client"?} → the tokens of a login
POST   /_simulator/reset    forget everything
GET    /_simulator/faults   the names of all scripted errors

A body that cannot be used is answered by 400 with one sentence.
"""

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tests.google.accounts import User
from tests.google.every_fault import NAMES
from tests.google.log import Call
from tests.google.scripts import Script
from tests.google.state import State

Answer = dict[str, Any]


class Control:
    def __init__(self, state: State) -> None:
        self._state = state
        self._routes: dict[tuple[str, str], Callable[[Any, dict[str, list[str]]], Answer]] = {
            ("GET", "health"): lambda body, query: {"status": "ok"},
            ("POST", "scripts"): self._add_scripts,
            ("GET", "scripts"): lambda body, query: {"scripts": msgspec.to_builtins(state.scripts.left())},
            ("DELETE", "scripts"): lambda body, query: _done(state.scripts.clear()),
            ("GET", "calls"): self._calls,
            ("DELETE", "calls"): lambda body, query: _done(state.log.clear()),
            ("POST", "clock"): self._move_clock,
            ("GET", "clock"): lambda body, query: {"now": state.clock.now().isoformat()},
            ("POST", "quotas"): lambda body, query: _done(state.quotas.set(**body)),
            ("DELETE", "quotas"): lambda body, query: _done(state.quotas.reset()),
            ("POST", "keys"): lambda body, query: _done(state.keys.update(body)),
            ("GET", "keys"): lambda body, query: dict(state.keys),
            ("POST", "users"): self._add_user,
            ("GET", "users"): lambda body, query: {"users": msgspec.to_builtins(list(state.oauth.users.values()))},
            ("POST", "logins"): lambda body, query: msgspec.to_builtins(state.oauth.login(**body)),
            ("POST", "reset"): lambda body, query: _done(state.reset()),
            ("GET", "faults"): lambda body, query: {"faults": NAMES},
        }

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        raw = await _read(receive)
        action = self._routes.get((scope["method"], scope["path"].removeprefix("/_simulator/")))
        if action is None:
            await _send(send, 404, {"error": f"There is no {scope['method']} {scope['path']}."})
            return
        try:
            answer = action(json.loads(raw or b"null"), parse_qs(scope["query_string"].decode()))
        except (ValueError, TypeError, KeyError, msgspec.ValidationError) as error:
            await _send(send, 400, {"error": str(error)})
            return
        await _send(send, 200, answer)

    def _add_scripts(self, body: Any, query: dict[str, list[str]]) -> Answer:
        scripts = [read_script(one) for one in (body if isinstance(body, list) else [body])]
        for script in scripts:
            self._state.scripts.add(script)
        return {"scripts": len(scripts)}

    def _add_user(self, body: Any, query: dict[str, list[str]]) -> Answer:
        user = msgspec.convert(body, User)
        return msgspec.to_builtins(self._state.oauth.add_user(user))

    def _calls(self, body: Any, query: dict[str, list[str]]) -> Answer:
        since = int(query.get("since", ["0"])[0])
        calls = [_readable(call) for call in self._state.log if call.number > since]
        return {"calls": calls, "connections": self._state.connections.accepted}

    def _move_clock(self, body: Any, query: dict[str, list[str]]) -> Answer:
        if "set" in body:
            self._state.clock.set(datetime.fromisoformat(body["set"]))
        else:
            self._state.clock.advance(float(body["advance"]))
        return {"now": self._state.clock.now().isoformat()}


def read_script(fields: dict[str, Any]) -> Script:
    """A script from its fields; a `ValueError` names the one that is unknown or of the wrong type."""
    script = msgspec.convert(fields, Script)
    if script.error is not None and script.error not in NAMES:
        raise ValueError(f"There is no fault {script.error!r}. There are: {', '.join(NAMES)}.")
    if script.ends in ("error", "bare_error") and script.error is None:
        raise ValueError(f"A script that ends in {script.ends!r} needs `error`: the name of the fault.")
    return script


def _readable(call: Call) -> Answer:
    """A call as JSON; the raw body in base64."""
    fields = {name: getattr(call, name) for name in call.__struct_fields__}
    return {**fields, "raw": base64.b64encode(call.raw).decode()}


def _done(_: None) -> Answer:
    return {"done": True}


async def _read(receive: Any) -> bytes:
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


async def _send(send: Any, status: int, body: Answer) -> None:
    data = json.dumps(body, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
