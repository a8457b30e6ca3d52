"""What an operator reads once Castor serves: where it is, and a request that works as pasted."""

from django.conf import settings

from credentials.models import Credential

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - whoever listens everywhere is also at home
_MODEL = "gemini-3.8-flash"


def address() -> tuple[str, int]:
    """Host and port at which this machine reaches its own Castor."""
    return _EVERYWHERE.get(settings.HOST, settings.HOST), settings.PORT


def greeting(token: str | None) -> str:
    """`token`: the client token that was just made, if one was."""
    host, port = address()
    root = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    paragraphs = [
        f"Castor is ready.\n\n    API    {root}/v1\n    Admin  {root}/admin/",
        f"Try it:\n\n{_curl(root, token or '$CASTOR_TOKEN')}",
    ]
    if token is None:
        paragraphs.append("CASTOR_TOKEN stands for a client token. To make one: .venv/bin/python manage.py create_token admin")
    if not Credential.objects.enabled().exists():
        paragraphs.append(f"There is no Gemini API key yet: paste one at {root}/admin/, or set GEMINI_API_KEYS in .env.")
    return "\n\n".join([*paragraphs, "Ctrl-C stops everything.\n"])


def _curl(root: str, token: str) -> str:
    return (
        f"    curl {root}/v1/chat/completions \\\n"
        f'      -H "Authorization: Bearer {token}" -H "Content-Type: application/json" \\\n'
        f"""      -d '{{"model": "{_MODEL}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'"""
    )
