"""The panel's settings as tests run it: nothing of the developer's environment, nothing of the developer's data."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

for name in (
    "PRODUCTION",
    "DEBUG",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "BEHIND_PROXY",
    "CACHE_URL",
    "EMAIL_URL",
    "PANEL_URL",
    "PORT",
    "LOG_LEVEL",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "STRIPE_API_BASE",
):
    os.environ.pop(name, None)

FOLDER = Path(tempfile.mkdtemp(prefix="cp-tests-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

os.environ["DATA_DIR"] = str(FOLDER)
os.environ["SECRET_KEY"] = "only for tests, and long enough that Django's own check is content with it"
os.environ["BROKER_URL"] = "memory://"
os.environ["CACHE_URL"] = "locmem://tests"
# PostgreSQL where one is named; `python -m tests` names the one it starts.
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{FOLDER / 'db.sqlite3'}"
# Playwright's loop runs in the thread of the test, which makes Django think that the test is asynchronous.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

from controlpanel.settings import *  # the environment must be ready first
from controlpanel.settings import DATABASES

# A file, as in the panel, and not SQLite's memory: what runs in another thread or process then waits as it would there.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(FOLDER / "test.sqlite3")}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

# Tasks run where they are sent, and what they raise is seen. Tests with a worker of their own start it themselves.
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
