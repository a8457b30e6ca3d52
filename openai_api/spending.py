"""What a call has used that was left before its upstream had told. Made only then: what is read to its end says it itself."""

from openai_api.translation.events import Usage
from openai_api.translation.gemini.estimate import BYTES_A_TOKEN, estimate_body
from openai_api.translation.passing.answer import estimate
from openai_api.translation.splicing import Spliced
from openai_api.upstream.base import Prepared


def spent_so_far(prepared: Prepared, bytes_said: int) -> Usage | None:
    """`bytes_said`: of the text that has come. None: such a call takes no tokens."""
    if prepared.free:
        return None
    prompt, completion = _prompt(prepared), -(-bytes_said // BYTES_A_TOKEN)
    return Usage(prompt=prompt, completion=completion, total=prompt + completion)


def _prompt(prepared: Prepared) -> int:
    if prepared.tokens:
        return prepared.tokens
    if prepared.handed_on is not None:
        body = prepared.handed_on.body
        return estimate(body, 0).prompt if isinstance(body, bytes) else 0  # A form is a file with little text beside it.
    body = prepared.body
    if isinstance(body, Spliced):  # How long the files are is not known to be worth a look at each of them.
        body = b"".join(piece for piece in body.pieces if isinstance(piece, bytes))
    return estimate_body(prepared.model, body)
