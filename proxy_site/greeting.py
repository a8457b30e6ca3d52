"""What an operator reads once Castor serves: where it is, and a request that works as pasted."""

from django.conf import settings

from credentials.models import Credential

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - whoever listens everywhere is also at home
MODEL = "gemini-3.8-flash"


def address() -> tuple[str, int]:
    """Host and port at which this machine reaches its own Castor."""
    return _EVERYWHERE.get(settings.HOST, settings.HOST), settings.PORT


def root() -> str:
    """Its URL there."""
    host, port = address()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def curl(root: str, token: str) -> str:
    """A request that works as pasted."""
    return (
        f"    curl {root}/v1/chat/completions \\\n"
        f'      -H "Authorization: Bearer {token}" \\\n'
        '      -H "Content-Type: application/json" \\\n'
        f"""      -d '{{"model": "{MODEL}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'"""
    )


def greeting(token: str | None) -> str:
    """`token`: the client token that was just made, if one was."""
    here = root()
    paragraphs = [
        f"Castor is ready.\n\n    API    {here}/v1\n    Admin  {here}/admin/",
        f"Try it:\n\n{curl(here, token or '$CASTOR_TOKEN')}",
    ]
    if token is None:
        paragraphs.append("CASTOR_TOKEN stands for a client token. To make one: .venv/bin/python manage.py create_token admin")
    if not Credential.objects.enabled().exists():
        paragraphs.append(f"There is no Gemini API key yet: paste one at {here}/admin/, or set GEMINI_API_KEYS in .env.")
    return "\n\n".join([*paragraphs, "Ctrl-C stops everything.\n"])
