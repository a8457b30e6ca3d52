"""All settings. Each is read from the environment or `.env`; `.env.example` lists them with their defaults."""

import os
import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy

from proxy_site.config_yaml import find_config
from proxy_site.environment import Env, kept_secrets, make_folders
from proxy_site.secrecy import check_secret

VERSION = "0.1.0"
BASE_DIR = Path(__file__).resolve().parent.parent
ENV_FILE = Path(os.environ.get("CASTOR_ENV_FILE", BASE_DIR / ".env"))
Env.read_env(ENV_FILE)
env = Env()
CONFIG = find_config(env.str("CONFIG_YAML", default="").strip(), BASE_DIR)
env.fall_back_to(CONFIG.settings)

# --- Where things are kept ---------------------------------------------------------------------------------------

VAR_DIR = Path(env.str("CASTOR_VAR", default=str(BASE_DIR / "var")))
EMBEDDED_DATABASE_URL = f"sqlite:///{VAR_DIR}/castor.sqlite3"
DATABASE_URL = env.first("DATABASE_URL", default=EMBEDDED_DATABASE_URL)
REDIS_URL = env.first("REDIS_URL")
EMBEDDED = DATABASE_URL.startswith("sqlite")

try:
    DATABASES = {"default": {**env.db_url_config(DATABASE_URL), "CONN_MAX_AGE": 60}}
except Exception as error:  # django-environ raises whatever its parsing ran into
    raise ImproperlyConfigured("DATABASE_URL cannot be read. It looks like postgres://user:password@host:5432/name.") from error
if EMBEDDED:
    DATABASES["default"]["OPTIONS"] = {
        # Writers wait for each other instead of failing; readers never wait (write-ahead log).
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    # A database that is silent must be noticed as one that is down: seconds until connected, milliseconds until acknowledged.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "tcp_user_timeout": 30_000,
        **DATABASES["default"].get("OPTIONS", {}),
    }

# --- Secrets -----------------------------------------------------------------------------------------------------

make_folders(VAR_DIR)
_kept = kept_secrets(VAR_DIR) if EMBEDDED else {}
SECRET_KEY = env.str("SECRET_KEY", default="") or _kept.get("SECRET_KEY", "")
CREDENTIAL_ENCRYPTION_KEYS = env.words("CREDENTIAL_ENCRYPTION_KEYS") or [
    key for key in _kept.get("CREDENTIAL_ENCRYPTION_KEYS", "").split(",") if key
]
if not SECRET_KEY or not CREDENTIAL_ENCRYPTION_KEYS:
    raise ImproperlyConfigured(
        "SECRET_KEY and CREDENTIAL_ENCRYPTION_KEYS must be set when DATABASE_URL is not SQLite: see .env.example."
    )
check_secret("SECRET_KEY", SECRET_KEY, least=32, remedy="Make one with: openssl rand -base64 48")

# --- Web ---------------------------------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG", False)
HOST = env.str("HOST", default="127.0.0.1")
PORT = int(env.first("PORT", "PROXY_PORT", default="8000")) if env.first("PORT", "PROXY_PORT", default="8000").isdigit() else 0
if not 1 <= PORT <= 65535:
    raise ImproperlyConfigured("PORT must be a number from 1 to 65535. Change it in .env or in the environment.")
WEB_WORKERS = env.whole("WEB_WORKERS", 1, least=1)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS") or ["*"]
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
CORS_ALLOWED_ORIGINS = env.words("CORS_ALLOWED_ORIGINS")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="").strip()
# Once there is a token it alone opens /metrics: a proxy on this machine would lend every stranger its loopback address.
METRICS_ALLOW = env.networks("METRICS_ALLOW", [] if METRICS_TOKEN else ["127.0.0.0/8", "::1"])
ROOT_URLCONF = "proxy_site.urls"
ASGI_APPLICATION = "proxy_site.asgi.application"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_TLS_PROXY", False) else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_PROXY_SSL_HEADER is not None

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "credentials",
    "openai_api",
    "proxy_site",
]
# For the admin and its pages only: API paths go through the lean handler of asgi.py, which has no middleware.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
make_folders(STATIC_ROOT)  # WhiteNoise warns where there is none.
WHITENOISE_USE_FINDERS = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- The pool ----------------------------------------------------------------------------------------------------

MAX_CONCURRENT = env.whole("MAX_CONCURRENT", 10, least=1)
MAX_RETRIES = env.whole("MAX_RETRIES", 3)
RETRY_DELAY = env.number("RETRY_DELAY", 1000)  # milliseconds
TIMEOUT = env.number("TIMEOUT", 600, least=1)
COOLDOWN_SECONDS = env.number("COOLDOWN_SECONDS", 60, least=1)
RECHECK_INTERVAL_SECONDS = env.number("RECHECK_INTERVAL_SECONDS", 300, least=10)
CONSECUTIVE_FAILURES = env.whole("CONSECUTIVE_FAILURES", 3, least=1)
HISTORY_DAYS = env.number("HISTORY_DAYS", 30, least=1)
SELECTION = env.one_of("SELECTION", "round_robin", ("round_robin", "least_in_flight", "fill_first"))
CREDENTIAL_MODE = env.one_of("CREDENTIAL_MODE", "fallback", ("fallback", "combined", "disabled"))
PREFER_AI_STUDIO_FOR_PRO = env.flag("PREFER_AI_STUDIO_FOR_PRO", False)
AFFINITY = env.flag("AFFINITY", False)
PACING = env.one_of("PACING", "declared", ("off", "declared", "learned"))

