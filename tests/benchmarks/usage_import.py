"""The import of call records against its floor: a plain COPY of the records that it kept (USE-1).

Each repeat imports a file into empty tables, then copies exactly the records just written into a copy of the
same indexed table.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from django.db import connection, transaction

from accounts.models import Account
from accounts.trail import Actor
from billing import bulk
from billing.models import BillingSchedule, PrefixRate, UsageImport, UsageRecord
from telephony.models import Number, NumberHolding
from telephony.usage_import import note_file, run_import
from tests.benchmarks.floor import empty, forget_peak, peak, time_floor
from tests.benchmarks.invoice_run import empty_accounts, fill

AT = datetime(2026, 2, 28, 12, tzinfo=UTC)
BENCHMARK = Actor.for_task("benchmark")
# Prefixes whose numbers have seven digits more.
ABROAD = ("+44207", "+49301", "+3312", "+81332", "+52555", "+6129", "+1876", "+97150")


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians. Seconds; memory is the highest of the process while it imported, and before, in MiB."""

    records: int
    accounts: int
    import_seconds: float
    floor_seconds: float
    memory: float
    memory_before: float

    def __str__(self) -> str:
        return (
            f"{self.records:>9,} call records over {self.accounts:,} accounts: {self.import_seconds:6.2f} s"
            f" · {self.records / self.import_seconds:8,.0f} records/s"
            f" · floor {self.floor_seconds:5.2f} s"
            f" · {self.import_seconds / self.floor_seconds:4.2f} × the floor"
            f" · {self.memory:4.0f} MiB ({self.memory_before:.0f} before)"
        )


def measure(records: int, accounts: int, repeats: int) -> Figures:
    """Import a file of so many call records over so many accounts, `repeats` times; the medians."""
    empty_accounts()
    fill(accounts)
    _give_numbers()
    runs, floors, memory, before = [], [], 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.csv"
        _write(path, records)
        for _ in range(repeats):
            _rewind()
            forget_peak()
            before = max(before, peak())
            runs.append(_time_import(path, records))
            memory = max(memory, peak())
            floors.append(time_floor([UsageRecord]))
    return Figures(records, accounts, statistics.median(runs), statistics.median(floors), memory, before)


def _time_import(path: Path, records: int) -> float:
    found = note_file(path.name, path, source=UsageImport.Source.COMMAND, actor=BENCHMARK, at=AT)
    began = time.perf_counter()
    found = run_import(found, actor=BENCHMARK, clock=lambda: AT)
    seconds = time.perf_counter() - began
    if found.taken != records:
        fault = found.faults.first()
        raise RuntimeError(f"{found.taken:,} of {records:,} records were taken: {fault and fault.reason}")
    return seconds


def _rewind() -> None:
    empty("billing_usagerecord", "billing_usageimport", "accounts_auditentry")
    BillingSchedule.objects.update(usage_recorded_on=None)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (FULL, ANALYZE) billing_billingschedule")
        cursor.execute("ANALYZE")
        cursor.execute("CHECKPOINT")


def _give_numbers() -> None:
    """Two local numbers and a toll-free one to each account, held by people; and a rate for each country."""
    accounts = list(Account.objects.order_by("pk").values_list("pk", flat=True))
    opened_at = datetime(2025, 1, 1, 12, tzinfo=UTC)
    with transaction.atomic():
        ids = bulk.reserve_ids(Number, 3 * len(accounts))
        bulk.insert(
            Number,
            ("id", "account_id", "e164", "kind", "country", "region", "space", "state", "added_on"),
            [
                (key, accounts[place // 3], _own(place), "local", "US", "NY", "", "parked", opened_at.date())
                for place, key in enumerate(ids)
            ],
        )
        bulk.insert(
            NumberHolding,
            ("number_id", "from_at", "holder"),
            [(key, opened_at, f"Person {place % 3}") for place, key in enumerate(ids)],
        )
        PrefixRate.objects.all().delete()
        PrefixRate.objects.bulk_create(
            PrefixRate(prefix=prefix, per_unit=Decimal("0.12"), effective_on=date(2025, 1, 1))
            for prefix in ABROAD
        )


def _own(place: int) -> str:
    """The number at a place: of three, the third is toll-free."""
    return f"+1{('212', '212', '800')[place % 3]}{2_000_000 + place // 3 * 3 + place % 3}"


def _write(path: Path, records: int) -> None:
    """A file as a switch writes it: call after call, of all accounts mixed."""
    draw = _Draw()
    slugs = list(Account.objects.order_by("pk").values_list("slug", flat=True))
    began = datetime(2026, 2, 1, 12, tzinfo=UTC)
    pace = timedelta(days=26) / records
    with path.open("w", encoding="utf-8") as file:
        file.write("id,at,account,from,to,seconds,direction\n")
        for number in range(records):
            place = draw.below(len(slugs))
            at = (began + pace * number).strftime("%Y-%m-%dT%H:%M:%S+00:00")
            caller, called, direction = _call(draw, place)
            file.write(
                f"{number:08x}-{place:06x},{at},{slugs[place]},{caller},{called},{1 + draw.below(899)},{direction}\n"
            )


def _call(draw: _Draw, place: int) -> tuple[str, str, str]:
    other = 2_000_000 + draw.below(8_000_000)
    kind = draw.below(10)
    if kind < 4:
        return f"+1213{other}", _own(place * 3 + 2), "inbound"
    own = _own(place * 3 + draw.below(2))
    if kind < 6:
        return own, f"+1212{other}", "outbound"
    if kind < 9:
        return own, f"+1415{other}", "outbound"
    return own, f"{ABROAD[draw.below(len(ABROAD))]}{other}", "outbound"


class _Draw:
    """Numbers that look drawn, and are the same each time."""

    def __init__(self) -> None:
        self._state = 7

    def below(self, limit: int) -> int:
        """A number from 0 up to, not including, `limit`."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % limit
