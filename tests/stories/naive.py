"""The rules of licences, numbers, services, subscriptions and billing read a second time, as naively as can be.

Nothing here knows of charges, runs or ledgers. A world is what an account holds; it is remembered as it stood at the
end of each day, and each day by itself is asked what it costs. An invoice is then the difference between two sums:
all days before its BDOM as they were, and the month ahead as it would be if nothing else happened. Usage is beside,
in `naive_usage`.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.stories.naive_usage import (
    POOLED,
    Ledger,
    Line,
    Record,
    Subscription,
    meter_of,
    minutes_of,
    price_of,
)

ONE_DAY = timedelta(days=1)
LICENCE_DELAY = timedelta(days=7)
PARKED_FREE = timedelta(days=30)
NEEDS_NO_NUMBER = {"hunt-group", "contact-center"}
CONTACT_CENTER = "contact-center"
SEATS = {"cc-express-licence", "cc-pro-licence", "cc-elite-licence"}
WITH_FEE = {"cc-pro-licence", "cc-elite-licence"}
FEE = "cc-activation-fee"
MOST_SEATS = 2
LONGEST_TERM = 60
DECIMALS = {"USD": 2, "JPY": 0, "KWD": 3}


class No(Exception):
    """The rules refuse it."""


@dataclass
class Phone:
    """A number: where it is, since when it is parked, and when it was assigned, as a count of assignments."""

    is_toll_free: bool
    holder: str | None = None
    parked_on: date = date.min
    assigned: int = 0


@dataclass
class Service:
    """A service, with its place in the order in which services were added."""

    kind: str
    place: int


@dataclass
class World:
    """What the account holds. Licences are the days on which each was bought, in order."""

    licences: list[date] = field(default_factory=list)
    users: set[str] = field(default_factory=set)
    licensed: set[str] = field(default_factory=set)
    numbers: dict[str, Phone] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    count: int = 0
    edition: str | None = None
    installed_on: date = date.max
    live_on: date | None = None
    items: list[str] = field(default_factory=list)
    package: str = "pay-per-use"
    fees: list[date] = field(default_factory=list)
    upgrades_early: bool = False
    opened: date = date.min
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    rates: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, Any] = field(default_factory=dict)
    ever_had: set[str] = field(default_factory=set)
    records: dict[str, Record] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    tenant: tuple[str, str] | None = None

    # --- what happens ------------------------------------------------------------------------

    def play(self, on: date, do: str, fields: Mapping[str, Any]) -> None:
        """Let an event happen; raises No and changes nothing where a rule refuses it."""
        getattr(self, do)(on, **fields)

    def live(self, on: date) -> None:
        """The contact center goes live; each licence that has one owes its fee from now on."""
        self.live_on = on
        self.fees += [on] * sum(item in WITH_FEE for item in self.items)

    def add_licences(self, on: date, product: str, quantity: int, subscription: str = "") -> None:
        if subscription:
            self.need(subscription in self.subscriptions)
            held = self.subscriptions[subscription]
            self.need(on < held.ends)
            held.units += [(product, max(on, held.starts))] * quantity
        elif product in SEATS:
            seats = sum(item in SEATS for item in self.items)
            self.need(self.edition is not None)
            self.need(self.live_on is not None or seats + quantity <= MOST_SEATS)
            self.add_items(on, product, quantity)
        else:
            self.licences += [on] * quantity

    def remove_licences(self, on: date, product: str, quantity: int, subscription: str = "") -> None:
        if subscription:
            self.need(subscription in self.subscriptions)
            held = self.subscriptions[subscription]
            mine = [number for number, unit in enumerate(held.units) if unit[0] == product]
            self.need(on < held.ends and quantity <= len(mine))
            for number in reversed(mine[len(mine) - quantity :]):
                del held.units[number]
            return
        if product in SEATS:
            self.remove_item(on, product, quantity)
            return
        if quantity > len(self.licences) - len(self.licensed):
            raise No
        del self.licences[len(self.licences) - quantity :]  # the newest go first

    def install_contact_center(self, on: date, edition: str) -> None:
        self.need(self.edition is None)
        self.edition, self.installed_on = edition, on
        self.services[CONTACT_CENTER] = Service(CONTACT_CENTER, 0)
        if edition == "express":
            self.live(on)

    def activate_contact_center(self, on: date) -> None:
        self.need(self.edition is not None and self.live_on is None)
        self.live(on)

    def add_item(self, on: date, product: str, quantity: int) -> None:
        self.need(self.edition is not None)
        self.add_items(on, product, quantity)

    def add_items(self, on: date, product: str, quantity: int) -> None:
        self.items += [product] * quantity
        if self.live_on is not None and product in WITH_FEE:
            self.fees += [on] * quantity

    def remove_item(self, on: date, product: str, quantity: int) -> None:
        self.need(self.items.count(product) >= quantity)
        for _ in range(quantity):
            self.items.remove(product)

    def set_toll_free_package(self, on: date, package: str) -> None:
        is_held_back = self.edition is not None and self.live_on is None and not self.upgrades_early
        self.need(not is_held_back or self.minutes(package) <= self.minutes(self.package))
        self.package = package

    def minutes(self, package: str) -> int:
        return 0 if package == "pay-per-use" else int(self.packages[package]["minutes"])

    def add_subscription(
        self,
        on: date,
        subscription: str,
        starts: date,
        ends: date,
        licence_mode: str,
        telephony_option: str,
        commitments: dict[str, int],
        product: str = "",
        quantity: int = 1,
    ) -> None:
        self.need(subscription not in self.subscriptions)
        self.need(starts < ends <= months_later(starts, LONGEST_TERM))
        self.need(set(commitments) <= POOLED)
        self.need(self.tenant in {None, (licence_mode, telephony_option)})
        self.tenant = (licence_mode, telephony_option)
        units = [(product, starts)] * quantity if product else []
        self.subscriptions[subscription] = Subscription(
            subscription, starts, ends, commitments, len(self.subscriptions), units
        )

    def end_subscription(self, on: date, subscription: str) -> None:
        self.need(subscription in self.subscriptions)
        ended = self.subscriptions[subscription]
        ended.ends = min(ended.ends, max(on, ended.starts))

    def call(self, on: date, seconds: int, at: datetime | None = None, **told: str) -> None:
        happened = at.astimezone(self.zone).date() if at else on
        self.need(self.opened <= happened <= on)
        meter = meter_of(self.ever_had, told["from"], told["to"])
        if meter is not None:
            minutes = minutes_of(seconds, self.rates[meter])
            price = price_of(meter, told["to"], self.rates)
            self.records.setdefault(told["id"], Record(meter, happened, on, minutes, price))

    def usage(self, on: date, meter: str, quantity: int, **told: str) -> None:
        subscription, subject = told.get("subscription"), told.get("subject", "")
        self.need(subscription is None or subscription in self.subscriptions)
        is_by_name = meter == "agents" and self.tenant is not None and self.tenant[0] == "named"
        self.need(not is_by_name or subject != "" or told["id"] in self.records)
        price = Fraction(self.rates[meter]["per_unit"])
        record = Record(meter, on, on, Fraction(quantity), price, subscription, subject)
        self.records.setdefault(told["id"], record)

    def add_user(self, on: date, user: str) -> None:
        if user in self.users:
            raise No
        self.users.add(user)

    def assign_licence(self, on: date, user: str, product: str) -> None:
        self.need(user in self.users)
        if user not in self.licensed:
            self.need(len(self.licences) > len(self.licensed))
            self.licensed.add(user)

    def unassign_licence(self, on: date, user: str, product: str) -> None:
        self.need(user in self.users)
        if user in self.licensed:
            self.licensed.remove(user)
            self.park_all(on, user)

    def add_service(self, on: date, service: str, kind: str) -> None:
        self.need(service not in self.services)
        self.count += 1
        self.services[service] = Service(kind, self.count)

    def remove_service(self, on: date, service: str) -> None:
        self.need(service in self.services)
        self.park_all(on, service)
        del self.services[service]

    def buy_number(self, on: date, number: str) -> None:
        self.need(number not in self.numbers)
        self.numbers[number] = Phone(is_toll_free=number.startswith("+18"), parked_on=on)
        self.ever_had.add(number)

    def assign_number(self, on: date, number: str, to: str) -> None:
        self.need(number in self.numbers)
        self.need(to in self.services or to in self.licensed)
        phone = self.numbers[number]
        if phone.holder != to:
            self.count += 1
            phone.holder, phone.assigned = to, self.count

    def park_number(self, on: date, number: str) -> None:
        self.need(number in self.numbers)
        phone = self.numbers[number]
        if phone.holder is not None:
            phone.holder, phone.parked_on = None, on

    def release_number(self, on: date, number: str) -> None:
        self.need(number in self.numbers)
        del self.numbers[number]

    def park_all(self, on: date, holder: str) -> None:
        for phone in self.numbers.values():
            if phone.holder == holder:
                phone.holder, phone.parked_on = None, on

    def need(self, is_so: bool) -> None:
        if not is_so:
            raise No

    # --- what it costs -----------------------------------------------------------------------

    def charged(self) -> Iterator[tuple[str, date]]:
        """Each unit that costs something if nothing changes: its product, and the first day that it costs."""
        for bought in self.licences:
            yield "uc-licence", bought + LICENCE_DELAY
        attendants = [service.place for service in self.services.values() if service.kind == "auto-attendant"]
        for service in self.services.values():
            if service.kind == "auto-attendant" and service.place == min(attendants):
                continue
            if service.kind not in NEEDS_NO_NUMBER:
                yield service.kind, date.min
        if self.live_on is not None:
            for item in self.items:
                yield item, date.min
        if self.package != "pay-per-use":
            yield self.package, date.min
        for phone in self.numbers.values():
            product = "number-toll-free" if phone.is_toll_free else "number-local"
            if phone.holder is None:
                yield product, date.min if phone.is_toll_free else phone.parked_on + PARKED_FREE
            elif not self.is_included(phone):
                yield product, date.min

    def costs_on(self, day: date, known_on: date) -> Iterator[str]:
        """Each unit that costs something on a day, if it has begun by the day on which that is asked."""
        for product, starts in self.charged():
            if starts <= min(day, known_on):
                yield product
        for subscription in self.subscriptions.values():
            for product, starts in subscription.units:
                if starts <= min(day, known_on) and day < subscription.ends:
                    yield product

    def is_included(self, phone: Phone) -> bool:
        """Whether it is the earliest assigned number of a holder that needs one."""
        service = self.services.get(phone.holder or "")
        if service is not None and service.kind in NEEDS_NO_NUMBER:
            return False
        return phone.assigned == min(
            other.assigned for other in self.numbers.values() if other.holder == phone.holder
        )


def is_bdom(bdom: int, day: date) -> bool:
    """Whether the day is the account's billing day, or the last day of a shorter month."""
    return day.day == bdom or (day.day < bdom and (day + ONE_DAY).day == 1)


