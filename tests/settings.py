"""The product's settings in a world of their own: a temporary `var/`, no `.env`, nobody's keys, and no way to Google."""

import atexit
import os
import re
import shutil
import tempfile

from tests import postgresql

_LEAKING = re.compile(
    r"GEMINI_\w+|GOOGLE_\w+|CODE_ASSIST_\w+|PROXY_(AUTH_KEYS|API_KEY|PORT)|DATABASE_URL|REDIS_URL|CONFIG_YAML|SECRET_KEY|\w+_ENCRYPTION_KEYS"
)

for name in [name for name in os.environ if _LEAKING.fullmatch(name)]:
    del os.environ[name]
os.environ["CASTOR_VAR"] = _var = tempfile.mkdtemp(prefix="castor-tests-")
os.mkdir(f"{_var}/static")  # WhiteNoise warns where it finds none.
atexit.register(shutil.rmtree, _var, ignore_errors=True)
os.environ["CASTOR_ENV_FILE"] = os.devnull
# Nobody listens there: a test that wants Google starts the simulator.
os.environ["GOOGLE_GEMINI_BASE_URL"] = os.environ["CODE_ASSIST_ENDPOINT"] = "http://127.0.0.1:9"
os.environ.update(
    {f"GOOGLE_OAUTH_{name}_URL": f"http://127.0.0.1:9/{name.lower()}" for name in ("AUTH", "TOKEN", "USERINFO", "REVOKE")}
)
if postgresql.wanted() and postgresql.missing() is None:
    os.environ.update(postgresql.environment())
# Programs that tests start are the product: they read its own settings, in this environment.
os.environ["DJANGO_SETTINGS_MODULE"] = "proxy_site.settings"

from proxy_site.settings import *  # noqa: E402, F403

CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, str] = {}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
