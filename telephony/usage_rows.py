"""Makes usage of a file's rows: each checked against its account, in bulk (USE-1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from accounts.models import Account
from accounts.refusals import Refused
from billing.models import LicenceMode, Meter, Subscription, Tenancy
from billing.usage import MOST, NAME_THE_SUBJECT, NewUsage, check_day, counts_different
from telephony.call_records import Call, NumberBook, usage_of
from telephony.calls import Direction, call_number
from telephony.models import Number, NumberState
from telephony.usage_files import Fault, Row, fault

LONGEST_CALL = 7 * 24 * 60 * 60
"""A call of more seconds than these is a mistake of whoever wrote the record."""

_ANONYMOUS = frozenset({"", "anonymous"})
_DIRECTIONS = {"": None, **{one.value: one for one in Direction}}
_LONGEST_ID = 64
_LONGEST_SUBJECT = 80
_MOST_DIGITS = 16
_SHOWN = 40
# Beyond these, a day in another time zone may be none.
_FIRST_YEAR, _LAST_YEAR = 1900, 9998


class Read(NamedTuple):
    """What a batch of rows came to: usage, how many calls are free by their kind, and the rows refused."""

    records: list[NewUsage]
    free: int
    faults: list[Fault]


@dataclass(slots=True)
class _Known:
    """What rows of an account are checked by."""

    account: Account
    zone: ZoneInfo
    opened_on: date
    is_named: bool = False
    subscriptions: dict[str, int] = field(default_factory=dict)


class RowReader:
    """Reads batch after batch; what it has to know of an account is asked for once, for a batch's accounts together."""

    def __init__(self) -> None:
        self._meters = Meter.objects.in_bulk()
        self._known: dict[str, _Known] = {}
        self._book = NumberBook()

    def read(self, rows: Sequence[tuple[int, str, Row]], at: datetime) -> Read:
        """The usage of some lines, as of the instant `at`. A few queries, whatever their number."""
        owners = _owners({number for _, _, row in rows if not row.account for number in _numbers(row)})
        self._learn({row.account for _, _, row in rows if row.account} | set(owners.values()))
        records: list[NewUsage] = []
        faults: list[Fault] = []
        strange: list[tuple[int, str, NewUsage]] = []
        todays = _Todays(at)
        free = 0
        for line, text, row in rows:
            try:
                usage = self._usage(row, self._account(row, owners), todays)
            except Refused as refusal:
                faults.append(fault(line, refusal.field or "", refusal.message, text))
                continue
            if usage is None:
                free += 1
                continue
            records.append(usage)
            if usage.number and not self._book.knows(usage.account, usage.number):
                strange.append((line, text, usage))
        if refused := _of_others(strange):
            faults.extend(refused.values())
            records = [usage for usage in records if usage not in refused]
        return Read(records, free, faults)

    def _learn(self, slugs: set[str]) -> None:
        """Read what is not known yet of accounts; those that there are not are asked for each time."""
        accounts = list(
            Account.objects.filter(slug__any_of=[slug for slug in slugs if slug not in self._known]).filter(
                is_simulation=False
            )
        )
        if not accounts:
            return
        pks = {account.pk: _Known(account, account.zone, account.opened_on) for account in accounts}
        self._known.update((known.account.slug, known) for known in pks.values())
        self._book.read(accounts)
        named = Tenancy.objects.filter(account__any_of=list(pks), licence_mode=LicenceMode.NAMED)
        for pk in named.values_list("account_id", flat=True):
            pks[pk].is_named = True
        subscriptions = Subscription.objects.filter(tenancy__any_of=list(pks))
        for pk, name, key in subscriptions.values_list("tenancy_id", "name", "id"):
            pks[pk].subscriptions[name] = key

    def _account(self, row: Row, owners: Mapping[str, str]) -> _Known:
        """The account that a row names, or the one that a number of it belongs to."""
        if row.account:
            known = self._known.get(row.account)
            if known is None:
                raise Refused(f"There is no account “{row.account[:_SHOWN]}”.", field="account")
            return known
        found = {owners[number] for number in _numbers(row) if number in owners}
        if len(found) == 1:
            return self._known[found.pop()]
        reason = (
            "Both numbers belong to accounts: name the one that this record is of."
            if found
            else "No account is named, and no number of an account."
        )
        raise Refused(reason, field="account")

    def _usage(self, row: Row, known: _Known, todays: _Todays) -> NewUsage | None:
        """The usage that a row is, None for a call that is free. Raises Refused with the column that is wrong."""
        if not 0 < len(row.id) <= _LONGEST_ID:
            raise _wrong_id(row.id)
        if row.currency and row.currency.upper() != known.account.currency:
            currency = known.account.currency
            raise Refused(
                f"The account is billed in {currency}, not in {row.currency[:_SHOWN]}.", field="currency"
            )
        occurred_at = _time(row.at)
        on, today = occurred_at.astimezone(known.zone).date(), todays[known.zone]
        if not known.opened_on <= on <= today:
            check_day(known.account, on, today)
        if row.meter:
            return self._other(row, known, occurred_at)
        return usage_of(known.account, _call(row, occurred_at), self._book)

    def _other(self, row: Row, known: _Known, occurred_at: datetime) -> NewUsage:
        """Usage that is no call."""
        for column, value in (
            ("from", row.caller),
            ("to", row.called),
            ("seconds", row.seconds),
            ("direction", row.direction),
        ):
            if value:
                raise Refused("This line names a meter, so it is no call.", field=column)
        meter = self._meters.get(row.meter)
        if meter is None:
            raise Refused(f"There is no meter “{row.meter[:_SHOWN]}”.", rule="USE-2", field="meter")
        if meter.is_call:
            raise Refused(
                "Which meter a call is on follows from its numbers: give from, to and seconds instead.",
                rule="USE-2",
                field="meter",
            )
        quantity = _whole(row.quantity, "quantity", MOST)
        if len(row.subject) > _LONGEST_SUBJECT:
            raise Refused(f"A subject has at most {_LONGEST_SUBJECT} characters.", field="subject")
        if not row.subject and counts_different(meter.aggregation, meter.pooling, is_named=known.is_named):
            raise Refused(NAME_THE_SUBJECT, rule="USE-3", field="subject")
        subscription = None
        if row.subscription:
            subscription = known.subscriptions.get(row.subscription)
            if subscription is None:
                raise Refused(
                    f"The account has no subscription “{row.subscription[:_SHOWN]}”.", field="subscription"
                )
        return NewUsage(known.account, row.id, row.meter, occurred_at, quantity, subscription, row.subject)