_NUMBERED_KEY = re.compile(r"GEMINI_API_KEY_\d+")
GEMINI_API_KEYS = [
    *env.secrets("GEMINI_API_KEYS"),
    *env.secrets("GEMINI_API_KEY"),
    *(value.strip() for name, value in sorted(os.environ.items()) if _NUMBERED_KEY.fullmatch(name) and value.strip()),
]
PROXY_AUTH_KEYS = [*env.words("PROXY_AUTH_KEYS"), *env.words("PROXY_API_KEY")]
ALLOW_ANONYMOUS = env.flag("ALLOW_ANONYMOUS", False)

# --- Upstream ----------------------------------------------------------------------------------------------------

UPSTREAM_URL = env.str("UPSTREAM_URL", default="").strip()
FIXED_API_KEY = env.words("FIXED_API_KEY")

GOOGLE_GEMINI_BASE_URL = (
    env.first("GOOGLE_GEMINI_BASE_URL", "GEMINI_BASE_URL", default="https://generativelanguage.googleapis.com")
    .rstrip("/")
    .removesuffix("/openai")
    .removesuffix("/v1beta")
)
CODE_ASSIST_ENDPOINT = env.first("CODE_ASSIST_ENDPOINT", default="https://cloudcode-pa.googleapis.com").rstrip("/")
CONNECT_TIMEOUT = env.number("CONNECT_TIMEOUT", 10, least=0.1)
READ_TIMEOUT = env.number("READ_TIMEOUT", 300, least=1)
UPSTREAM_CONNECTIONS = env.whole("UPSTREAM_CONNECTIONS", 1000, least=1)

# --- Google accounts and the Gemini CLI ----------------------------------------------------------------------------

GOOGLE_OAUTH_CLIENT_ID = env.str("GOOGLE_OAUTH_CLIENT_ID", default="").strip()
GOOGLE_OAUTH_CLIENT_SECRET = env.str("GOOGLE_OAUTH_CLIENT_SECRET", default="").strip()
GOOGLE_OAUTH_AUTH_URL = env.first("GOOGLE_OAUTH_AUTH_URL", default="https://accounts.google.com/o/oauth2/v2/auth")
GOOGLE_OAUTH_TOKEN_URL = env.first("GOOGLE_OAUTH_TOKEN_URL", default="https://oauth2.googleapis.com/token")
GOOGLE_OAUTH_USERINFO_URL = env.first("GOOGLE_OAUTH_USERINFO_URL", default="https://www.googleapis.com/oauth2/v2/userinfo")
GOOGLE_OAUTH_REVOKE_URL = env.first("GOOGLE_OAUTH_REVOKE_URL", default="https://oauth2.googleapis.com/revoke")
GOOGLE_OAUTH_REDIRECT_URI = env.str("GOOGLE_OAUTH_REDIRECT_URI", default="").strip()
GOOGLE_CLOUD_PROJECT = env.str("GOOGLE_CLOUD_PROJECT", default="").strip()
GEMINI_CLI_PATH = env.first("GEMINI_CLI_PATH", default="gemini")
GEMINI_CLI_MAX_PROCESSES = env.whole("GEMINI_CLI_MAX_PROCESSES", 4, least=1)

# --- Sound --------------------------------------------------------------------------------------------------------

FFMPEG_PATH = env.first("FFMPEG_PATH", default="ffmpeg")
FFMPEG_MAX_PROCESSES = env.whole("FFMPEG_MAX_PROCESSES", 16, least=1)

# --- Requests ----------------------------------------------------------------------------------------------------

