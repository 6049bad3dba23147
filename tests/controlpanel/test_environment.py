"""The environment, read into settings."""

import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from controlpanel import environment

ROOT = Path(__file__).resolve().parents[2]


def test_sqlite_is_set_up_for_several_processes() -> None:
    config = environment.database("sqlite:////data/panel.sqlite3")
    assert config["NAME"] == "/data/panel.sqlite3"
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert config["OPTIONS"]["timeout"] > 0
    assert "journal_mode=WAL" in config["OPTIONS"]["init_command"]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgres_address(scheme: str) -> None:
    config = environment.database(f"{scheme}://user:secret@db.example:5433/panel")
    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example", 5433, "panel")
    assert config["CONN_HEALTH_CHECKS"] is True


def test_broker_folder_is_named_below_its_address() -> None:
    url, options = environment.broker("filesystem:///data/broker")
    assert url.startswith("filesystem://")
    assert options["data_folder_in"] == options["data_folder_out"] == "/data/broker/messages"


def test_broker_and_cache_servers_keep_their_address() -> None:
    assert environment.broker("redis://queue.example:6379/1")[0] == "redis://queue.example:6379/1"
    assert environment.cache("redis://cache.example:6379/2")["LOCATION"] == "redis://cache.example:6379/2"
    assert environment.cache("file:///data/cache")["LOCATION"] == "/data/cache"


def test_a_socket_is_a_broker_too() -> None:
    assert (
        environment.broker("unix:///run/valkey.sock?db=3")[0]
        == "redis+socket:///run/valkey.sock?virtual_host=3"
    )
    assert (
        environment.broker("unix:///run/valkey.sock")[0] == "redis+socket:///run/valkey.sock?virtual_host=0"
    )


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("DATABASE_URL", environment.database),
        ("BROKER_URL", environment.broker),
        ("CACHE_URL", environment.cache),
        ("EMAIL_URL", environment.mail),
    ],
)
@pytest.mark.parametrize("url", ["", "mysql://user@host/name", "nonsense"])
def test_an_address_of_something_else_is_refused_by_name(name: str, read: object, url: str) -> None:
    assert callable(read)
    with pytest.raises(ImproperlyConfigured, match=name):
        read(url)


@pytest.mark.parametrize(
    ("url", "port", "tls", "ssl"),
    [
        ("smtp://mail.example", 25, False, False),
        ("smtp+tls://mail.example", 587, True, False),
        ("smtps://mail.example", 465, False, True),
        ("smtp+tls://mail.example:2525", 2525, True, False),
    ],
)
def test_mail_server(url: str, port: int, tls: bool, ssl: bool) -> None:
    config = environment.mail(url)
    assert (config["HOST"], config["PORT"], config["USE_TLS"], config["USE_SSL"]) == (
        "mail.example",
        port,
        tls,
        ssl,
    )


def test_mail_server_s_user_and_folder() -> None:
    config = environment.mail("smtp://panel%40brand.example:s%2Fcret@mail.example")
    assert (config["USER"], config["PASSWORD"]) == ("panel@brand.example", "s/cret")
    assert environment.mail("file:///data/mail")["FILE_PATH"] == "/data/mail"


@pytest.mark.parametrize("url", ["smtp://", "smtp://mail.example:port", "file://", "http://mail.example"])
def test_mail_goes_nowhere_else(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL"):
        environment.mail(url)


def test_kept_secret_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    first = environment.kept_secret(path)
    assert len(first) >= 50
    assert environment.kept_secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def manage(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py with nothing in the environment but the data directory and the variables."""
    base: Mapping[str, str] = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "",
    }
    env = {name: value for name, value in {**base, **variables}.items() if value}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )


SHOW = "from django.conf import settings as s; print(s.DATABASES['default']['NAME'], s.CELERY_BROKER_URL, s.DEBUG)"


def test_without_any_variable_the_panel_is_embedded(tmp_path: Path) -> None:
    done = manage(tmp_path, "shell", "--verbosity", "0", "--command", SHOW)
    assert done.stdout.split() == [str(tmp_path / "db.sqlite3"), "filesystem://localhost", "False"], (
        done.stderr
    )


def test_variables_name_the_servers(tmp_path: Path) -> None:
    variables = {"DATABASE_URL": "postgresql://db.example/panel", "BROKER_URL": "redis://queue.example/0"}
    done = manage(tmp_path, "shell", "--verbosity", "0", "--no-imports", "--command", SHOW, **variables)
    assert done.stdout.split() == ["panel", "redis://queue.example/0", "False"], done.stderr


@pytest.mark.parametrize(
    ("variables", "asks_for"),
    [
        ({}, "SECRET_KEY"),
        ({"SECRET_KEY": "s" * 60}, "ALLOWED_HOSTS"),
        ({"SECRET_KEY": "s" * 60, "ALLOWED_HOSTS": "panel.example"}, "DATABASE_URL"),
    ],
)
def test_production_asks_for_what_it_needs(tmp_path: Path, variables: dict[str, str], asks_for: str) -> None:
    done = manage(tmp_path, "check", PRODUCTION="1", **variables)
    assert done.returncode != 0
    assert asks_for in done.stderr.splitlines()[-1]
    assert not (tmp_path / "secret-key").exists()


def test_production_passes_djangos_own_deployment_check(tmp_path: Path) -> None:
    variables = {
        "PRODUCTION": "1",
        "SECRET_KEY": "".join(chr(33 + number % 90) for number in range(60)),
        "ALLOWED_HOSTS": "panel.example",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "BROKER_URL": "redis://queue.example/0",
        "CACHE_URL": "redis://cache.example/0",
        "EMAIL_URL": "smtps://panel:secret@mail.example",
    }
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
