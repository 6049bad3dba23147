"""An import whose process is killed in the middle is gone on with, and nothing counts twice (USE-1)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.models import Account
from billing.models import UsageImport, UsageRecord
from telephony.models import Number
from telephony.tasks import look_for_usage
from telephony.usage_import import kept_folder
from tests import factories
from tests.staff.test_worker import ROOT, database_url

CALLS = 12_000
PATIENCE = 120.0
OPENED = date(2026, 1, 1)

# What the killed process runs: the command, in batches so small that there is a middle.
SLOW = """
import time
import django
django.setup()
from django.core.management import call_command
from telephony import usage_import
usage_import._BATCH = dict.fromkeys(usage_import._BATCH, 20_000)
call_command("import_usage", {path!r})
"""


@pytest.fixture(autouse=True)
def _today() -> None:
    """The clock of the process that is killed is nobody's to set, so this one's is not either."""


@pytest.fixture
def calls(transactional_db: None, tmp_path: Path) -> Path:
    """A file of an account's calls."""
    account = factories.AccountFactory(slug="busy", name="Busy", opened_on=OPENED)
    Number.objects.create(
        account=account, e164="+12125550100", kind="local", country="US", state="parked", added_on=OPENED
    )
    return written(tmp_path / "calls.csv", account, CALLS)


def written(path: Path, account: Account, count: int) -> Path:
    at = datetime(2026, 2, 3, 12, tzinfo=UTC).isoformat()
    lines = [f"call-{n},{at},{account.slug},+12125550100,+13105550188,{n % 600}\n" for n in range(count)]
    path.write_text("id,at,account,from,to,seconds\n" + "".join(lines), encoding="utf-8")
    return path


def kill_in_the_middle(path: Path) -> UsageImport:
    """Import in another process, and kill it when some batches are through."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOW.format(path=str(path))],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(settings.DATA_DIR),
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "controlpanel.settings",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            wait_until(lambda: UsageImport.objects.filter(taken__gt=0).exists(), process)
        finally:
            process.kill()
    found = UsageImport.objects.get()
    assert found.state == "running"
    assert 0 < found.taken < CALLS
    assert found.taken == UsageRecord.objects.count()
    return found


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_beat_goes_on_with_what_a_killed_process_left(calls: Path) -> None:
    """USE-1: from the line where it was; not one record twice, and the report adds up."""
    killed = kill_in_the_middle(calls)
    look_for_usage()
    found = UsageImport.objects.get()
    assert (found.pk, found.state, found.lines_done) == (killed.pk, "finished", CALLS + 1)
    assert (found.taken, found.known, found.refused) == (CALLS, 0, 0)
    assert UsageRecord.objects.count() == CALLS
    account = Account.objects.get(slug="busy")
    assert account.audit_entries.filter(action="record-usage").count() == 1
    assert list(kept_folder().iterdir()) == []


def test_the_command_goes_on_with_the_same_file_and_begins_with_another(calls: Path) -> None:
    """USE-1: the same import; a file of the same name that is another one is an import of its own."""
    killed = kill_in_the_middle(calls)
    copied = calls.with_name("copied") / calls.name
    copied.parent.mkdir()
    copied.write_bytes(calls.read_bytes())
    call_command("import_usage", str(copied))
    assert UsageImport.objects.get().state == "finished"
    assert UsageImport.objects.get().pk == killed.pk
    copied.write_bytes(calls.read_bytes() + b"bad\n")
    with pytest.raises(CommandError) as refusal:
        call_command("import_usage", str(copied))
    assert refusal.value.returncode == 1
    again = UsageImport.objects.latest("pk")
    assert (again.taken, again.known, again.refused) == (0, CALLS, 1)
    assert UsageRecord.objects.count() == CALLS
