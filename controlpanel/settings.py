"""Settings. Everything that differs between places comes from the environment; the defaults run on nothing else.

``PRODUCTION=1`` asks for what a served panel must have: a secret, hosts and a database of its own, and HTTPS.
Without it the panel is embedded: SQLite, a broker of files and a secret of its own, all below ``DATA_DIR``.
"""

from collections.abc import Callable
from pathlib import Path

from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from environs import Env

from controlpanel import environment

env = Env()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR: Path = env.path("DATA_DIR", BASE_DIR / "var")

# Off unless asked for, in `make run` too: who tries the panel sees the pages a customer would see, errors included.
DEBUG = env.bool("DEBUG", False)
PRODUCTION = env.bool("PRODUCTION", False)


def _needed(name: str, embedded: Callable[[], str]) -> str:
    """The variable; without it what ``embedded`` gives, which production must not fall back on."""
    if value := env.str(name, ""):
        return value
    if PRODUCTION:
        raise ImproperlyConfigured(f"PRODUCTION=1 needs {name} in the environment.")
    return embedded()


SECRET_KEY = _needed("SECRET_KEY", lambda: environment.kept_secret(DATA_DIR / "secret-key"))
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])
ALLOWED_HOSTS = _needed("ALLOWED_HOSTS", lambda: "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])

INSTALLED_APPS = [
    "accounts.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "django_fsm",
    "django_htmx",
    "djmoney",
    "lucide",
    "accounts",
    "billing",
    "telephony",
    "hardware",
    "controlpanel",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "controlpanel.middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "controlpanel.middleware.NoNulInAdministration",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "controlpanel.urls"
WSGI_APPLICATION = "controlpanel.wsgi.application"
ASGI_APPLICATION = "controlpanel.asgi.application"

_LOADERS = ["django.template.loaders.filesystem.Loader", "django.template.loaders.app_directories.Loader"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            # Django keeps compiled templates unless told otherwise; who edits one with DEBUG=1 wants to see it.
            "loaders": _LOADERS if DEBUG else [("django.template.loaders.cached.Loader", _LOADERS)],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "controlpanel.navigation.frame",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# Data

DATABASES = {
    "default": environment.database(_needed("DATABASE_URL", lambda: f"sqlite:///{DATA_DIR / 'db.sqlite3'}"))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": environment.cache(_needed("CACHE_URL", lambda: f"file://{DATA_DIR / 'cache'}"))}

# Who signs in

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "start"
LOGOUT_REDIRECT_URL = "sign-in"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# Language and time: stored in UTC, shown in the account's zone.

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
CURRENCIES = ("USD", "EUR")
DEFAULT_CURRENCY = "USD"

# Static files: one by one and unbuilt while embedded, hashed and compressed by `collectstatic` in production.

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT: Path = env.path("STATIC_ROOT", BASE_DIR / "staticfiles")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if PRODUCTION
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = not PRODUCTION
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Usage: the folder that beat looks into for files of call records.

USAGE_FOLDER: Path = env.path("USAGE_FOLDER", DATA_DIR / "usage" / "incoming")

# Phones: where those of a brand register that has no SIP server of its own, as host or host:port.

SIP_SERVER = env.str("SIP_SERVER", "sip.example.com:5061")

# Payments: cards through Stripe where its keys are given; else, while embedded, the built-in test gateway.

STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", "")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", "")
# Another server that speaks Stripe's API, for tests; empty is Stripe itself.
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "")
PAYMENT_GATEWAY = "stripe" if STRIPE_SECRET_KEY else "" if PRODUCTION else "test"

# Tasks

CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = environment.broker(
    _needed("BROKER_URL", lambda: f"filesystem://{DATA_DIR / 'broker'}")
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    # Accounts reach their BDOM at their own midnight, so every hour some may be due (BIL-7).
    "billing-tick": {"task": "billing.tasks.tick", "schedule": crontab(minute="0")},
    # After the tick, which activates what is due that day.
    "activation-warnings": {"task": "telephony.tasks.warn", "schedule": crontab(minute="10")},
    # Files that came into the watched folder, and imports whose worker died (USE-1).
    "usage-imports": {"task": "telephony.tasks.look_for_usage", "schedule": crontab()},
    # Quotes whose last day is over at their own midnight (ORD-1).
    "quotes": {"task": "billing.tasks.expire", "schedule": crontab(minute="5")},
    # Renewals that the tick has found; and, soon after, payments whose answer was lost (INV-6).
    "plan-renewals": {"task": "billing.tasks.renew", "schedule": crontab(minute="*/10")},
    "payments": {"task": "billing.tasks.reconcile_payments", "schedule": crontab()},
    "invoice-collection": {"task": "billing.tasks.collect_invoices", "schedule": crontab(minute="5-59/10")},
    # Reminders and suspensions: accounts reach a day at their own midnight.
    "dunning": {"task": "billing.tasks.dun", "schedule": crontab(minute="40")},
    "payment-messages": {"task": "billing.tasks.forget_messages", "schedule": crontab(minute="50", hour="3")},
    "subscription-warnings": {"task": "billing.tasks.warn", "schedule": crontab(minute="20")},
    # What is sent at once needs no beat; this is for what failed or was never taken.
    "mail": {"task": "accounts.tasks.send_due_mail", "schedule": crontab(minute="*/3")},
}

# Mail: into files while embedded. Links in it lead to PANEL_URL.

EMAIL = environment.mail(_needed("EMAIL_URL", lambda: f"file://{DATA_DIR / 'mail'}"))
EMAIL_BACKEND: str = EMAIL["BACKEND"]
EMAIL_FILE_PATH: str = EMAIL["FILE_PATH"]
EMAIL_HOST: str = EMAIL["HOST"]
EMAIL_PORT: int = EMAIL["PORT"]
EMAIL_HOST_USER: str = EMAIL["USER"]
EMAIL_HOST_PASSWORD: str = EMAIL["PASSWORD"]
EMAIL_USE_TLS: bool = EMAIL["USE_TLS"]
EMAIL_USE_SSL: bool = EMAIL["USE_SSL"]
EMAIL_TIMEOUT = 20
_OWN_URL = f"https://{ALLOWED_HOSTS[0]}" if PRODUCTION else f"http://localhost:{env.str('PORT', '8000')}"
PANEL_URL = env.str("PANEL_URL", "") or _OWN_URL

# Security

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
SECURE_SSL_REDIRECT = PRODUCTION and env.bool("SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", False) else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Logging: one line an event, on standard error.

LOG_LEVEL = env.str("LOG_LEVEL", "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{", "datefmt": "%H:%M:%S"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        name: {"level": LOG_LEVEL}
        for name in (
            "accounts",
            "billing",
            "telephony",
            "hardware",
            "controlpanel",
            "celery.worker",
            "celery.beat",
        )
    }
    # A line for each message that is taken off the broker says little, and after the demo pushes its sign-ins away.
    | {"celery.worker.strategy": {"level": "WARNING"}},
}
