"""Takes usage into the books: rates each record, keeps it once, and says from when on invoices know of it.

The only writer of usage records. Like the ledger they are written under the account's schedule, the row
that an invoice run claims: a record is on the invoice of the first BDOM after it was recorded (USE-5).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.db import IntegrityError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Coalesce, Greatest

from accounts.models import Account, AuditEntry
from accounts.refusals import Refused
from accounts.trail import Actor, Change, append, entry_of
from accounts.trail import record as record_in_trail
from billing import bulk
from billing.engine import Aggregation, Pooling
from billing.models import (
    BillingSchedule,
    LicenceMode,
    Meter,
    Subscription,
    Tenancy,
    UsageImport,
    UsageRecord,
)
from billing.rating import RateBook

MOST = 10**9
"""A single record holds at most so many units, or seconds."""

NAME_THE_SUBJECT = "Name who or what is counted: this meter counts different ones."
"""What is said to a record without a subject where there has to be one."""


class NewUsage(NamedTuple):
    """A record to be taken: `quantity` are seconds for calls, else units. `occurred_at` is an instant.

    `number` is the account's own, `peer` the other one (both E.164), `holder` who held it then.
    """

    account: Account
    record_id: str
    meter: str
    occurred_at: datetime
    quantity: int
    subscription: int | None = None
    subject: str = ""
    number: str = ""
    peer: str = ""
    holder: str = ""


class Taken(NamedTuple):
    """What became of records: new ones, those known already, and new ones that no rate is set for."""

    new: int
    known: int
    unrated: int


@dataclass(slots=True)
class UsageBook:
    """Takes record after record; rates are read once for each brand and currency, whatever their number.

    The trail of an account tells of the source once, however often there is something to take from it.
    """

    actor: Actor
    source: str
    usage_import: UsageImport | None = None
    _rates: dict[tuple[int, str], RateBook] = field(default_factory=dict)
    _announced: set[int] | None = None
    # The time zone and the rates of the accounts that something is taken for now.
    _known: dict[int, tuple[ZoneInfo, RateBook]] = field(default_factory=dict)
    # Whether some of this source was known already, so that it is better to ask before.
    _is_again: bool = False

    def take(self, records: Sequence[NewUsage], at: datetime) -> Taken:
        """Write the records that are new, and the trail of accounts that have some; in one transaction.

        `at` is the instant of recording; each is dated in its account's own time zone.
        """
        if not records:
            return Taken(0, 0, 0)
        # The same id twice is the same record: the first counts.
        by_id: dict[tuple[int, str], NewUsage] = {}
        accounts: dict[int, Account] = {}
        for record in records:
            account = record.account
            accounts[account.pk] = account
            by_id.setdefault((account.pk, record.record_id), record)
        self._known = {pk: (account.zone, self.rates(account)) for pk, account in accounts.items()}
        with transaction.atomic():
            recorded_on = _lock(accounts, at)
            rows = self._insert(by_id, recorded_on)
            used = {row[_ACCOUNT] for row in rows}
            _note({pk: on for pk, on in recorded_on.items() if pk in used})
            self._announce([accounts[pk] for pk in accounts if pk in used], at)
        unrated = sum(row[_UNIT_PRICE] is None for row in rows)
        return Taken(len(rows), len(records) - len(rows), unrated)

    def _insert(
        self, records: dict[tuple[int, str], NewUsage], recorded_on: Mapping[int, date]
    ) -> list[tuple[Any, ...]]:
        """Insert the records, by account and id, that are new; their rows.

        The accounts are locked, so nobody else writes to them. Most sources are all new: they are written
        without asking, until a unique key says otherwise.
        """
        if not self._is_again and connection.features.has_select_for_update:
            try:
                with transaction.atomic():
                    return self._write(records.values(), recorded_on)
            except IntegrityError:
                self._is_again = True
        known = _already_there(list(records))
        return self._write((record for key, record in records.items() if key not in known), recorded_on)

    def _write(self, records: Iterable[NewUsage], recorded_on: Mapping[int, date]) -> list[tuple[Any, ...]]:
        """Insert records; their rows, each made while the database takes those before it."""
        rows: list[tuple[Any, ...]] = []

        def drawn() -> Iterator[tuple[Any, ...]]:
            for record in records:
                row = self._row(record, recorded_on[record.account.pk])
                rows.append(row)
                yield row

        bulk.insert(UsageRecord, _COLUMNS, drawn())
        return rows

    def _announce(self, accounts: Sequence[Account], at: datetime) -> None:
        """Tell the accounts' trails of the source, those that do not know it yet."""
        if self._announced is None:
            self._announced = _announced(self.usage_import)
        fresh = [account for account in accounts if account.pk not in self._announced]
        if fresh:
            target = self.usage_import or fresh[0]
            change = Change("record-usage", target, f"Usage recorded from {self.source}")
            append([entry_of(account, change, actor=self.actor, at=at) for account in fresh])
            self._announced.update(account.pk for account in fresh)

    def rates(self, account: Account) -> RateBook:
        """The rates of an account's brand in its currency."""
        key = (account.brand_id, account.currency)
        if key not in self._rates:
            self._rates[key] = RateBook(*key)
        return self._rates[key]

    def _row(self, record: NewUsage, recorded_on: date) -> tuple[Any, ...]:
        account = record.account
        zone, rates = self._known[account.pk]
        occurred_on = record.occurred_at.astimezone(zone).date()
        rated = rates.rated(record.meter, occurred_on, record.quantity, record.peer)
        return (
            account.pk,
            record.record_id,
            record.meter,
            record.occurred_at,
            occurred_on,
            recorded_on,
            record.quantity,
            rated.units,
            rated.unit_price,
            record.subscription,
            record.subject,
            rated.destination,
            record.number,
            record.peer,
            record.holder,
            None if self.usage_import is None else self.usage_import.pk,
        )


