"""Support sends the calls that the switch had kept: first as the wrong kind of file, then with some bad lines."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from io import BytesIO, StringIO
from typing import Final

from accounts.trail import Actor
from billing.models import UsageImport
from controlpanel.demo import cast
from controlpanel.demo.stage import Stage, Story
from telephony.models import Number, NumberKind, NumberState
from telephony.usage_import import receive_file, run_import

ACCOUNT: Final = "harbor-dental"
DAYS_AGO: Final = 8
HEADER: Final = ("id", "at", "account", "from", "to", "seconds", "currency")
CALLERS: Final = ("+16175550187", "+12075550142", "+18085550119", "anonymous", "+16035550158", "+14165550133")


def usage_files(stage: Stage) -> Story:
    """Two imports with their reports: one that failed, one that was taken but for what is wrong in it (USE-1)."""
    at = (stage.now - timedelta(days=DAYS_AGO)).replace(hour=15, minute=12, second=0, microsecond=0)
    yield at
    support = stage.staff[cast.SUPPORTER]
    number = Number.objects.filter(
        account__slug=ACCOUNT, kind=NumberKind.TOLL_FREE, state=NumberState.ASSIGNED
    ).first()
    if number is None:
        return
    rows = backlog(number.e164, at)
    _send("night-backlog.csv", rows, ";", actor=support, at=at)
    _send("night-backlog.csv", rows, ",", actor=support, at=at + timedelta(minutes=4))


def backlog(number: str, at: datetime) -> list[Sequence[str]]:
    """Calls to a toll-free number in the night before `at`, and lines that cannot be taken."""
    first = (at - timedelta(days=1)).replace(hour=3)
    good = [
        (f"night-{place:04}", (first + timedelta(minutes=7 * place)).isoformat(), ACCOUNT, caller, number)
        for place, caller in enumerate(CALLERS)
    ]
    rows: list[Sequence[str]] = [(*row, str(47 + 83 * place), "") for place, row in enumerate(good)]
    begun = good[0][1]
    return [
        *rows,
        ("night-0006", begun, ACCOUNT, CALLERS[0], number, "-1", ""),
        ("night-0007", begun, ACCOUNT, CALLERS[0], number, "62", "EUR"),
        ("night-0008", begun.partition("+")[0], ACCOUNT, CALLERS[0], number, "118", ""),
        ("night-0009", begun, "harbour-dental", CALLERS[0], number, "75", ""),
    ]


def _send(name: str, rows: Sequence[Sequence[str]], delimiter: str, *, actor: Actor, at: datetime) -> None:
    text = StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([HEADER, *rows])
    content = BytesIO(text.getvalue().encode())
    found = receive_file(name, content, source=UsageImport.Source.UPLOAD, actor=actor, at=at)
    run_import(found, actor=actor, clock=lambda: at + timedelta(seconds=2))
