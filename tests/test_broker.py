"""Celery on a broker that speaks the Redis protocol, as production has one."""

import os
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SEND = "from controlpanel.celery import app; app.send_task('controlpanel.no_such_task')"


def test_the_worker_takes_tasks_from_the_broker_that_is_named(broker: str, tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(tmp_path),
        "BROKER_URL": broker,
        "SUPERVISOR_PID": str(os.getpid()),
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "controlpanel.processes", "worker"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(60, worker.kill)
    watchdog.start()
    try:
        sent = subprocess.run(
            [sys.executable, "-c", SEND], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert sent.returncode == 0, sent.stderr
        assert worker.stdout is not None
        said = ""
        for line in worker.stdout:
            said += line
            if "controlpanel.no_such_task" in line:
                break
        else:
            raise AssertionError(said)
    finally:
        watchdog.cancel()
        worker.terminate()
        worker.communicate(timeout=30)
    # Nothing of it went to files.
    assert not (tmp_path / "broker").exists()
