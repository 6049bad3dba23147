"""Reads stories: one account, the prices that matter, and dated events (SIM-1).

What is malformed is told before anything is played, with the event's number, its date and what is
wrong with it. Apps add the events of their own with `event`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moneyed import CURRENCIES

from accounts.models import validate_timezone
from billing.engine.plans import CYCLES
from billing.licences import MOST_UNITS
from billing.models import Family, Meter, MeterRate, PackageTerms, Product
from billing.rating import INTERNATIONAL
from billing.usage import MOST as MOST_USAGE

if TYPE_CHECKING:
    from billing.simulate import Player

# Prices are kept with eight decimals and ten digits before them.
_PRICE_DECIMALS = 8
_PRICE_LIMIT = Decimal(10) ** 10
# SQLite keeps no more of a decimal than this.
_PRICE_DIGITS = 15
# As long as the shortest column that a name goes into.
_NAME_LENGTH = 80
# A story is played day by day, so its length is bounded, and so are the years that calendars are made for.
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)
_MOST_YEARS = 50

_TABLES = frozenset({"until", "account", "prices", "rates", "packages", "plan_discounts", "taxes", "events"})
_ACCOUNT = frozenset(
    {
        "name",
        "opened",
        "bdom",
        "currency",
        "timezone",
        "toll_free_upgrade_in_onboarding",
        "auto_activate_after_days",
    }
)


class StoryError(Exception):
    """A story that cannot be played, with what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Event:
    """The nth event of a story, counted from 1, with its fields read into their types."""

    number: int
    on: date
    do: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return f"event {self.number} ({self.on}, {self.do})"


@dataclass(frozen=True, slots=True)
class StoryPackage:
    """What a toll-free package of a story holds: included minutes, and the price of each above them."""

    minutes: int
    overage: Decimal


@dataclass(frozen=True, slots=True)
class StoryRate:
    """The rate of a meter in a story: of a unit (a minute, for calls), and how calls are rounded up, in seconds."""

    per_unit: Decimal
    minimum_seconds: int
    increment_seconds: int
    prefixes: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Story:
    """A story that is well formed. Dates are the account's own; prices are in its currency."""

    name: str
    opened: date
    until: date
    bdom: int
    currency: str
    timezone: str
    policies: Mapping[str, Any]
    prices: Mapping[str, Decimal]
    packages: Mapping[str, StoryPackage]
    rates: Mapping[str, StoryRate]
    plan_discounts: Mapping[int, Decimal]
    events: tuple[Event, ...]


