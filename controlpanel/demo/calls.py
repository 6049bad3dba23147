"""The calls of the demo's customers: out and in, toll-free, and abroad by a small rate deck."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

from accounts.models import Account
from accounts.trail import Actor
from billing.models import PrefixRate
from billing.usage import NewUsage, UsageBook
from controlpanel.demo.stage import Stage, Story
from telephony.call_records import Call, NumberBook, usage_of
from telephony.models import Number, NumberKind, NumberState

DAYS: Final = 123
# A day's calls come in over night; by then the American day is over, and the European one of before.
COMES_IN: Final = time(3, 30)
SWITCH: Final = Actor.for_task("usage-folder")
FROM: Final = date(2020, 1, 1)
WEEKEND: Final = 0.12
WEEK: Final = 7


class Habit(NamedTuple):
    """An account's calls of a working day: made, how many of these abroad, and toll-free ones that come in."""

    out: int
    abroad: int = 0
    toll_free: int = 0


HABITS: Final = {
    "harbor-dental": Habit(12, 0, 9),
    "meridian-freight": Habit(34, 3, 22),
    "larkspur-law": Habit(16, 2),
    "copperline-electric": Habit(13, 0, 7),
    "aloha-surf": Habit(6, 1),
    "bluegate-staffing": Habit(14, 0, 12),
    "juniper-bakery": Habit(3),
    "tidewater-insurance": Habit(12, 0, 6),
    "kranich-werkzeugbau": Habit(14, 14),
    "atelier-vasseur": Habit(6, 6),
    "brightwater-studios": Habit(5, 5),
    "kauri-travel": Habit(9, 9),
    "summit-outfitters": Habit(5),
}
# Every so many days one account's calls of a day come in four weeks late.
LATE_EVERY: Final = 17
LATE_BY: Final = timedelta(days=28)
LATE: Final = ("harbor-dental", "meridian-freight")

# prefix, destination, a minute in USD and in EUR
DECK: Final = (
    ("+1876", "Jamaica", "0.2900", "0.2650"),
    ("+33", "France", "0.0190", "0.0120"),
    ("+336", "France, mobile", "0.0450", "0.0390"),
    ("+353", "Ireland", "0.0210", "0.0130"),
    ("+44", "United Kingdom", "0.0160", "0.0140"),
    ("+447", "United Kingdom, mobile", "0.0390", "0.0340"),
    ("+49", "Germany", "0.0180", "0.0110"),
    ("+4915", "Germany, mobile", "0.0420", "0.0370"),
    ("+52", "Mexico", "0.0310", "0.0290"),
    ("+61", "Australia", "0.0240", "0.0230"),
    ("+614", "Australia, mobile", "0.0510", "0.0480"),
    ("+64", "New Zealand", "0.0260", "0.0250"),
    ("+81", "Japan", "0.0380", "0.0350"),
)
# Numbers that regulators keep for film and stage, and what stands in for people who are called: {} is 00 to 99.
ABROAD: Final = (
    "+4420794600{}",
    "+447700900{}0",
    "+4930231250{}",
    "+33199001{}0",
    "+3532091{}00",
    "+614915701{}",
    "+612555011{}",
    "+187655501{}",
)
AWAY: Final = ("+121255501{}", "+131255501{}", "+120655501{}", "+141655501{}", "+130355501{}", "+161755501{}")
HOME: Final = ("+121255501{}", "+131255501{}", "+120655501{}", "+130355501{}", "+161755501{}", "+140455501{}")
CALLERS: Final = (*HOME * 4, "+180855501{}", "+190755501{}", "+178755501{}", "+141655501{}")


def calls(stage: Stage) -> Story:
    """The calls of every day, as the switch hands them over the night after."""
    for prefix, destination, usd, eur in DECK:
        for currency, amount in (("USD", usd), ("EUR", eur)):
            PrefixRate.objects.create(
                prefix=prefix,
                destination=destination,
                per_unit=Decimal(amount),
                per_unit_currency=currency,
                effective_on=FROM,
            )
    book = UsageBook(SWITCH, "call records")
    late: dict[date, list[NewUsage]] = defaultdict(list)
    exchange = Exchange(stage)
    for days_ago in range(DAYS, -1, -1):
        on = stage.now.date() - timedelta(days=days_ago)
        at = datetime.combine(on, COMES_IN, tzinfo=UTC)
        if at > stage.now:
            return
        yield at
        if days_ago % WEEK == 0 or not exchange.accounts:
            exchange.look_around()
        found = exchange.day(on - timedelta(days=1))
        if days_ago % LATE_EVERY == 0:
            held = [usage for usage in found if usage.account.slug in LATE]
            late[on + LATE_BY] += held
            found = [usage for usage in found if usage.account.slug not in LATE]
        book.take([*found, *late.pop(on, [])], at)


class Exchange:
    """Who could call from where, looked up once a week, and the calls of a day; the same whenever it is asked."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.accounts: dict[str, Account] = {}
        self._numbers = NumberBook()
        self._local: dict[int, list[str]] = {}
        self._toll_free: dict[int, list[str]] = {}

    def look_around(self) -> None:
        """Read which accounts there are, and what numbers they have assigned."""
        self.accounts = {account.slug: account for account in Account.objects.filter(slug__in=HABITS)}
        self._numbers = NumberBook.of(self.accounts.values())
        self._local, self._toll_free = defaultdict(list), defaultdict(list)
        assigned = Number.objects.filter(state=NumberState.ASSIGNED).order_by("pk")
        for account, kind, e164 in assigned.values_list("account_id", "kind", "e164"):
            (self._toll_free if kind == NumberKind.TOLL_FREE else self._local)[account].append(e164)

    def day(self, on: date) -> list[NewUsage]:
        """The calls of all accounts on a day of their own."""
        return [usage for account in self.accounts.values() for usage in self._of(account, on)]

    def _of(self, account: Account, on: date) -> Iterator[NewUsage]:
        dice = Random(f"{account.slug} {on}")
        habit = HABITS[account.slug]
        scale = (1 if on.weekday() < 5 else WEEKEND) * dice.uniform(0.7, 1.3)
        local, toll_free = self._local[account.pk], self._toll_free[account.pk]
        made: list[tuple[str, str]] = []
        abroad = round(habit.abroad * scale)
        for place in range(round(habit.out * scale) if local else 0):
            caller = dice.choice(local)
            made.append((caller, _somewhere(dice, ABROAD) if place < abroad else _near(dice, caller)))
        if toll_free:
            wanted = round(habit.toll_free * scale)
            made += [(_somewhere(dice, CALLERS), dice.choice(toll_free)) for _ in range(wanted)]
        for place, (caller, called) in enumerate(made):
            minute = dice.triangular(0, 570, 200)
            at = datetime.combine(on, time(8), tzinfo=account.zone) + timedelta(minutes=minute)
            seconds = round(min(5400, dice.lognormvariate(4.9, 0.9)))
            record = f"{account.slug}-{on:%y%m%d}-{place:03}"
            usage = usage_of(account, Call(record, caller, called, seconds, at), self._numbers)
            if usage is not None and account.opened_on <= on:
                yield usage


def _somewhere(dice: Random, places: Sequence[str]) -> str:
    return dice.choice(places).format(f"{dice.randrange(100):02}")


def _near(dice: Random, caller: str) -> str:
    """Whom somebody calls at home: mostly in the same area."""
    if caller.startswith("+1") and dice.random() < 0.6:
        return f"{caller[:5]}55501{dice.randrange(100):02}"
    return _somewhere(dice, AWAY)
