"""What tests bring along themselves: it works from the wheels alone, and it leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from tests import services
from tests.stripe_peer import StripePeer

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def _no_programs_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SERVERS", "wheel")


@pytest.mark.usefixtures("_no_programs_of_the_machine")
def test_postgres_of_the_wheel() -> None:
    with services.postgres() as server:
        assert "(wheel)" in server.description
        with psycopg.connect(server.url.replace("/panel", "/postgres")) as connection:
            row = connection.execute(
                "select current_setting('fsync'), current_setting('listen_addresses')"
            ).fetchone()
            assert row == ("off", "")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url)


@pytest.mark.usefixtures("_no_programs_of_the_machine")
def test_broker_of_the_wheel() -> None:
    with services.broker() as server:
        assert server.description.startswith("Valkey")
        with redis.Redis.from_url(server.url) as client:
            client.set("key", "value")
            assert client.get("key") == b"value"
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(server.url).ping()


def test_stripe_s_server_is_there_for_the_block() -> None:
    with services.stripe() as server:
        assert server.description.startswith("localstripe ")
        peer = StripePeer(server.url)
        peer.fail("confirm", "drop")
        peer.reset()
        assert peer.charges() == []
    with pytest.raises(ConnectionError):
        peer.charges()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with services.ExitingServer(tmp_path / "log") as server:
        server.start(["/bin/sh", "-c", "echo no room on the device; exit 1"])
        with pytest.raises(services.Missing, match="no room on the device"):
            server.wait_until_ready(lambda: str(redis.Redis(unix_socket_path=str(tmp_path / "none")).ping()))


HOLD = """
import time
from tests import services
with services.broker() as server:
    print(server.url, flush=True)
    time.sleep(300)
"""


def test_a_server_ends_with_a_run_that_was_killed() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        env={**os.environ, "TEST_SERVERS": "wheel"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    url = run.stdout.readline().strip()
    with redis.Redis.from_url(url) as client:
        assert client.ping()
        run.kill()
        run.communicate()
        # The server ends with it; who is killed leaves the folder.
        shutil.rmtree(Path(url.removeprefix("unix://")).parent)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                client.ping()
            except redis.ConnectionError:
                return
            time.sleep(0.05)
    pytest.fail("the server outlived the run")


def test_a_server_ends_in_the_background_too(tmp_path: Path) -> None:
    """Where a shell has started the tests in the background, interrupts are ignored: by them, not by their servers."""
    log = tmp_path / "log"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with services.ExitingServer(log) as server:
            server.start(["/bin/sh", "-c", "echo up; exec sleep 60"], stop=signal.SIGINT)
            while "up" not in log.read_text():
                time.sleep(0.02)
    finally:
        signal.signal(signal.SIGINT, before)
    assert server.process is not None
    assert server.process.returncode == -signal.SIGINT


@pytest.mark.usefixtures("_no_programs_of_the_machine")
def test_a_copy_of_the_wheels_postgres_finds_its_libraries(tmp_path: Path) -> None:
    """A checkout in root's home is closed to the user that PostgreSQL runs as, who is then given a copy."""
    binaries, _ = services.find_postgres()
    copied = services.copy_programs(binaries, tmp_path)
    assert tmp_path in copied.parents
    for name in ("postgres", "initdb"):
        done = subprocess.run([copied / name, "--version"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "PostgreSQL" in done.stdout
