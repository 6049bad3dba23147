"""The processes of a served panel, each as a command: ``python -m controlpanel.processes web`` or ``worker``.

The supervisor (``manage.py serve``) starts them so. They end with it, even when it is killed.
"""

import ctypes
import os
import signal
import sys
import warnings

from django.conf import settings

# prctl(2): send me this signal when the process that started me ends.
PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when ``parent`` does. Linux only; elsewhere nothing happens."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before we asked
        sys.exit(1)


def web(host: str, port: int) -> None:
    """Serve the panel over HTTP until told to stop."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    Granian(
        "controlpanel.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=4,
        websockets=False,
        workers_kill_timeout=5,
        log_level=LogLevels.warning,
    ).serve()


def worker() -> None:
    """Work off tasks, and put those in the queue whose hour has come, until told to stop.

    One process does both: a second beat beside it would only double what is planned.
    """
    from controlpanel.celery import app

    # Celery's command line reads BROKER_URL by itself, and not as our settings do.
    common = ["--broker", settings.CELERY_BROKER_URL, "--quiet"]
    alone = ["--pool", "solo", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main([*common, "worker", "--beat", "--loglevel", settings.LOG_LEVEL, *alone])


def main(arguments: list[str]) -> None:
    """``web HOST PORT`` or ``worker``."""
    end_with_parent(int(os.environ["SUPERVISOR_PID"]))
    # Celery's advice against root is for machines that many share; who starts the panel as root has been told enough.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    match arguments:
        case ["web", host, port]:
            web(host, int(port))
        case ["worker"]:
            worker()
        case _:
            sys.exit("usage: python -m controlpanel.processes (web HOST PORT | worker)")


if __name__ == "__main__":
    main(sys.argv[1:])