MAX_BODY_BYTES = env.whole("MAX_BODY_BYTES", 100 * 1024 * 1024, least=1024)
MAX_UPLOAD_BYTES = env.whole("MAX_UPLOAD_BYTES", 512 * 1024 * 1024, least=1024)
UPLOAD_DIR = VAR_DIR / "uploads"
make_folders(UPLOAD_DIR)
HEARTBEAT_SECONDS = env.number("HEARTBEAT_SECONDS", 15, least=0)
KEEPALIVE_JSON = env.flag("KEEPALIVE_JSON", False)
LATE_ERRORS_DIR = VAR_DIR / "late_errors"
make_folders(LATE_ERRORS_DIR)
STOP_TAGS = env.stop_tags("STOP_TAGS")
STREAM_INTERNALLY = env.flag("STREAM_INTERNALLY", None)
MAX_IN_FLIGHT = env.whole("MAX_IN_FLIGHT", 1000, least=1)
SHUTDOWN_SECONDS = env.whole("SHUTDOWN_SECONDS", 60, least=1)
FETCH_ALLOW_PRIVATE_NETWORKS = env.flag("FETCH_ALLOW_PRIVATE_NETWORKS", False)
FETCH_MAX_BYTES = env.whole("FETCH_MAX_BYTES", 20 * 1024 * 1024, least=1024)
FETCH_TIMEOUT = env.number("FETCH_TIMEOUT", 20, least=0.1)
MEDIA_HOURS = env.number("MEDIA_HOURS", 24, least=0.01)
MEDIA_DIR = VAR_DIR / "media"
make_folders(MEDIA_DIR)
SIGNATURE_DAYS = env.number("SIGNATURE_DAYS", 7, least=0.01)
USAGE_DAYS = env.number("USAGE_DAYS", 365, least=1)
REQUEST_LOG_MAX_BYTES = env.whole("REQUEST_LOG_MAX_BYTES", 256 * 1024, least=1024)
REQUEST_LOG_DAYS = env.number("REQUEST_LOG_DAYS", 7, least=0.01)
REQUEST_LOG_MAX_MB = env.whole("REQUEST_LOG_MAX_MB", 512, least=1)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["credentials.authentication.BearerToken"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "EXCEPTION_HANDLER": "openai_api.exception_handler.answer",
    "UNAUTHENTICATED_USER": None,
}

# --- The admin's look --------------------------------------------------------------------------------------------

_PAGES = [
    ("Overview", "dashboard", "admin:index", ""),
    ("Gemini API keys", "key", "admin:credentials_apikey_changelist", "credentials.view_apikey"),
    ("Google accounts", "account_circle", "admin:credentials_googleaccount_changelist", "credentials.view_googleaccount"),
    ("Gemini CLI", "terminal", "admin:credentials_geminicli_changelist", "credentials.view_geminicli"),
    ("Other servers", "dns", "admin:credentials_server_changelist", "credentials.view_server"),
    ("Keys of servers", "vpn_key", "admin:credentials_serverkey_changelist", "credentials.view_serverkey"),
    ("Checks", "fact_check", "admin:credentials_checkrun_changelist", "credentials.view_checkrun"),
    ("Quota limits", "speed", "admin:credentials_quotalimit_changelist", "credentials.view_quotalimit"),
    ("Unknown errors", "help", "admin:credentials_unknownerror_changelist", "credentials.view_unknownerror"),
    ("Shared faults", "crisis_alert", "admin:credentials_alert_changelist", "credentials.view_alert"),
    ("Client tokens", "badge", "admin:credentials_clienttoken_changelist", "credentials.view_clienttoken"),
    ("Model aliases", "alt_route", "admin:credentials_modelalias_changelist", "credentials.view_modelalias"),
    ("Model routes", "fork_right", "admin:credentials_modelroute_changelist", "credentials.view_modelroute"),
    ("Usage", "query_stats", "admin:openai_api_usagerecord_changelist", "openai_api.view_usagerecord"),
    ("Request log", "plagiarism", "admin:openai_api_loggedrequest_changelist", "openai_api.view_loggedrequest"),
    ("Files", "draft", "admin:openai_api_uploadedfile_changelist", "openai_api.view_uploadedfile"),
    ("Users", "person", "admin:auth_user_changelist", "auth.view_user"),
    ("Groups", "group", "admin:auth_group_changelist", "auth.view_group"),
]


def _navigation_item(title: str, icon: str, view: str, permission: str) -> dict[str, object]:
    allowed = (lambda request: request.user.has_perm(permission)) if permission else None
    return {"title": title, "icon": icon, "link": reverse_lazy(view), "permission": allowed}


FORMAT_MODULE_PATH = "proxy_site.formats"
UNFOLD = {
    "SITE_TITLE": "Castor",
    "SITE_HEADER": "Castor",
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("credentials/favicon.svg")}],
    "DASHBOARD_CALLBACK": "credentials.dashboard.overview",
    "SIDEBAR": {"navigation": [{"items": [_navigation_item(*page) for page in _PAGES]}]},
}

# --- Celery ------------------------------------------------------------------------------------------------------

CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
else:
    CELERY_BROKER_URL = "filesystem://localhost//"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR_DIR / "queue"),
        "data_folder_out": str(VAR_DIR / "queue"),
        "processed_folder": str(VAR_DIR / "queue" / "done"),
        "control_folder": str(VAR_DIR / "queue" / "control"),
    }
    make_folders(*map(Path, CELERY_BROKER_TRANSPORT_OPTIONS.values()))

# --- Logs --------------------------------------------------------------------------------------------------------

LOG_LEVEL = env.one_of("LOG_LEVEL", "info", ("debug", "info", "warning", "error")).upper()
LOG_FORMAT = env.one_of("LOG_FORMAT", "console", ("console", "json"))
LOGGING_CONFIG = "proxy_site.logs.configure"
LOGGING = {"level": LOG_LEVEL, "format": LOG_FORMAT}
