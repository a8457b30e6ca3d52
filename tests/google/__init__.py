"""A simulator of Google's Gemini API, Code Assist and sign-in, as strict as Google: a real socket, protobuf-checked bodies,
every known rule.

Each file is one idea and cites the section of the wire reference that it plays: `app` (which service a path belongs to),
`surface` (the order in which each looks at a call), `gemini_api` and its `files_api`, `code_assist` and `sign_in` (the three);
`transcoding`, `wire` and `wire_code_assist` (JSON → protobuf), `keys`, `bearer`, `contents`, `tools`, `schemas`, `generation`,
`thinking`, `signatures`, `files` (rules), `answers`, `safety`, `transcription` and `responses` (what the model says), `faults`,
`faults_code_assist`, `faults_oauth` (errors by name), `accounts`, `consent`, `tiers`, `assistance`, `quotas`, `delivery` (how
bytes travel).

In a test, by the fixture `google` (`tests.google.fixtures`), or by hand:

    with GoogleSimulator() as google:
        google.url                                   # http://127.0.0.1:PORT, without /v1beta
        google.keys["my-key"] = "project-1"          # test-key-1 … test-key-50 exist, each of a project of its own
        google.quotas.set(project="project-1", model="gemini-3.8-flash", rpm=5, rpd=20)
        google.clock.advance(60)                     # the minute is over
        google.files.polls = 2; google.files.fails = True    # of the files uploaded from now on; all of it: `files.Files`
        google.log[-1].body, google.log.generation(), google.connections
        google.wait_until(lambda log: log[-1].client_closed)     # in async code: await google.until(…)

Google accounts, all on the same URL:

    google.settings()                            # the environment that points Castor here
    google.add_user("ada@example.com", project="ada-project")        # a Standard licence; all fields: `accounts.User`
    google.add_user("bob@example.com", tier="", polls=2)             # has yet to onboard
    google.add_user("eve@example.com", tier="free-tier", ineligible=["UNSUPPORTED_CLIENT"])
    google.add_user("kim@example.com", project="p", quota={"gemini-2.5-pro": 0.25}, projects=["another-that-pays"])
    tokens = google.login("ada@example.com")     # access_token, refresh_token, expires_at, scope; no browser
    google.consent(authorize_url, "ada@example.com"), google.deny(authorize_url)   # press the button; the address of the redirect
    google.oauth.auto_consent = "ada@example.com"                    # the authorize address redirects at once
    google.add_client("web-client", secret="s", redirect_uris=["https://castor.example/auth/callback"])
    google.expire_access("ada@example.com"); google.revoke("ada@example.com")
    google.token_lifetime = 60; google.rotate_refresh_tokens = True; google.oauth.code_lifetime = 5
    [call for call in google.log if call.method == "token"]          # call.surface, call.account, call.key: the access token
    google.script(account="ada@example.com", error="validation_required")
    google.script(method="token", error="invalid_grant")             # names: every_fault.NAMES
    google.script(method="loadCodeAssist", status=503, body="")

What it answers unasked stands in `answers`: `echo: TEXT`, calls for `call NAME {json}`, instances of schemas, and so on.

Scripts say otherwise, for the next call or for those of one key, model and number (all fields: `scripts.Script`):

    google.script(error="day_quota")                                      # the next generation call
    google.script(key="test-key-1", error="leaked", method="*", times=None)   # every call of that key, for good
    with google.scripted(key="test-key-1", error="overloaded"): ...           # every call, until the block is left
    google.script(model="gemini-2.5-pro", error="minute_quota", seconds=12.5, limit=5)
    google.script(call=3, error="overloaded", times=2)                    # the third and the fourth call from now
    google.script(status=418, body={"odd": True})                         # any other answer
    google.script(text="Grüße", thoughts="Hm.", tokens_per_chunk=1)
    google.script(calls=[{"name": "f", "args": {"x": 1}}, {"name": "g"}])
    google.script(text="Here.", pictures=2)                               # of an image model; google.lenient_pictures = True
    google.script(empty=True)                                             # 200 + STOP + nothing
    google.script(block_reason="PROHIBITED_CONTENT"); google.script(finish_reason="SAFETY", text="")
    google.script(ratings=[{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}])
    google.script(delay=1.0, first_byte_delay=1.0, chunk_delay=0.1)       # seconds
    google.script(ends="reset_before_headers")    # also: close_before_headers, reset, close, cut, stall, malformed
    google.script(ends="stall", after=2)                                  # two chunks, then silence
    google.script(ends="error", error="overloaded", after=1)              # an error event in the 200 stream
    google.script(pings=3, chunks=[], ends="stall")                       # nothing but comments
    google.script(text="a b c", cut_every=1, newline="\\n")                # bytes cut anywhere
    google.script(megabytes=20)                                           # for slow readers; gzip=True compresses
    google.script(text="a b c", hop_tokens=2)                             # Gemini 4: CONTINUATION after two tokens
    google.script(chunks=[{...}, {...}])                                  # the very responses
    google.close_idle_connections()                                       # what a front end does to kept-alive ones

A script with `error` answers once the key has been checked, and before the rules; all other scripted answers are given
to valid requests only. `google.log[-1].broken_rule` tells what was wrong with a body in either case.

From another process, `python -m tests.google --port 8900 --open --account ada@example.com` and HTTP (all of it: `control`):

    POST   /_simulator/scripts  {"error": "day_quota", "key": "test-key-1"}      one script, or a list
    GET    /_simulator/calls?since=0                                             {"calls": [...], "connections": n}
    POST   /_simulator/clock    {"advance": 3600}
    POST   /_simulator/quotas   {"project": "project-1", "rpm": 5}
    POST   /_simulator/users    {"email": "ada@example.com", "project": "ada-project"}
    POST   /_simulator/logins   {"email": "ada@example.com"}                     tokens
    POST   /_simulator/reset
"""

from tests.google.simulator import GoogleSimulator

__all__ = ["GoogleSimulator"]
