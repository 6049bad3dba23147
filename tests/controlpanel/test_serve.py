"""``make run``: the panel comes up from nothing, and goes away without a trace but its data."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controlpanel import environment
from tests.controlpanel.test_supervisor import wait_for

ROOT = Path(__file__).resolve().parents[2]
# The demo takes its time; an app that has none of its own starts in seconds.
START_SECONDS = 240


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Nothing but what finding Python takes, and a data directory."""
    return {"PATH": os.environ["PATH"], "DATA_DIR": str(folder), **variables}


def serve(folder: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "serve", *arguments],
        cwd=ROOT,
        env=clean_environment(folder, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_using(folder: Path) -> list[int]:
    """The processes that have the data directory in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"DATA_DIR={folder}".encode() in variables:
                found.append(int(entry.name))
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
        started.append(serve(tmp_path, *arguments, **variables))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()
    for pid in processes_using(tmp_path):
        os.kill(pid, signal.SIGKILL)


def read_until(process: "subprocess.Popen[str]", wanted: str) -> str:
    """What the process prints, up to and with the line that holds what is wanted."""
    assert process.stdout is not None
    output = ""
    end = time.monotonic() + START_SECONDS
    for line in process.stdout:
        output += line
        if wanted in line:
            return output
        assert time.monotonic() < end, output
    pytest.fail(f"it ended before {wanted!r}:\n{output}")


def test_a_port_that_is_taken_is_named_before_anything_else_happens(start: Any, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(PORT=str(port))
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"Port {port}" in output
    assert f"make run PORT={port + 1}" in output
    assert "Traceback" not in output
    assert not (tmp_path / "db.sqlite3").exists()


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http", "8000 ", "٣"])
def test_a_port_that_is_none_is_refused(start: Any, port: str) -> None:
    process = start(PORT=port)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "a number from 1 to 65535" in output
    assert "Traceback" not in output


def test_reset_leaves_a_named_database_alone(start: Any, tmp_path: Path) -> None:
    database = tmp_path / "mine.sqlite3"
    database.write_bytes(b"")
    process = start("--reset", DATABASE_URL=f"sqlite:///{database}")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "DATABASE_URL names a database" in output
    assert database.exists()


def test_the_panel_runs_works_off_a_task_and_stops_without_leaving_a_process(
    start: Any, tmp_path: Path
) -> None:
    port = free_port()
    process = start(PORT=str(port))
    output = read_until(process, "Ctrl-C stops it")
    assert f"http://localhost:{port}/" in output
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        assert answer.status == 200
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]

    # A second panel on the same data is told so, and does no harm to the first.
    second = serve(tmp_path, PORT=str(free_port()))
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "A panel is running" in said

    # What is put into the broker, the worker takes out.
    send = "from controlpanel.celery import app; app.send_task('controlpanel.no_such_task')"
    sent = subprocess.run(
        [sys.executable, "-c", send],
        cwd=ROOT,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert sent.returncode == 0, sent.stderr
    read_until(process, "controlpanel.no_such_task")
    _, options = environment.broker(f"filesystem://{tmp_path / 'broker'}")
    # Behind what it found to do as it started.
    wait_for(lambda: not list(Path(options["data_folder_in"]).glob("*.celery.msg")), 60)

    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert rest.rstrip().endswith("Stopped.")
    # The worker reports the task that it does not know with a traceback; stopping brings none.
    assert "Traceback" not in rest.partition("Warm shutdown")[2]
    assert processes_using(tmp_path) == []