Parser = Callable[[Any], Any]
# Looks at the fields of an event beside its day; raises ValueError with a field's name and what is wrong.
Check = Callable[[date, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class EventKind:
    """How an event is read and played. `makes` and `needs` name fields that hold the story's names."""

    do: str
    play: Callable[..., None]
    fields: Mapping[str, Parser]
    optional: frozenset[str]
    makes: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    check: Check | None = None


EVENTS: dict[str, EventKind] = {}

# Names that no event makes: the account has at most one of each.
ALWAYS_THERE = frozenset({"contact-center"})


def event(
    do: str,
    fields: Mapping[str, Parser],
    *,
    optional: tuple[str, ...] = (),
    makes: Mapping[str, str] | None = None,
    needs: Mapping[str, tuple[str, ...]] | None = None,
    check: Check | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register how the event `do` is played: a function of the player and its fields.

    `makes` says which field brings a name of which kind into the story; `needs` which field refers
    to a name, and of which kinds it may be; `check` looks at fields that have to fit the event's day.
    """

    def register(play: Callable[..., None]) -> Callable[..., None]:
        EVENTS[do] = EventKind(do, play, fields, frozenset(optional), makes or {}, needs or {}, check)
        return play

    return register


# --- values ----------------------------------------------------------------------------------


def a_name(value: Any) -> str:
    """A name of the story's own: a text of one line that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is a name, and cannot be empty")
    name = value.strip()
    if len(name) > _NAME_LENGTH or not name.isprintable():
        raise ValueError(f"is a name of at most {_NAME_LENGTH} characters, on one line")
    return name


def a_quantity(value: Any) -> int:
    """A whole number from 1 to 100,000."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_UNITS:
        raise ValueError(f"is a whole number from 1 to {MOST_UNITS:,}")
    return value


def a_date(value: Any) -> date:
    """A date of 1970 to 2199: TOML's own, or text like 2026-01-31."""
    found = value if type(value) is date else None
    if isinstance(value, str):
        with suppress(ValueError):
            found = date.fromisoformat(value)
    if found is None:
        raise ValueError("is a date like 2026-01-31")
    if not _FIRST_DAY <= found <= _LAST_DAY:
        raise ValueError(f"is a date from {_FIRST_DAY.year} to {_LAST_DAY.year}")
    return found


def a_price(value: Any) -> Decimal:
    """An amount that is not negative, as a text or a number, with at most eight decimals and fifteen digits."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError('is an amount like "29.99"')
    if isinstance(value, str) and (not value.isascii() or "_" in value):
        raise ValueError('is an amount like "29.99"')  # a decimal to Python, a slip of a person
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError('is an amount like "29.99"') from None
    if not amount.is_finite() or not 0 <= amount < _PRICE_LIMIT:
        raise ValueError("is an amount from 0 to 9,999,999,999")
    if amount != round(amount, _PRICE_DECIMALS):
        raise ValueError(f"has at most {_PRICE_DECIMALS} decimals")
    if len(amount.normalize().as_tuple().digits) > _PRICE_DIGITS:
        raise ValueError(f"has at most {_PRICE_DIGITS} digits")
    return amount


def a_product(value: Any) -> str:
    """A product code of the catalogue."""
    if not isinstance(value, str) or not Product.objects.filter(pk=value).exists():
        raise ValueError(f"“{value}” is not a product code")
    return value


def a_meter(value: Any) -> str:
    """A meter of the catalogue that is no kind of call: those follow from the call itself (USE-2)."""
    meter = Meter.objects.filter(pk=value).first() if isinstance(value, str) else None
    if meter is None:
        raise ValueError(f"“{value}” is not a meter")
    if meter.is_call:
        raise ValueError(f"“{value}” is told by calls: use the event call")
    return meter.pk


def a_count(value: Any) -> int:
    """A whole number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_USAGE:
        raise ValueError(f"is a whole number from 0 to {MOST_USAGE:,}")
    return value


def an_instant(value: Any) -> datetime:
    """A time with its offset: TOML's own, or text like 2026-01-31T09:30:00-05:00."""
    found = value if isinstance(value, datetime) else None
    if isinstance(value, str):
        with suppress(ValueError):
            found = datetime.fromisoformat(value)
    if found is None or found.utcoffset() is None:
        raise ValueError("is a time with its offset, like 2026-01-31T09:30:00-05:00")
    if not _FIRST_DAY <= found.date() <= _LAST_DAY:
        raise ValueError(f"is a time of the years {_FIRST_DAY.year} to {_LAST_DAY.year}")
    return found


def quantities(value: Any) -> dict[str, int]:
    """A table of meter = quantity."""
    if not isinstance(value, dict):
        raise ValueError("is a table of meter = quantity")
    known = set(Meter.objects.values_list("code", flat=True))
    for code in value:
        if code not in known:
            raise ValueError(f"“{code}” is not a meter")
    return {code: a_count(quantity) for code, quantity in value.items()}


def one_of(*choices: str) -> Parser:
    """One of some words."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"is one of {', '.join(choices)}")
        return str(value)

    return parse


# --- reading ---------------------------------------------------------------------------------


def read_file(path: str, until: date | None = None) -> Story:
    """The story in a TOML or JSON file; `until` goes before the story's own. Raises StoryError."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise StoryError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StoryError(f"{path}: is not a text in UTF-8") from error
    try:
        if file.suffix.lower() == ".toml":
            data: Any = tomllib.loads(text, parse_float=Decimal)
        elif file.suffix.lower() == ".json":
            data = json.loads(text, parse_float=Decimal)
        else:
            raise StoryError(f"{path}: a story is a .toml or a .json file")
    except (ValueError, RecursionError) as error:
        # What is no TOML or JSON, or holds a number of thousands of digits.
        raise StoryError(f"{path}: {error}") from error
    try:
        return read(data, until)
    except StoryError as error:
        raise StoryError(f"{path}: {error}") from error


def read(data: Any, until: date | None = None) -> Story:
    """The story in a table as TOML or JSON give it. Raises StoryError."""
    if not isinstance(data, dict):
        raise StoryError("a story is a table with account and events")
    _check_known(data, _TABLES, "story")
    if data.get("taxes"):
        raise StoryError("taxes: not supported yet")
    account = _table(data, "account")
    _check_known(account, _ACCOUNT, "account")
    opened = _value(account, "account", "opened", a_date)
    events = _events(data.get("events", []), opened)
    last = max((event.on for event in events), default=opened)
    ends = until or (_value(data, "story", "until", a_date) if "until" in data else last)
    if ends < opened:
        raise StoryError(f"until: {ends} is before the account was opened on {opened}")
    if ends.year - opened.year > _MOST_YEARS:
        raise StoryError(f"until: {ends} is more than {_MOST_YEARS} years after {opened}")
    currency = _value(account, "account", "currency", _a_currency, "USD")
    return Story(
        name=_value(account, "account", "name", a_name, "Simulated account"),
        opened=opened,
        until=ends,
        bdom=_value(account, "account", "bdom", _a_bdom, opened.day),
        currency=currency,
        timezone=_value(account, "account", "timezone", _a_timezone, "America/New_York"),
        policies=_policies(account),
        prices=_package_prices(_table(data, "packages")) | _prices(_table(data, "prices")),
        packages=_packages(_table(data, "packages"), currency),
        rates=_rates(_table(data, "rates"), currency),
        plan_discounts=_discounts(_table(data, "plan_discounts")),
        events=events,
    )


def _events(rows: Any, opened: date) -> tuple[Event, ...]:
    if not isinstance(rows, list):
        raise StoryError("events: is a list")
    events = tuple(_event(number, row, opened) for number, row in enumerate(rows, start=1))
    made = {
        (kind, event.fields[name])
        for event in events
        for name, kind in EVENTS[event.do].makes.items()
        if name in event.fields
    }
    for told in events:
        for name, kinds in EVENTS[told.do].needs.items():
            wanted = told.fields.get(name)
            if wanted is None or wanted in ALWAYS_THERE:
                continue
            if not any((kind, wanted) in made for kind in kinds):
                raise StoryError(f"{told}: {name}: no event of the story makes “{wanted}”")
    return events


def _event(number: int, row: Any, opened: date) -> Event:
    where = f"event {number}"
    if not isinstance(row, dict):
        raise StoryError(f"{where}: is a table with on and do")
    do = row.get("do")
    if "on" in row:
        where = f"{where} ({row['on']}, {do})"
    on = _value(row, where, "on", a_date)
    name = do if isinstance(do, str) else ""
    kind = EVENTS.get(name)
    if kind is None:
        raise StoryError(f"{where}: do: there is no such event")
    if on < opened:
        raise StoryError(f"{where}: on: is before the account was opened on {opened}")
    _check_known(row, frozenset(kind.fields) | {"on", "do"}, where)
    fields = {
        name: _value(row, where, name, parse)
        for name, parse in kind.fields.items()
        if name in row or name not in kind.optional
    }
    if kind.check is not None:
        try:
            kind.check(on, fields)
        except ValueError as error:
            raise StoryError(f"{where}: {error}") from error
    return Event(number, on, kind.do, fields)


def _check_known(table: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for name in table:
        if name not in known:
            raise StoryError(f"{where}: “{name}” is not known here")


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise StoryError(f"{name}: is a table")
    return table


_REQUIRED = object()


def _value(table: Mapping[str, Any], where: str, name: str, parse: Parser, default: Any = _REQUIRED) -> Any:
    if name not in table:
        if default is _REQUIRED:
            raise StoryError(f"{where}: {name}: is missing")
        return default
    try:
        return parse(table[name])
    except ValueError as error:
        raise StoryError(f"{where}: {name}: {error}") from error


def _a_bdom(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in range(1, 32):
        raise ValueError("is a day of the month, 1 to 31")
    return value


def _some_days(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in range(1, 3651):
        raise ValueError("is a number of days, 1 to 3,650")
    return value


def _a_currency(value: Any) -> str:
    if not isinstance(value, str) or value not in CURRENCIES:
        raise ValueError(f"“{value}” is not a currency code")
    return value


def _a_timezone(value: Any) -> str:
    try:
        validate_timezone(str(value))
    except Exception as error:
        raise ValueError(f"“{value}” is not a time zone") from error
    return str(value)


def _policies(account: Mapping[str, Any]) -> dict[str, Any]:
    policies: dict[str, Any] = {}
    switch = account.get("toll_free_upgrade_in_onboarding", False)
    if not isinstance(switch, bool):
        raise StoryError("account: toll_free_upgrade_in_onboarding: is true or false")
    policies["toll_free_upgrade_in_onboarding"] = switch
    if account.get("auto_activate_after_days") is not None:
        policies["auto_activate_after_days"] = _value(
            account, "account", "auto_activate_after_days", _some_days
        )
    return policies


def _prices(table: Mapping[str, Any]) -> dict[str, Decimal]:
    known = set(Product.objects.values_list("code", flat=True))
    for code in table:
        if code not in known:
            raise StoryError(f"prices: “{code}” is not a product code")
    return {code: _value(table, "prices", code, a_price) for code in table}


MOST_MINUTES = 100_000_000
_PACKAGE = frozenset({"price", "minutes", "overage"})


def _package_prices(table: Mapping[str, Any]) -> dict[str, Decimal]:
    """The prices among the terms of a story's packages."""
    known = set(Product.objects.filter(family=Family.PACKAGE).values_list("code", flat=True))
    for code, entry in table.items():
        if code not in known:
            raise StoryError(f"packages: “{code}” is not a toll-free package")
        if not isinstance(entry, dict):
            raise StoryError(f"packages: {code}: is a table")
        _check_known(entry, _PACKAGE, f"packages: {code}")
    return {
        code: _value(entry, f"packages: {code}", "price", a_price)
        for code, entry in table.items()
        if "price" in entry
    }


def _packages(table: Mapping[str, Any], currency: str) -> dict[str, StoryPackage]:
    """The packages of a story; what it does not say is that of the catalogue."""
    packages = {}
    for code, entry in table.items():
        terms = PackageTerms.objects.filter(product=code, brand=None).order_by("effective_on")
        minutes = terms.values_list("minutes", flat=True).last()
        overage = terms.filter(overage_currency=currency).values_list("overage", flat=True).last()
        where = f"packages: {code}"
        packages[code] = StoryPackage(
            _value(entry, where, "minutes", _minutes, _REQUIRED if minutes is None else minutes),
            _value(entry, where, "overage", a_price, _REQUIRED if overage is None else overage),
        )
    return packages


def _minutes(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_MINUTES:
        raise ValueError(f"is a whole number up to {MOST_MINUTES:,}")
    return value


_RATE = frozenset({"per_unit", "minimum_seconds", "increment_seconds"})


def _rates(table: Mapping[str, Any], currency: str) -> dict[str, StoryRate]:
    """The rates of a story; the price of a unit that it does not say is that of the catalogue."""
    known = set(Meter.objects.values_list("code", flat=True))
    rates = {}
    for code, entry in table.items():
        where = f"rates: {code}"
        if code not in known:
            raise StoryError(f"rates: “{code}” is not a meter")
        if not isinstance(entry, dict):
            raise StoryError(f"{where}: is a table")
        _check_known(entry, _RATE | {"prefixes"} if code == INTERNATIONAL else _RATE, where)
        prefixes = _table(entry, "prefixes")
        for prefix in prefixes:
            if not re.fullmatch(r"\+[1-9]\d{0,14}", prefix, re.ASCII):
                raise StoryError(f"{where}: prefixes: “{prefix}” is not a prefix like +44")
        usual = MeterRate.objects.filter(meter=code, brand=None, per_unit_currency=currency)
        per_unit = usual.order_by("effective_on").values_list("per_unit", flat=True).last()
        rates[code] = StoryRate(
            _value(entry, where, "per_unit", a_price, _REQUIRED if per_unit is None else per_unit),
            _value(entry, where, "minimum_seconds", _seconds, 60),
            _value(entry, where, "increment_seconds", _increment, 60),
            {prefix: _value(prefixes, f"{where}: prefixes", prefix, a_price) for prefix in prefixes},
        )
    return rates


_MOST_SECONDS = 86_400


def _seconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_SECONDS:
        raise ValueError(f"is a number of seconds up to {_MOST_SECONDS:,}")
    return value


def _increment(value: Any) -> int:
    if _seconds(value) == 0:
        raise ValueError("is one second at least")
    return int(value)


def a_cycle(value: Any) -> int:
    """How many months a plan's cycle has."""
    if isinstance(value, bool) or value not in CYCLES:
        raise ValueError(f"is one of {', '.join(map(str, CYCLES))}")
    return int(value)


def _discounts(table: Mapping[str, Any]) -> dict[int, Decimal]:
    """What cycles are cheaper by, as shares, by their months."""
    found = {}
    for key, value in table.items():
        where = f"plan_discounts: {key}"
        months = int(key) if str(key).isascii() and str(key).isdecimal() and len(str(key)) < 4 else 0
        if months not in CYCLES:
            raise StoryError(f"{where}: the months of a cycle are {', '.join(map(str, CYCLES))}")
        found[months] = _value({"discount": value}, where, "discount", _a_share)
    return found


def _a_share(value: Any) -> Decimal:
    share = a_price(value)
    if share > 1:
        raise ValueError('is a share of the total, like "0.15"')
    if share != round(share, 4):
        raise ValueError("has at most 4 decimals")
    return share


def _ends_later(on: date, fields: Mapping[str, Any]) -> None:
    if fields["until"] < on:
        raise ValueError("until: is before the outage")


@event("outage", {"until": a_date}, check=_ends_later)
def _outage(player: Player, until: date) -> None:
    """The player has read the story's outages before it began."""