_COLUMNS = (
    "account_id",
    "record_id",
    "meter",
    "occurred_at",
    "occurred_on",
    "recorded_on",
    "quantity",
    "units",
    "unit_price",
    "subscription_id",
    "subject",
    "destination",
    "number",
    "peer",
    "holder",
    "usage_import_id",
)
_ACCOUNT = _COLUMNS.index("account_id")
_UNIT_PRICE = _COLUMNS.index("unit_price")


def record_usage(
    account: Account,
    record_id: str,
    meter: str,
    quantity: int,
    *,
    occurred_at: datetime,
    actor: Actor,
    at: datetime,
    subscription: Subscription | None = None,
    subject: str = "",
) -> bool:
    """Take one record of usage that is no call; whether it was new.

    Raises Refused where it lies in the future or before the account, or what is counted is not named; not
    where it has come in before, whatever would be said of it now (USE-1).
    """
    if UsageRecord.objects.filter(account=account, record_id=record_id).exists():
        return False
    check_time(account, occurred_at, at)
    check_subject(meter, subject, is_named=is_named(account))
    record = NewUsage(
        account,
        record_id,
        meter,
        occurred_at,
        quantity,
        None if subscription is None else subscription.pk,
        subject,
    )
    return UsageBook(actor, f"record {record_id}").take([record], at).new > 0


def check_time(account: Account, occurred_at: datetime, at: datetime) -> None:
    """Raise Refused where something would have happened after today, or before the account was opened."""
    check_day(account, account.local_date(occurred_at), account.local_date(at))


def check_day(account: Account, on: date, today: date) -> None:
    """As `check_time`, by the account's own dates."""
    if on > today:
        raise Refused(f"{on} lies in the future.", rule="USE-1", field="at")
    if on < account.opened_on:
        raise Refused(f"On {on} the account was not open yet; it opened on {account.opened_on}.", field="at")


def check_subject(meter: str, subject: str, *, is_named: bool) -> None:
    """Raise Refused where different ones are counted and a record does not say which one it is (SUB-6)."""
    if subject:
        return
    found = Meter.objects.get(pk=meter)
    if counts_different(found.aggregation, found.pooling, is_named=is_named):
        raise Refused(NAME_THE_SUBJECT, rule="USE-3", field="subject")


def counts_different(aggregation: str, pooling: str, *, is_named: bool) -> bool:
    """Whether a meter counts different ones, so that a record has to say which one it is (SUB-6)."""
    return aggregation == Aggregation.DISTINCT or (is_named and pooling == Pooling.AGENTS)


def is_named(account: Account) -> bool:
    """Whether the account's licences are named; without a subscription they are not. One query."""
    return Tenancy.objects.filter(account=account, licence_mode=LicenceMode.NAMED).exists()


