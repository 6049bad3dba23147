"""A real worker on a real broker: it bills by itself, and what a killed one leaves is finished once (BIL-9)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Account
from billing.engine import next_bdom
from billing.models import Invoice, InvoiceRun
from tests import factories
from tests.staff.conftest import licensed

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
ACCOUNTS = 150


def database_url() -> str:
    """Where the test's database is, for another process."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    user = quote(str(found["USER"]), safe="")
    password = quote(str(found["PASSWORD"]), safe="")
    host = quote(str(found["HOST"]), safe="")
    return f"postgresql://{user}:{password}@{host}:{found['PORT']}/{found['NAME']}"


@contextmanager
def worker(broker: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with beat, as the panel starts it; killed at the end of the block if it still runs."""
    env = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(folder),
        "BROKER_URL": broker,
        "DATABASE_URL": database_url(),
        "SUPERVISOR_PID": str(os.getpid()),
    }
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "controlpanel.processes", "worker"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(30)


def wait_until(is_so: Callable[[], Any], folder: Path, pause: float) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, (folder / "worker.log").read_text()
        time.sleep(pause)


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_of_a_run_leaves_one_invoice_an_account_and_period(
    broker: str, tmp_path: Path
) -> None:
    """Nobody sends a task here: a worker ticks as it starts, and finds what is due in the database (BIL-8)."""
    opened = timezone.now() - timedelta(days=150)
    brand = factories.BrandFactory(invoice_prefix="CP")
    for place in range(ACCOUNTS):
        licensed(f"Account-{place}", brand=brand, bdom=1 + place % 28, opened=f"{opened:%Y-%m-%d}")
    with worker(broker, tmp_path) as first:
        wait_until(Invoice.objects.exists, tmp_path, 0.005)
        first.kill()
        first.wait(30)
    left_by_the_first = Invoice.objects.count()
    assert InvoiceRun.objects.filter(finished_at=None).exists(), (
        "the run was over before the worker was killed"
    )
    with worker(broker, tmp_path):
        wait_until(lambda: not InvoiceRun.objects.filter(finished_at=None).exists(), tmp_path, 0.1)
    assert Invoice.objects.count() > left_by_the_first
    assert_complete()


def assert_complete() -> None:
    """Every BDOM up to now has one invoice, and the numbers have no gap (INV-1)."""
    now = timezone.now()
    expected = Counter[tuple[int, str]]()
    for account in Account.objects.all():
        # Before the seven free days of the licence are over there is nothing to bill.
        on = next_bdom(account.bdom, account.opened_on + timedelta(days=6))
        while on <= account.local_date(now):
            expected[account.pk, on.isoformat()] += 1
            on = next_bdom(account.bdom, on)
    found = Invoice.objects.values_list("account_id", "period_start")
    assert Counter((account_id, start.isoformat()) for account_id, start in found) == expected
    numbers = list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
