"""What the environment says, turned into the values that Django and Celery want.

Pure functions: each takes an address or a directory and gives a setting, so that tests can ask them directly.
"""

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

# Readers never wait for the writer (WAL), a writer says so at the start of its transaction (IMMEDIATE), and waits
# its turn rather than failing. NORMAL loses no committed data when the process dies, only when the power does.
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728; "
        "PRAGMA journal_size_limit=27103364; PRAGMA cache_size=-16000;"
    ),
}


def database(url: str) -> dict[str, Any]:
    """The entry of ``DATABASES`` for an address such as ``postgresql://user@host/name`` or ``sqlite:////path``.

    SQLite gets the options that let web and worker share a file; a server gets kept connections.
    Raises ``ImproperlyConfigured`` for an address of anything else.
    """
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        config: dict[str, Any] = dict(dj_database_url.parse(url))
        config["OPTIONS"] = {**SQLITE_OPTIONS, **config.get("OPTIONS", {})}
        return config
    if scheme in {"postgres", "postgresql"}:
        return dict(dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True))
    raise ImproperlyConfigured(
        f"DATABASE_URL begins with {scheme or 'nothing'!r}; it is sqlite:///… or postgresql://…"
    )


def cache(url: str) -> dict[str, Any]:
    """The entry of ``CACHES`` for ``locmem://``, ``file:///directory`` or ``redis://host:port/number``."""
    parts = urlsplit(url)
    if parts.scheme == "locmem":
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": parts.netloc}
    if parts.scheme == "file":
        return {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": parts.path}
    if parts.scheme in {"redis", "rediss", "unix"}:
        return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}
    raise ImproperlyConfigured(
        f"CACHE_URL begins with {parts.scheme or 'nothing'!r}; it is locmem://, file:///… or redis://…"
    )


def broker(url: str) -> tuple[str, dict[str, Any]]:
    """Celery's broker address and its transport options, for ``redis://…``, ``unix:///socket?db=number``
    or ``filesystem:///directory``.

    For a directory, the folders that the transport expects are named below it; Celery's app makes them.
    """
    parts = urlsplit(url)
    if parts.scheme == "filesystem":
        folder = Path(parts.path)
        messages = str(folder / "messages")
        return "filesystem://localhost", {
            "data_folder_in": messages,
            "data_folder_out": messages,
            "control_folder": str(folder / "control"),
            "processed_folder": str(folder / "taken"),
            "store_processed": True,
        }
    if parts.scheme == "unix":
        number = dict(parse_qsl(parts.query)).get("db", "0")
        url = f"redis+socket://{parts.path}?virtual_host={number}"
    if parts.scheme in {"redis", "rediss", "unix"}:
        return url, {"visibility_timeout": 6 * 3600}
    if parts.scheme in {"amqp", "amqps", "memory"}:
        return url, {}
    raise ImproperlyConfigured(
        f"BROKER_URL begins with {parts.scheme or 'nothing'!r}; it is redis://… or filesystem:///…"
    )


def mail(url: str) -> dict[str, Any]:
    """What Django's ``EMAIL_`` settings want, for ``smtp://user:password@host:port`` (``smtps://`` with TLS from
    the start, ``smtp+tls://`` with STARTTLS) or ``file:///directory``.

    User and password are percent-encoded. Raises ``ImproperlyConfigured`` for an address of anything else.
    """
    parts = urlsplit(url)
    config: dict[str, Any] = {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "FILE_PATH": "",
        "HOST": parts.hostname or "",
        "PORT": {"smtp": 25, "smtp+tls": 587, "smtps": 465}.get(parts.scheme, 0),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "USE_TLS": parts.scheme == "smtp+tls",
        "USE_SSL": parts.scheme == "smtps",
    }
    if parts.scheme == "file" and parts.path:
        return config | {
            "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "FILE_PATH": parts.path,
        }
    try:
        config["PORT"] = parts.port or config["PORT"]
    except ValueError:
        config["PORT"] = 0
    if config["PORT"] and config["HOST"]:
        return config
    raise ImproperlyConfigured(
        f"EMAIL_URL begins with {parts.scheme or 'nothing'!r}; it is smtp://user:password@host:port or file:///…"
    )


def kept_secret(path: Path) -> str:
    """The secret in the file, made and kept there when there is none; only the owner may read it.

    Two processes that start together agree: the file is linked into place whole, and the first one stays.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
