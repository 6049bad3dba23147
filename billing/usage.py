"""Takes usage into the books: rates each record, keeps it once, and says from when on invoices know of it.

The only writer of usage records. Like the ledger they are written under the account's schedule, the row
that an invoice run claims: a record is on the invoice of the first BDOM after it was recorded (USE-5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from uuid import uuid4

from django.db import connection, transaction

from accounts.models import Account
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

    `announced` are the accounts whose trail tells of this source already.
    """

    actor: Actor
    source: str
    usage_import: UsageImport | None = None
    _rates: dict[tuple[int, str], RateBook] = field(default_factory=dict)
    _announced: set[int] = field(default_factory=set)

    def take(self, records: Sequence[NewUsage], at: datetime) -> Taken:
        """Write the records that are new, and the trail of accounts that are; in one transaction.

        `at` is the instant of recording; each is dated in its account's own time zone.
        """
        if not records:
            return Taken(0, 0, 0)
        accounts = {record.account.pk: record.account for record in records}
        for account in accounts.values():
            self.rates(account)
        with transaction.atomic():
            recorded_on = _recorded_on(accounts, at)
            rows = [self._row(record, recorded_on[record.account.pk]) for record in records]
            new = bulk.insert_new(UsageRecord, _COLUMNS, rows)
            fresh = [account for pk, account in accounts.items() if pk not in self._announced]
            change = (
                Change("record-usage", self.usage_import or fresh[0], f"Usage recorded from {self.source}")
                if fresh
                else None
            )
            append([entry_of(account, change, actor=self.actor, at=at) for account in fresh if change])
        self._announced.update(account.pk for account in fresh)
        return Taken(new, len(records) - new, sum(row[_UNIT_PRICE] is None for row in rows))

    def rates(self, account: Account) -> RateBook:
        """The rates of an account's brand in its currency."""
        key = (account.brand_id, account.currency)
        if key not in self._rates:
            self._rates[key] = RateBook(*key)
        return self._rates[key]

    def _row(self, record: NewUsage, recorded_on: date) -> tuple[object, ...]:
        account = record.account
        occurred_on = record.occurred_at.astimezone(account.zone).date()
        rated = self._rates[account.brand_id, account.currency].rated(
            record.meter, occurred_on, record.quantity, record.peer
        )
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

    Raises Refused where it lies in the future or before the account, or what is counted is not named.
    """
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


_LOCKED = """
    WITH locked AS (
        SELECT account_id, today FROM billing_billingschedule
        JOIN unnest(%s::bigint[], %s::date[]) AS asked (account_id, today) USING (account_id)
        ORDER BY account_id FOR NO KEY UPDATE OF billing_billingschedule
    )
    UPDATE billing_billingschedule AS schedule
    SET stamp = gen_random_uuid(), usage_recorded_on = GREATEST(locked.today, schedule.last_bdom_on)
    FROM locked WHERE schedule.account_id = locked.account_id
    RETURNING schedule.account_id, schedule.usage_recorded_on
"""


def _recorded_on(accounts: Mapping[int, Account], at: datetime) -> dict[int, date]:
    """Lock the accounts' schedules, and say from which day on invoice runs know of what is written now.

    As the ledger has it: today, or the day of a run that has looked already. Previews are drawn anew.
    """
    zones = {account.timezone: account.zone for account in accounts.values()}
    by_zone = {name: at.astimezone(zone).date() for name, zone in zones.items()}
    todays = {pk: by_zone[account.timezone] for pk, account in accounts.items()}
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_LOCKED, [list(todays), list(todays.values())])
            return dict(cursor.fetchall())
    # This transaction is the only writer.
    schedules = list(BillingSchedule.objects.filter(account__any_of=list(accounts)))
    for schedule in schedules:
        schedule.stamp = uuid4()
        today = todays[schedule.account_id]
        schedule.usage_recorded_on = max(today, schedule.last_bdom_on or today)
    BillingSchedule.objects.bulk_update(schedules, ["stamp", "usage_recorded_on"], batch_size=500)
    return {schedule.account_id: schedule.usage_recorded_on or date.min for schedule in schedules}


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