_NOTED = """
    UPDATE billing_billingschedule AS schedule
    SET stamp = %s, usage_recorded_on = GREATEST(schedule.usage_recorded_on, noted.recorded_on)
    FROM unnest(%s::bigint[], %s::date[]) AS noted (account_id, recorded_on)
    WHERE schedule.account_id = noted.account_id
"""


def _lock(accounts: Mapping[int, Account], at: datetime) -> dict[int, date]:
    """Lock the accounts' schedules, and say from which day on invoice runs know of what is written now.

    As the ledger has it: today, or the day of a run that has looked already.
    """
    zones = {account.timezone: account.zone for account in accounts.values()}
    by_zone = {name: at.astimezone(zone).date() for name, zone in zones.items()}
    # In one order everywhere, so that two who lock several do not wait for each other.
    schedules = BillingSchedule.objects.filter(account__any_of=list(accounts)).order_by("account_id")
    found = {}
    for pk, last_bdom_on in schedules.select_for_update(no_key=True).values_list(
        "account_id", "last_bdom_on"
    ):
        today = by_zone[accounts[pk].timezone]
        found[pk] = max(today, last_bdom_on or today)
    return found


def _note(recorded_on: Mapping[int, date]) -> None:
    """Say in the accounts' schedules that there is usage; previews are drawn anew.

    The day never goes back: who waited for the lock over midnight comes after one of the next day.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_NOTED, [uuid4(), list(recorded_on), list(recorded_on.values())])
        return
    by_day: dict[date, list[int]] = defaultdict(list)
    for pk, on in recorded_on.items():
        by_day[on].append(pk)
    for on, pks in by_day.items():
        schedules = BillingSchedule.objects.filter(account__any_of=pks)
        schedules.update(
            stamp=uuid4(), usage_recorded_on=Greatest(Coalesce("usage_recorded_on", on), Value(on))
        )


_KNOWN = {
    "postgresql": """
        SELECT account_id, record_id FROM billing_usagerecord
        JOIN unnest(%s::bigint[], %s::text[]) AS asked (account_id, record_id) USING (account_id, record_id)
    """,
    "sqlite": """
        SELECT record.account_id, record.record_id FROM json_each(%s) AS asked
        JOIN billing_usagerecord AS record
        ON record.account_id = json_extract(asked.value, '$[0]')
        AND record.record_id = json_extract(asked.value, '$[1]')
    """,
}


def _already_there(keys: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
    """Which records, by account and id, there are already. One query."""
    asked: list[Any] = [json.dumps(keys)]
    if connection.vendor == "postgresql":
        asked = [[pk for pk, _ in keys], [record_id for _, record_id in keys]]
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN[connection.vendor], asked)
        return set(cursor.fetchall())


def _announced(usage_import: UsageImport | None) -> set[int]:
    """The accounts whose trail tells of an import already, when it is gone on with after a stop."""
    if usage_import is None or not usage_import.taken:
        return set()
    entries = AuditEntry.objects.filter(
        action="record-usage", target_kind=usage_import._meta.model_name, target_id=str(usage_import.pk)
    )
    return set(entries.values_list("account_id", flat=True))


def rerate(account: Account, *, from_on: date, actor: Actor, at: datetime) -> int:
    """Rate the account's records anew that no invoice holds yet, from their day `from_on` on; returns how many changed.

    For rates that were set after the usage came in.
    """
    book = RateBook(account.brand_id, account.currency)
    with transaction.atomic():
        schedule = BillingSchedule.objects.select_for_update().get(account=account)
        open_records = UsageRecord.objects.filter(
            account=account, occurred_on__gte=from_on, recorded_on__gte=schedule.last_bdom_on or date.min
        )
        changed = []
        for record in open_records.iterator(chunk_size=5000):
            rated = book.rated(record.meter, record.occurred_on, record.quantity, record.peer)
            if rated != (record.units, record.unit_price, record.destination):
                record.units, record.unit_price, record.destination = rated
                changed.append(record)
        if not changed:
            return 0
        UsageRecord.objects.bulk_update(changed, ["units", "unit_price", "destination"], batch_size=500)
        schedule.stamp = uuid4()
        schedule.save(update_fields=["stamp"])
        record_in_trail(
            account,
            "rerate-usage",
            account,
            f"{len(changed):,} usage records{'' if from_on == date.min else f' from {from_on} on'} rated anew",
            actor=actor,
            at=at,
        )
    return len(changed)
