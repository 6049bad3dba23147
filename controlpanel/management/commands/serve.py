"""``manage.py serve``: the whole panel from one command, for trying it, developing it and showing it."""

import fcntl
import http.client
import io
import os
import shutil
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from controlpanel.supervisor import Program, Supervisor, python


class Command(BaseCommand):
    """Migrates, loads the demo into an empty database, and runs web, worker and beat until Ctrl-C."""

    help = "Run the whole panel: web, worker and beat, with the demo when the database is empty."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--host", default=os.environ.get("HOST", "127.0.0.1"), help="address to listen on"
        )
        parser.add_argument("--port", default=os.environ.get("PORT", "8000"), help="port to listen on")
        parser.add_argument(
            "--reset", action="store_true", help="throw the embedded data away, load the demo, and end"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = str(options["host"]), _port(str(options["port"]))
        with _only_one(settings.DATA_DIR):
            if options["reset"]:
                self._reset()
                self.stdout.write(self._prepare())
                self.stdout.write("The demo is new. `make run` starts the panel.")
                return
            _check_free(host, port)
            sign_ins = self._prepare()
            self._serve(host, port, sign_ins)

    def _reset(self) -> None:
        """Remove what the embedded panel keeps, but for its secret. A database that was named is not ours to empty."""
        name = settings.DATABASES["default"].get("NAME")
        if Path(str(name)) != settings.DATA_DIR / "db.sqlite3":
            raise CommandError(
                "DATABASE_URL names a database; only the embedded one is thrown away by a reset."
            )
        for path in settings.DATA_DIR.glob("db.sqlite3*"):
            path.unlink()
        for path in settings.DATA_DIR.glob("beat-schedule*"):
            path.unlink()
        for folder in ("broker", "cache", "usage/kept"):
            shutil.rmtree(settings.DATA_DIR / folder, ignore_errors=True)

    def _prepare(self) -> str:
        """Bring the database up to date and see that it holds something. Returns the demo's sign-ins, as text."""
        self._say("Preparing the database")
        call_command("migrate", interactive=False, verbosity=0)
        sign_ins = io.StringIO()
        # The demo's passwords are known to all, so nothing that is served to others gets them.
        if "demo" in get_commands() and not settings.PRODUCTION:
            call_command("demo", "--ensure", stdout=sign_ins)
        connections.close_all()
        return sign_ins.getvalue().strip()

    def _serve(self, host: str, port: int, sign_ins: str) -> None:
        url = (
            f"http://{'localhost' if host in {'127.0.0.1', '::1', 'localhost'} else _bracketed(host)}:{port}/"
        )
        supervisor = Supervisor(
            [
                Program("web", python("-m", "controlpanel.processes", "web", host, str(port))),
                Program("worker", python("-m", "controlpanel.processes", "worker")),
            ],
            say=self._say,
        )

        def announce() -> None:
            if _answers(host, port, supervisor):
                self._say(f"\nThe panel is at {self.style.SUCCESS(url)}\n\n{sign_ins}\n\nCtrl-C stops it.\n")

        code = supervisor.run(announce)
        self._say("Stopped.")
        if code:
            sys.exit(code)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _port(text: str) -> int:
    """The port that the text names. Raises ``CommandError`` when it names none."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise CommandError(f"PORT is {text!r}; it is a number from 1 to 65535.")
    return int(text)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _check_free(host: str, port: int) -> None:
    """Raise ``CommandError`` when somebody else listens on the port, before anything is prepared."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} on {host} cannot be used ({error.strerror}). Another one: make run PORT={port + 1}"
            ) from error


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the data directory while the panel runs. Raises ``CommandError`` when another panel holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "serve.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(f"A panel is running on the data in {folder}. Stop it first.") from error
        yield


def _answers(host: str, port: int, supervisor: Supervisor) -> bool:
    """Wait until the panel answers. False when the supervisor stops first."""
    while not supervisor.is_stopping.is_set():
        connection = http.client.HTTPConnection(host, port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == HTTPStatus.OK:
                return True
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()
    return False