class _Todays(dict[ZoneInfo, date]):
    """The day that it is in each time zone at an instant."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self._at = at

    def __missing__(self, zone: ZoneInfo) -> date:
        today = self[zone] = self._at.astimezone(zone).date()
        return today


def _owners(numbers: set[str]) -> dict[str, str]:
    """Whose each of the numbers is now: the account, by its name in addresses. One query."""
    if not numbers:
        return {}
    live = Number.objects.filter(e164__any_of=list(numbers), space="", account__is_simulation=False)
    return dict(live.exclude(state=NumberState.RELEASED).values_list("e164", "account__slug"))


def _of_others(strange: Sequence[tuple[int, str, NewUsage]]) -> dict[NewUsage, Fault]:
    """Those of the calls by numbers that their accounts never had which are another account's. One query.

    A direction tells which number is the account's own; it must not put a call on a stranger's bill.
    """
    owners = _owners({usage.number for _, _, usage in strange})
    return {
        usage: fault(
            line,
            "account",
            f"{usage.number} is a number of another account, “{owners[usage.number]}”.",
            text,
        )
        for line, text, usage in strange
        if usage.number in owners
    }


def _numbers(row: Row) -> Iterator[str]:
    """The numbers of a row in E.164, as far as they are numbers."""
    for written in (row.caller, row.called):
        if written.lower() not in _ANONYMOUS:
            with suppress(Refused):
                yield call_number(written)


def _wrong_id(record_id: str) -> Refused:
    if record_id:
        return Refused(f"An id has at most {_LONGEST_ID} characters.", field="id")
    return Refused("Each record needs an id of its own.", rule="USE-1", field="id")


def _time(written: str) -> datetime:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise Refused(
            f"“{written[:_SHOWN]}” is no time. Write it as 2026-02-03T14:05:00-05:00.", field="at"
        ) from None
    if found.tzinfo is None:
        raise Refused(f"“{written[:_SHOWN]}” has no offset from UTC, such as -05:00 or Z.", field="at")
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise Refused(f"“{written}” is not of these years.", field="at")
    # Not every offset that can be written is one that a database reads: some have seconds.
    return found.astimezone(UTC)


def _call(row: Row, occurred_at: datetime) -> Call:
    """The call that a row tells of."""
    if row.quantity or row.subscription or row.subject:
        column = "quantity" if row.quantity else "subscription" if row.subscription else "subject"
        raise Refused("This line names no meter, so it is a call, which has none.", field=column)
    try:
        direction = _DIRECTIONS[row.direction.lower()]
    except KeyError:
        raise Refused("A direction is inbound or outbound.", field="direction") from None
    is_withheld = row.caller.lower() in _ANONYMOUS
    if is_withheld and direction == Direction.OUTBOUND:
        raise Refused("An outbound call has a number that it came from.", field="from")
    return Call(
        row.id,
        "" if is_withheld else _number(row.caller, "from"),
        _number(row.called, "to"),
        _whole(row.seconds, "seconds", LONGEST_CALL),
        occurred_at,
        direction,
    )


def _number(written: str, column: str) -> str:
    try:
        return call_number(written)
    except Refused as refusal:
        raise Refused(refusal.message, rule="NUM-1", field=column) from None


def _whole(written: str, column: str, most: int) -> int:
    """A whole number from 0 to `most`."""
    if written.isdecimal() and written.isascii():
        if len(written) < _MOST_DIGITS and (found := int(written)) <= most:
            return found
        raise Refused(
            f"{written[:_SHOWN]} is more than {most:,}, the most that a record can hold.", field=column
        )
    if not written:
        raise Refused(f"“{column}” is missing.", field=column)
    if written[0] == "-" and written[1:].isdecimal():
        raise Refused(f"{written[:_SHOWN]} is below zero.", field=column)
    raise Refused(f"“{written[:_SHOWN]}” is not a whole number.", field=column)
