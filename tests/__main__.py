"""``python -m tests``: the whole suite on SQLite, then actions, runs and races on PostgreSQL; then what ran where.

python -m tests                      all of it; `make test`
python -m tests sqlite               on SQLite alone
python -m tests postgres tests/billing -k proration    what follows goes to pytest
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests import services

ROOT = Path(__file__).resolve().parent.parent


def run_pytest(arguments: list[str], environment: dict[str, str]) -> tuple[int, dict[str, int]]:
    """Run pytest with its output left as it is. Returns its status and the counts that ``conftest`` reports.

    Each process is given a half (a third, …) of the tests in their order, and who is done takes from the others:
    the tests of a file stay together, so what they share, the demo above all, is made once.
    """
    # What the first database's run has compiled, the second's finds, wherever the environment has it otherwise.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    processes = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="cp-report-") as folder:
        report = Path(folder) / "report.json"
        status = subprocess.run(
            [sys.executable, "-m", "pytest", "-n", str(min(processes, 8)), "--dist", "worksteal", *arguments],
            cwd=ROOT,
            env={**inherited, **environment, "TEST_REPORT": str(report)},
            stdin=subprocess.DEVNULL,
            check=False,
        ).returncode
        return status, json.loads(report.read_text()) if report.exists() else {}


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for. Returns 0 when all of it ran and passed, and nothing was skipped."""
    databases = (
        [arguments.pop(0)] if arguments and arguments[0] in {"sqlite", "postgres"} else ["sqlite", "postgres"]
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    named_database, named_broker = (
        os.environ.pop("TEST_DATABASE_URL", None),
        os.environ.pop("TEST_BROKER_URL", None),
    )
    closing: list[str] = []
    failed = False
    with ExitStack() as stack:
        common, used = _servers_and_browser(named_broker)
        for database in databases:
            where, environment = f"SQLite {sqlite3.sqlite_version}", common
            if database == "postgres":
                try:
                    server = stack.enter_context(services.postgres(named_database))
                except services.Missing as missing:
                    closing.append(f"NO tests ran on PostgreSQL. {missing}")
                    failed = True
                    continue
                where, environment = server.description, {**common, "TEST_DATABASE_URL": server.url}
                if len(databases) > 1:
                    environment["TEST_SECOND"] = "1"
            print(f"\n=== {where} ===", flush=True)
            status, counts = run_pytest(arguments, environment)
            failed = failed or status != 0
            closing.append(_closing_line(where, status, counts))
    print("\n" + "\n".join([*closing, used]), flush=True)
    return int(failed)


def _servers_and_browser(named_broker: str | None) -> tuple[dict[str, str], str]:
    """What tests have beside a database: as variables for them, and as a closing line.

    A broker that is not named is started by each test for itself: what one test's worker still writes as it
    ends is then never found by the next. Here it is only seen that there is one that starts.

    Where there is none, the tests that want it fail and say so, and the others still tell what they can.
    """
    environment, used = {}, []
    try:
        program = services.chromium(install=True)
        used.append(f"Browser: {services.chromium_version(program)}.")
        environment["CHROMIUM"] = str(program)
    except services.Missing as missing:
        used.append(f"NO browser. {missing}.")
    try:
        with services.broker(named_broker) as broker:
            used.append(f"Broker: {broker.description}.")
        if named_broker:
            environment["TEST_BROKER_URL"] = named_broker
    except services.Missing as missing:
        used.append(f"NO broker. {missing}.")
    try:
        with services.stripe() as stripe:
            used.append(f"Stripe: {stripe.description}.")
    except services.Missing as missing:
        used.append(f"NO server for Stripe. {missing}.")
    return environment, " ".join(used)


def _closing_line(where: str, status: int, counts: dict[str, int]) -> str:
    line = f"{counts.get('passed', 0)} passed on {where}"
    line += f" ({counts.get('in_browser', 0)} in the browser, {counts.get('with_broker', 0)} with the broker,"
    line += f" {counts.get('with_stripe', 0)} with Stripe's server)"
    if left_out := counts.get("left_out", 0):
        whose = "for PostgreSQL alone left to it" if where.startswith("SQLite") else "left to SQLite"
        line += f"; {left_out} {whose}"
    if counts.get("avoided", 0):
        line += f"; {counts['avoided']} SKIPPED"
    return f"{line}; FAILED with status {status}." if status else f"{line}; none failed, none skipped."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