def days_from(first: date, last: date) -> Iterator[date]:
    """All days of [first, last)."""
    while first < last:
        yield first
        first += ONE_DAY


@dataclass
class Naive:
    """What a story comes to: refused events; by invoice the exact amount of each product, and the lines of usage."""

    refused: list[int]
    invoices: dict[date, dict[str, Fraction]]
    usage: dict[date, list[Line]]


def naive(story: Mapping[str, Any]) -> Naive:
    """Play a story (as its table) and look at each day. The last of the invoices is the next one to come."""
    opened, bdom, until = story["account"]["opened"], story["account"]["bdom"], story["until"]
    prices = {code: Fraction(price) for code, price in story["prices"].items()}
    world = World(
        upgrades_early=story["account"].get("toll_free_upgrade_in_onboarding", False),
        opened=opened,
        zone=ZoneInfo(story["account"].get("timezone", "America/New_York")),
        rates=story.get("rates", {}),
        packages=story.get("packages", {}),
    )
    age = story["account"].get("auto_activate_after_days")
    evenings: dict[date, World] = {}
    refused = []
    mornings: dict[date, World] = {}
    bdoms = [day for day in days_from(opened + ONE_DAY, until + timedelta(days=70)) if is_bdom(bdom, day)]
    coming = next(day for day in bdoms if day > until)
    # Nothing happens after the story's end but what comes by itself.
    for day in days_from(opened, coming + ONE_DAY):
        is_waiting = world.edition is not None and world.live_on is None
        if age is not None and is_waiting and world.installed_on + timedelta(days=age) == day:
            world.live(day)
        mornings[day] = deepcopy(world)
        for number, event in enumerate(story["events"], start=1):
            if event["on"] != day:
                continue
            before = deepcopy(world)
            try:
                world.play(day, event["do"], {k: v for k, v in event.items() if k not in {"on", "do"}})
            except No:
                refused.append(number)
                world = before
        evenings[day] = deepcopy(world)
    billed: dict[str, Fraction] = {}
    invoices, usage = {}, {}
    decimals = DECIMALS[story["account"].get("currency", "USD")]
    packages = {day: evening.package for day, evening in evenings.items()}
    start = opened
    while not is_bdom(bdom, start):
        start -= ONE_DAY
    periods = []
    for on in bdoms[: bdoms.index(coming) + 1]:
        periods.append((start, on))
        start = on
        usage[on] = usage_of(mornings[on], packages, decimals).lines(periods)
        total = cost_up_to(on, opened, bdom, (mornings, evenings), prices)
        invoices[on] = {
            code: amount - billed.get(code, Fraction(0))
            for code, amount in total.items()
            if amount != billed.get(code, Fraction(0))
        }
        billed = total
    return Naive(sorted(refused), invoices, usage)


