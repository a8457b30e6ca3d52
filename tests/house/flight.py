"""A day in Castor's life with canaries in everything secret: served, refused, broken, administered, killed."""

import base64
import http.client
import json
import os
import signal
import sqlite3
import threading
from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.google import GoogleSimulator, media
from tests.google.faults import FAULTS
from tests.house.canaries import Watch, new_mark, secret_part
from tests.house.castor import LIMIT, Castor, processes_of
from tests.house.waiting import eventually

KEYS = 60
NO_SUCH_SHAPE = 4
"""Keys that no pattern recognises as one: Google has changed their shape before."""
OWN = ("prompt", "image", "argument")
"""What may stand in the answer to the request that brought it."""
# The commonest places in which clients put what concerns nobody but us.
CLIENT_HEADERS = {
    "Cookie": "sessionid=of-the-client",
    "X-Forwarded-For": "192.0.2.7",
    "Proxy-Authorization": "Basic b2YtdGhlLWNsaWVudA==",
    "X-Goog-Api-Key": "of-the-client",
    "X-Client-Header": "of-the-client",
    "User-Agent": "of-the-client",
    "OpenAI-Organization": "of-the-client",
}


class Flight:
    def __init__(self, castor: Castor, google: GoogleSimulator, key: str, directory: Path) -> None:
        self.castor, self.google, self.directory = castor, google, directory
        self.watch = Watch()
        self.command_lines: set[bytes] = set()
        self.marks = {name: new_mark() for name in (*OWN, "pasted key")} | {"key": key}
        self.token = castor.find(r"Bearer (castor-\S+)\"")
        self.password = castor.find(r"first admin: admin, password (\S+)")
        for name, mark in self.marks.items():
            self.watch.plant(name, mark)
        self.watch.plant("token", secret_part(self.token))
        self.watch.plant("password", self.password)
        self._host, _, port = castor.root.removeprefix("http://").partition(":")
        self._port = int(port)
        self._cookies: dict[str, str] = {}

    # --- Asking -------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: bytes = b"", *, meant: Collection[str] = (), **headers: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection(self._host, self._port, timeout=LIMIT)) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            content = answer.read()
        self._keep_cookies(answer)
        said = str(answer.headers).encode() + b"\n" + content
        self.watch.search(f"answer to {method} {path}: {answer.status}", said, meant=meant)
        return answer.status, content

    def chat(self, text: str = "", *, path: str = "/v1/chat/completions", **fields: Any) -> tuple[int, bytes]:
        return self.ask("POST", path, self.request(text, **fields), meant=OWN, **self.bearer)

    def request(self, text: str = "", **fields: Any) -> bytes:
        said = f"{text} Ein Kanarienvogel: {self.marks['prompt']} – süß, oder?"
        return json.dumps({"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": said}], **fields}).encode()

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"} | CLIENT_HEADERS

    def page(self, path: str, *, meant: Collection[str] = (), **form: Any) -> tuple[int, bytes]:
        """A page of the admin in a browser: GET, or POST of the form."""
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookie, "Referer": self.castor.root + path, "Content-Type": "application/x-www-form-urlencoded"}
        if not form:
            return self.ask("GET", path, **headers)
        fields = {"csrfmiddlewaretoken": self._cookies.get("csrftoken", ""), **form}
        return self.ask("POST", path, urlencode(fields, doseq=True).encode(), meant=meant, **headers)

    def _keep_cookies(self, answer: http.client.HTTPResponse) -> None:
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value

    # --- What happens -------------------------------------------------------------------------------------------

    def serve(self) -> None:
        image = base64.b64encode(base64.b64decode(media.picture()) + self.marks["image"].encode()).decode()
        look = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
        tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]
        tools[0]["function"]["parameters"]["properties"] = {"city": {"type": "string"}}  # type: ignore[index]
        call = f'call look_up {{"city": "{self.marks["argument"]}"}}'
        for stream in (False, True):
            assert self.chat(stream=stream, user="somebody", metadata={"of": "the client"})[0] == 200
            assert self.chat(stream=stream, messages=[{"role": "user", "content": [look]}])[0] == 200
            status, said = self.chat(stream=stream, messages=[{"role": "user", "content": call}], tools=tools)
            assert (status, self.marks["argument"].encode() in said) == (200, True)
        history = json.loads(self.chat(messages=[{"role": "user", "content": call}], tools=tools)[1])["choices"][0]["message"]
        result = {"role": "tool", "tool_call_id": history["tool_calls"][0]["id"], "content": self.marks["prompt"]}
        asked = [{"role": "user", "content": call}, history, result]
        assert self.chat(messages=asked, tools=tools)[0] == 200

    def refuse(self) -> None:
        """Every refusal that Google is known to give, then a whole pool suspended, each of whose refusals echoes a key."""
        for fault in FAULTS:
            self.google.script(error=fault, seconds=0.5)
            self.chat(stream=fault < "m")
        self.google.script(status=403, body={"error": {"code": 403, "message": f"What is AQ.{self.marks['key']}0007?"}})
        self.chat()
        self._return_all()
        self.google.script(error="suspended", times=None)
        eventually(lambda: self.chat()[0] == 503, "without a key")
        self.look_around()
        self.google.scripts.clear()
        self._return_all()

    def break_off(self) -> None:
        for ends in ("reset_before_headers", "close_before_headers", "reset", "close", "cut", "malformed"):
            self.google.script(text=f"{self.marks['prompt']} and more of it", tokens_per_chunk=1, ends=ends, after=2)
            self.chat(stream=True)
        for ends in ("error", "bare_error"):
            self.google.script(text="a b c d e", tokens_per_chunk=1, ends=ends, error="suspended", after=2)
            self.chat(stream=True)
        self.google.script(empty=True, times=2)
        self.chat()

    def ask_wrongly(self) -> None:
        whole = self.request()
        mark = self.marks["prompt"]
        wrong = [whole[:-9], whole + b"}", b"\xff" + whole, self.request(temperature=mark), self.request(tools=[mark])]
        wrong += [self.request(model=7), self.request(messages=mark), self.request(response_format={"type": mark})]
        bad_image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{self.marks['image']}!"}}
        wrong.append(self.request(messages=[{"role": "user", "content": [bad_image]}]))
        for body in wrong:
            assert 400 <= self.ask("POST", "/v1/chat/completions", body, meant=OWN, **self.bearer)[0] < 500
        near = {"Authorization": f"Bearer {self.token}x"}
        basic = {"Authorization": f"Basic {base64.b64encode(f'admin:{self.password}'.encode()).decode()}"}
        for headers in ({}, near, basic, {"Authorization": self.token}):
            assert self.ask("POST", "/v1/chat/completions", whole, **headers)[0] == 401
        in_query = urlencode({"key": f"AQ.{self.marks['key']}0001", "api_key": self.token, "q": mark})
        for path in ("/v1/models", "/v1/chat/completions", "/nothing/at/all", "/health", "/ready", "/metrics"):
            self.ask("GET", f"{path}?{in_query}", **self.bearer)
        status, said = self.chat(path=f"/v1/chat/completions?{in_query}")
        assert status == 200, said

    def hang_up(self) -> None:
        """In the midst of the request, while Google thinks, and in the midst of a stream."""
        body = self.request(stream=True)
        self._post(body, part=0.5).close()
        self.google.script(delay=30)
        asked = len(self.google.log.generation())
        with closing(self._post(body)):
            eventually(lambda: len(self.google.log.generation()) > asked, "asked")
        self.google.wait_until(lambda log: log.generation()[-1].client_closed)
        self.google.script(text="one two three " * 50, tokens_per_chunk=1, chunk_delay=0.1)
        with closing(self._post(body)) as connection, closing(connection.getresponse()) as answer:
            self.watch.search("answer that is left", answer.readline(), meant=OWN)
        self.google.wait_until(lambda log: log.generation()[-1].client_closed)

    def administer(self) -> None:
        self.page("/admin/login/")
        self.page("/admin/login/", username="admin", password=f"{self.password}!")
        status, _ = self.page("/admin/login/?next=/admin/", username="admin", password=self.password)
        assert status == 302
        keys = "/admin/credentials/apikey/"
        pasted = f"{self.marks['pasted key']}-one, {self.marks['pasted key']}-two\nshort"
        for button in ("dry_run", "import"):
            assert self.page(f"{keys}paste_keys/", keys=pasted, priority="0", **{button: "1"})[0] == 200
        self.page(f"{keys}paste_keys/", keys=pasted, priority="high", dry_run="1")
        self.page(f"{keys}add/", key=f"{self.marks['pasted key']}-one", priority="high", weight="1")
        self.page("/admin/password_change/", old_password=self.password, new_password1=f"{self.password}1", new_password2="2")
        self.look_around()
        self._make_token()
        assert self.page("/admin/no/such/page/")[0] == 404
        self.ask("POST", f"{keys}paste_keys/", urlencode({"keys": pasted}).encode())
        self._fail_a_page(f"{keys}paste_keys/", keys=pasted, priority="0")

    def look_around(self) -> None:
        for path in ("", "credentials/apikey/", "credentials/apikey/1/change/", "credentials/apikey/1/history/"):
            self.page(f"/admin/{path}")
        for path in ("credentials/clienttoken/", "openai_api/usagerecord/", "auth/user/1/change/", "credentials/modelalias/"):
            self.page(f"/admin/{path}")

    def command(self) -> None:
        keys = self.directory / "keys.txt"
        keys.write_text(f"{self.marks['pasted key']}-one\n{self.marks['pasted key']}-three\nshort\n{{'key': 'x'}}\n")
        broken = self.directory / "keys.json"
        broken.write_text(f'[{{"key": "{self.marks["pasted key"]}-four"')
        for arguments in (
            ("import_credentials", "--dry-run", str(keys)),
            ("import_credentials", str(keys), str(broken)),
            ("pool_status",),
            ("pool_status", "--json"),
            ("check_credentials",),
            ("rotate_encryption_keys",),
            ("create_token", "nobody"),
        ):
            done = self.castor.manage(*arguments)
            self.watch.search(f"command {' '.join(arguments)}", (done.stdout + done.stderr).encode())
        made = self.castor.manage("create_token", "admin")
        self._note_token(made.stdout.strip(), "command create_token", made.stdout + made.stderr)

    def kill(self) -> None:
        """`kill -9` of a web process that answers, then of everything."""
        self.google.script(text="one two three four", tokens_per_chunk=1, chunk_delay=0.5)
        with closing(self._post(self.request(stream=True))) as connection, closing(connection.getresponse()) as answer:
            answer.readline()
            for pid in _web_processes(self.castor.var):
                os.kill(pid, signal.SIGKILL)
            with suppress(http.client.HTTPException, OSError):
                answer.read()
        eventually(lambda: _web_processes(self.castor.var), "started again")
        eventually(self._serves, "serving again")
        self._leave_tasks_behind()
        for pid in processes_of(self.castor.var):
            os.kill(pid, signal.SIGKILL)
        self.castor.end()

    # --- Looking where else they might be -----------------------------------------------------------------------

    def search_logs(self) -> None:
        self.watch.search("log", self.castor.output.encode(), meant=("token", "password"))

    def search_files(self) -> None:
        for path in self.castor.var.rglob("*"):
            if path.is_file():
                self.watch.search(f"file {path.relative_to(self.castor.var)}", path.read_bytes())
                self.watch.search(f"file's name {path}", str(path).encode())

    def search_what_google_saw(self) -> None:
        for call in self.google.log:
            told = json.dumps([call.path, call.query, {k: v for k, v in call.headers.items() if k != "x-goog-api-key"}]).encode()
            self.watch.search(f"upstream {call.method}", told + call.raw, meant=OWN)

    # --- Means --------------------------------------------------------------------------------------------------

    def _make_token(self) -> None:
        token = "/admin/credentials/clienttoken/add/"
        self.page(token)
        known = set(self.watch.sightings)
        form = {"owner": "1", "label": "made in the admin", "models": "", "expires_at_0": "", "expires_at_1": ""}
        status, page = self.page(token, **form, on_disconnect="cancel")
        assert (status, known) == (200, set(self.watch.sightings))  # The token of the first start is not in the page of another.
        plain = page.decode().partition('<code id="token"')[2].partition(">")[2].partition("<")[0]
        self._note_token(plain, "answer that makes a token", page.decode())

    def _note_token(self, plain: str, where: str, said: str) -> None:
        name = f"token {len(self.marks)}"
        assert plain.startswith("castor-")
        self.marks[name] = plain
        self.watch.plant(name, secret_part(plain))
        self.watch.search(where, said.encode(), meant=(name,))
        status, _ = self.ask("GET", "/v1/models", Authorization=f"Bearer {plain}")
        assert status in (200, 401)  # Perhaps the web process has not heard of it yet.

    def _fail_a_page(self, path: str, **form: str) -> None:
        """The table is gone for a moment: what does an unexpected fault show, and what does its trace?"""
        database = self.castor.var / "castor.sqlite3"
        with closing(sqlite3.connect(database, timeout=20)) as connection:
            connection.execute("ALTER TABLE credentials_credential RENAME TO away")
            try:
                assert self.page(path, **form)[0] == 500
            finally:
                connection.execute("ALTER TABLE away RENAME TO credentials_credential")

    def _leave_tasks_behind(self) -> None:
        """Checks of new keys, in a queue that nobody empties."""
        for pid in processes_of(self.castor.var):
            if b"celery" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGSTOP)
        self.castor.manage("import_credentials", "-", typed=f"{self.marks['pasted key']}-left")

    def _return_all(self) -> None:
        chosen = {"action": "return_to_service", "_selected_action": "1", "select_across": "1"}
        self._settle()
        assert self.page("/admin/credentials/apikey/", **chosen)[0] == 302
        self._settle()

    def _settle(self) -> None:
        """Until the web process has written down what it learned so far, and read what others have: usage comes last."""
        name = f"settle-{new_mark()}"
        strictly = {"X_Request_ID": name, "X_Castor_Strict": "1", **self.bearer}
        assert self.ask("POST", "/v1/chat/completions", self.request(logit_bias={"1": 2}), meant=OWN, **strictly)[0] == 400
        with closing(sqlite3.connect(self.castor.var / "castor.sqlite3", timeout=20)) as database:
            query = "SELECT 1 FROM openai_api_usagerecord WHERE request_id = ?"
            eventually(lambda: database.execute(query, (name,)).fetchone(), "written down")

    def _serves(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return self.chat()[0] == 200
        return False

    def _post(self, body: bytes, *, part: float = 1.0) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=LIMIT)
        connection.putrequest("POST", "/v1/chat/completions")
        for name, value in {**self.bearer, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(body[: int(len(body) * part)])
        return connection


class CommandLines(threading.Thread):
    """Notes the command line of every process of an installation while it runs."""

    def __init__(self, var: Path) -> None:
        super().__init__(daemon=True)
        self._var = var
        self._done = threading.Event()
        self.seen: set[bytes] = set()

    def run(self) -> None:
        while not self._done.wait(0.1):
            for pid in processes_of(self._var):
                with suppress(OSError):
                    self.seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())

    def stop(self) -> None:
        self._done.set()
        self.join()


def _web_processes(var: Path) -> list[int]:
    """Those under gunicorn's master."""
    gunicorns = [pid for pid in processes_of(var) if b"gunicorn" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return [pid for pid in gunicorns if _parent(pid) in gunicorns]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
