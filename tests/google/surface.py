"""What Google's services have in common here: the order in which a call is read, its caller recognised, and an answer given.

1. The path: an unknown one is a page of 404, whoever asks.
2. The body. A malformed one is refused even with a dead key (sections 0.2 and 1.1).
3. The caller: key, token, account.
4. A scripted fault. (Google's quota and health come before its reading of the request, so the rules come after; what
   they would have said is in the log as `broken_rule` all the same.)
5. The rules.
6. The answer.
"""

from typing import Any, ClassVar

from tests.google import delivery, every_fault, faults
from tests.google.errors import Refusal
from tests.google.exchange import Exchange
from tests.google.faults import Circumstances
from tests.google.log import Call
from tests.google.scripts import Script
from tests.google.state import State

Body = dict[str, Any]


class Surface:
    """One of Google's services. `name` is what the log and scripts call it."""

    name: ClassVar[str]

    def __init__(self, state: State) -> None:
        self.state = state

    def route(self, http_method: str, path: str) -> tuple[str, str]:
        """Google's method and the model of a path; both empty where there is nothing."""
        raise NotImplementedError

    async def take_in(self, exchange: Exchange) -> bytes:
        """The request's body, as the log keeps it."""
        return await exchange.read()

    def read(self, call: Call) -> Body:
        """The request in its canonical form; a malformed one is refused."""
        raise NotImplementedError

    def authenticate(self, call: Call) -> None:
        """Note in the call who asks, and who pays; refuse whoever may not."""
        raise NotImplementedError

    def check(self, call: Call, request: Body) -> None:
        """Refuse a request that breaks a rule."""

    async def serve(self, exchange: Exchange, request: Body, script: Script) -> None:
        raise NotImplementedError

    def wording(self, call: Call, refusal: Refusal) -> Any:
        """The body of a refusal, as this service writes it."""
        return refusal.body

    async def answer(self, exchange: Exchange) -> None:
        call = exchange.call
        call.raw = await self.take_in(exchange)
        script = Script()
        try:
            if not call.method:
                raise faults.make("html_404", Circumstances())
            request = self.read(call)
            self.authenticate(call)
            broken_rule = self._broken_rule(call, request)
            script = self.state.scripts.take(call) or script
            await exchange.pause(script.delay)
            if script.ends in ("reset_before_headers", "close_before_headers"):
                exchange.reset() if script.ends == "reset_before_headers" else exchange.close()
                return
            if script.status is not None:
                await delivery.send_body(exchange, script.status, script.body, script.headers)
                return
            if script.is_refusal:
                raise self.fault(call, script)
            if broken_rule:
                raise broken_rule
            await self.serve(exchange, request, script)
        except Refusal as refusal:
            call.refused = refusal.message
            await delivery.send_body(exchange, refusal.code, self.wording(call, refusal), script.headers)

    def fault(self, call: Call, script: Script) -> Refusal:
        given = {name: value for name in ("limit", "seconds") if (value := getattr(script, name)) is not None}
        about = Circumstances(
            key=call.key, account=call.account, project=call.project, model=call.model, method=call.method, paid=script.paid,
            now=self.state.clock.now(), **given,
        )  # fmt: skip
        return every_fault.make(script.error or "", self.name, about)

    def _broken_rule(self, call: Call, request: Body) -> Refusal | None:
        """The rule that a request breaks, which the log keeps even if a scripted fault answers first."""
        try:
            self.check(call, request)
        except Refusal as refusal:
            call.broken_rule = refusal.message
            return refusal
        return None