def usage_of(world: World, packages: Mapping[date, str], decimals: int) -> Ledger:
    """What usage is known of on a morning."""
    return Ledger(
        list(world.records.values()),
        list(world.subscriptions.values()),
        world.tenant is not None and world.tenant[0] == "named",
        packages,
        world.packages,
        world.rates,
        decimals,
    )


def cost_up_to(
    on: date,
    opened: date,
    bdom: int,
    told: tuple[Mapping[date, World], Mapping[date, World]],
    prices: Mapping[str, Fraction],
) -> dict[str, Fraction]:
    """What has to be paid by the BDOM `on`: the days before it, and the month ahead as it looks that morning."""
    mornings, evenings = told
    total = dict.fromkeys(prices, Fraction(0))
    latest = mornings[on] if on in mornings else evenings[max(evenings)]
    for owed in latest.fees:
        if owed <= on:
            total[FEE] += prices[FEE]
    for day in days_from(opened, on):
        for product in evenings.get(day, latest).costs_on(day, day):
            total[product] += prices[product] / length_of_period(bdom, day)
    length = length_of_period(bdom, on)
    for day in days_from(on, on + timedelta(days=length)):
        for product in latest.costs_on(day, on):
            total[product] += prices[product] / length
    return total


def months_later(day: date, months: int) -> date:
    """The same day so many months later, or the last one of a shorter month."""
    month = day.replace(day=1)
    for _ in range(months):
        month = (month + timedelta(days=31)).replace(day=1)
    found = month
    while found.day < day.day and (found + ONE_DAY).month == month.month:
        found += ONE_DAY
    return found


def length_of_period(bdom: int, day: date) -> int:
    """How many days the billing period has in which the day lies."""
    start, end = day, day + ONE_DAY
    while not is_bdom(bdom, start):
        start -= ONE_DAY
    while not is_bdom(bdom, end):
        end += ONE_DAY
    return (end - start).days
