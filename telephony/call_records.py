"""Makes usage of call records: whose call it was, which way it went, who held the number, and its meter (USE-2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.models import UsageRecord
from billing.usage import NewUsage, UsageBook, check_time
from telephony.calls import Direction, is_toll_free, meter_of
from telephony.models import Number, NumberHolding

_HOLDER_LENGTH = 80


class Call(NamedTuple):
    """A call as a record tells it: two numbers in E.164 (`caller` is empty where it is withheld), and its length.

    `occurred_at` is the instant at which it began. `direction` is None where the numbers have to tell it.
    """

    record_id: str
    caller: str
    called: str
    seconds: int
    occurred_at: datetime
    direction: Direction | None = None


class _Holding(NamedTuple):
    """Who held a number from an instant on, until another one or still."""

    from_at: datetime
    to_at: datetime | None
    holder: str


@dataclass(slots=True)
class NumberBook:
    """Which of some accounts' numbers were whose and when, read for many calls at once."""

    # By account and number, the latest holding first.
    _held: dict[int, dict[str, list[_Holding]]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def of(cls, accounts: Iterable[Account]) -> NumberBook:
        """The book of these accounts' numbers, those given up too. Two queries."""
        book = cls()
        book.read(accounts)
        return book

    def read(self, accounts: Iterable[Account]) -> None:
        """Add the numbers of accounts that it does not know yet. Two queries."""
        pks = [account.pk for account in accounts]
        for account, number in Number.objects.filter(account__any_of=pks).values_list("account_id", "e164"):
            self._held[account].setdefault(number, [])
        rows = (
            NumberHolding.objects.filter(number__account__any_of=pks)
            .order_by("-id")
            .values_list("number__account_id", "number__e164", "from_at", "to_at", "holder")
        )
        for account, number, from_at, to_at, holder in rows.iterator():
            self._held[account][number].append(_Holding(from_at, to_at, holder[:_HOLDER_LENGTH]))

    def knows(self, account: Account, number: str) -> bool:
        """Whether a number is one of the account's, or was."""
        return number in self._held.get(account.pk, ())

    def direction(self, account: Account, call: Call) -> Direction | None:
        """Which way a call went, as the account's numbers tell it; None where neither is its own.

        Between two of its own it is inbound: who is called pays, if anybody does.
        """
        if call.direction is not None:
            return call.direction
        held = self._held.get(account.pk, ())
        if call.called in held:
            return Direction.INBOUND
        return Direction.OUTBOUND if call.caller in held else None

    def holder(self, account: Account, number: str, at: datetime) -> str:
        """Who held the account's number at an instant, "" where nobody did."""
        held = self._held.get(account.pk)
        for from_at, to_at, holder in held.get(number, ()) if held else ():
            if from_at <= at and (to_at is None or at < to_at):
                return holder
        return ""


def usage_of(account: Account, call: Call, book: NumberBook) -> NewUsage | None:
    """The usage that a call is, or None where calls of its kind are free.

    Raises Refused where neither number is the account's own.
    """
    direction = book.direction(account, call)
    if direction is None:
        raise Refused("Neither number is one of this account's.", rule="USE-2", field="from")
    meter = meter_of(direction, call.caller, call.called)
    if meter is None:
        return None
    number, peer = (
        (call.called, call.caller) if direction == Direction.INBOUND else (call.caller, call.called)
    )
    return NewUsage(
        account,
        call.record_id,
        meter,
        call.occurred_at,
        call.seconds,
        number=number,
        peer=peer,
        holder=book.holder(account, number, call.occurred_at),
    )


def record_call(
    account: Account,
    record_id: str,
    *,
    caller: str,
    called: str,
    seconds: int,
    occurred_at: datetime,
    actor: Actor,
    at: datetime,
) -> bool:
    """Take one call of an account; whether it is new and of a kind that is charged.

    A toll-free number is called and calls nobody, so a call to one that the account has no record of was
    still inbound, as one from a number that it has no record of was outbound. Raises Refused where the call
    lies in the future or before the account; not where it has come in before, whatever is said of it now (USE-1).
    """
    if UsageRecord.objects.filter(account=account, record_id=record_id).exists():
        return False
    check_time(account, occurred_at, at)
    book = NumberBook.of([account])
    call = Call(record_id, caller, called, seconds, occurred_at)
    if book.direction(account, call) is None:
        call = call._replace(direction=Direction.INBOUND if is_toll_free(called) else Direction.OUTBOUND)
    usage = usage_of(account, call, book)
    return usage is not None and UsageBook(actor, f"call {record_id}").take([usage], at).new > 0
