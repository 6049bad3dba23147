"""Many who act at the same instant, each in a thread and a transaction of its own; for PostgreSQL."""

import threading
from collections.abc import Callable

from django.db import connection

from accounts.refusals import Refused


def crowd(count: int, act: Callable[[], str]) -> list[str]:
    """What so many threads answered that acted at the same instant."""
    gate = threading.Barrier(count)
    answers: list[str] = []

    def go() -> None:
        try:
            gate.wait()
            answers.append(act())
        except Refused as refused:
            answers.append(refused.rule)
        except BaseException as fault:
            answers.append(f"{type(fault).__name__}: {fault}")
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=go) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
