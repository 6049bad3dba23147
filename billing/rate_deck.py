"""The rate deck of international calls, and files of it: every row is judged first, and all go in or none (USE-2).

A file holds one rate a row. What the deck holds already changes nothing, so the same file twice is no change;
a row that would overwrite a rate is refused. The one thing that a file may do to a rate that is there is to end
it, on a day to come.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.exporting import Cell
from accounts.models import Brand
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing import bulk
from billing.csv_files import cells_of
from billing.models import Meter, PrefixRate
from billing.rates import amount_text, check_day, read_amount
from billing.rating import INTERNATIONAL

COLUMNS: Final = {
    "prefix": "The beginning of the numbers, with the country code, like +44 or +1876",
    "destination": "What it is called in lists; may be empty",
    "per_unit": "The price of a minute, with a point: 0.0125",
    "currency": "ISO 4217, like USD",
    "effective_on": "The first day of the rate, like 2026-12-01",
    "ends_on": "The first day on which it no longer holds; mostly empty, and the column may be missing",
    "brand": "The brand's name in addresses; empty for all brands",
}
MAY_BE_MISSING: Final = frozenset({"ends_on", "brand", "destination"})
MOST_ROWS: Final = 500_000
LONGEST_DESTINATION: Final = 80

_PREFIX: Final = re.compile(r"\+?([1-9]\d{0,14})", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Kind(StrEnum):
    """What becomes of a row."""

    NEW = "new"
    SAME = "same"
    ENDS = "ends"
    REFUSED = "refused"


class DeckRow(NamedTuple):
    """A row that was understood; `per_unit` is the price of a minute, `brand` a key, None for all brands."""

    prefix: str
    destination: str
    per_unit: Decimal
    currency: str
    effective_on: date
    ends_on: date | None
    brand: int | None


class Verdict(NamedTuple):
    """What becomes of a line of the file: `field` and `reason` say why where it is refused, and what it does else.

    `cells` are the line's, as they came. `row` is None where it was not understood; `known` is the key of
    the rate that it ends.
    """

    line: int
    kind: Kind
    cells: Sequence[str]
    field: str = ""
    reason: str = ""
    row: DeckRow | None = None
    known: int | None = None


class _Known(NamedTuple):
    """A rate that the deck holds, or that a line above has brought: `line` is 0 for the deck's."""

    pk: int
    destination: str
    per_unit: Decimal
    ends_on: date | None
    line: int


_Key = tuple[str, str, int | None, date]


@dataclass(frozen=True, slots=True)
class Deck:
    """A file that was read: a verdict for each row, in the file's order, and what its columns are called."""

    header: Sequence[str]
    verdicts: Sequence[Verdict]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many rows there are of each kind."""
        return Counter(str(verdict.kind) for verdict in self.verdicts)

    @property
    def refused(self) -> int:
        """How many rows are refused; one is enough to leave all out."""
        return self.counts.get(Kind.REFUSED, 0)

    @property
    def changes(self) -> int:
        """How many rows change the deck."""
        return self.counts.get(Kind.NEW, 0) + self.counts.get(Kind.ENDS, 0)

    def earliest(self) -> date | None:
        """The first day from which a row changes something, None where none does."""
        days = [
            verdict.row.effective_on
            for verdict in self.verdicts
            if verdict.kind == Kind.NEW and verdict.row is not None
        ]
        return min(days, default=None)


def judge_deck(lines: Iterable[bytes], at: datetime) -> Deck:
    """Read a file's lines and say what would become of each row at the instant `at`; nothing is changed.

    Raises Refused, with the line, where the file as a whole cannot be read: a wrong header, another
    encoding, an end in the middle.
    """
    header, rows = _read(lines)
    judge = _Judge.over(rows, at.astimezone(UTC).date())
    return Deck(header, [judge.verdict(line, cells, found) for line, cells, found in rows])


def import_deck(lines: Iterable[bytes], *, name: str, actor: Actor, at: datetime) -> Deck:
    """Put all rows of a file into the deck, or none; returns what became of each.

    Raises Refused where a row is refused, or the file cannot be read.
    """
    with transaction.atomic():
        # Imports take turns, so that what was judged is what is written.
        meter = Meter.objects.select_for_update().get(pk=INTERNATIONAL)
        deck = judge_deck(lines, at)
        if deck.refused:
            raise Refused(
                f"{_many(deck.refused, 'row is', 'rows are')} refused, so none of the file was taken.",
                rule="USE-2",
            )
        if not deck.changes:
            return deck
        bulk.insert(PrefixRate, _WRITTEN, [_columns(each.row) for each in deck.verdicts if _is_new(each)])
        _end(deck.verdicts)
        counts = deck.counts
        record(
            None,
            "import-rate-deck",
            meter,
            f"Rate deck {name[:120]}: {_many(counts.get(Kind.NEW, 0), 'rate', 'rates')} added, "
            f"{counts.get(Kind.ENDS, 0):,} ended, {counts.get(Kind.SAME, 0):,} known already",
            actor=actor,
            at=at,
            after={
                "file": name[:120],
                "added": counts.get(Kind.NEW, 0),
                "ended": counts.get(Kind.ENDS, 0),
                "first_day": deck.earliest(),
            },
        )
    return deck


def rates_of_deck(
    *, search: str = "", brand: str = "", currency: str = "", on: date | None = None
) -> QuerySet[PrefixRate]:
    """The deck's rates: those whose prefix begins with `search` or whose destination has it in it.

    A number in full finds the prefixes that it begins with. `brand` is a slug, "-" for the rates of all
    brands; `on` leaves out what does not hold on that day.
    """
    found = PrefixRate.objects.select_related("brand")
    typed = search.replace("\0", "").strip()
    digits = re.sub(r"[\s().-]", "", typed)
    if _PREFIX.fullmatch(digits):
        digits = f"+{digits.lstrip('+')}"
        begun = [digits[:length] for length in range(2, len(digits))]
        found = found.filter(Q(prefix__startswith=digits) | Q(prefix__in=begun))
    elif typed:
        found = found.filter(destination__icontains=typed)
    if brand:
        found = found.filter(brand=None) if brand == "-" else found.filter(brand__slug=brand)
    if currency:
        found = found.filter(per_unit_currency=currency)
    return found if on is None else _holding(found, on)


def _holding(rates: QuerySet[PrefixRate], on: date) -> QuerySet[PrefixRate]:
    """Those that hold on a day: begun, not ended, and without a later one that holds too."""
    later = PrefixRate.objects.filter(
        prefix=OuterRef("prefix"),
        per_unit_currency=OuterRef("per_unit_currency"),
        effective_on__gt=OuterRef("effective_on"),
        effective_on__lte=on,
    ).exclude(ends_on__lte=on)
    return (
        rates.filter(effective_on__lte=on)
        .exclude(ends_on__lte=on)
        .exclude(Exists(later.filter(brand=OuterRef("brand"))))
        .exclude(Q(brand=None) & Exists(later.filter(brand=None)))
    )


def deck_rows(rates: QuerySet[PrefixRate]) -> Iterator[list[Cell]]:
    """A row for each rate, with the columns of a file that is imported."""
    for rate in rates.order_by("prefix", "effective_on", "pk").iterator(chunk_size=2000):
        yield [
            rate.prefix,
            rate.destination,
            Decimal(amount_text(rate.per_unit.amount)),
            str(rate.per_unit.currency),
            rate.effective_on,
            rate.ends_on,
            rate.brand.slug if rate.brand else "",
        ]


def verdict_rows(deck: Deck, kind: str = "") -> Iterator[list[Cell]]:
    """A row for each line of a file, its cells as they came, then the line, the verdict, the field and the reason."""
    width = len(deck.header)
    for each in deck.verdicts:
        if not kind or each.kind == kind:
            cells: list[Cell] = [*each.cells[:width], *[""] * (width - len(each.cells))]
            yield [*cells, each.line, str(each.kind), each.field, each.reason]


# --- reading -------------------------------------------------------------------------------------

_Read = tuple[int, Sequence[str], "DeckRow | Refused"]


def _read(lines: Iterable[bytes]) -> tuple[Sequence[str], list[_Read]]:
    """The header, and each row as what it says or why it says nothing."""
    reader = cells_of(lines, _unreadable)
    first = next(reader, None)
    if first is None:
        raise _unreadable("The file is empty.")
    header = [name.strip().casefold() for name in first[1]]
    _check_header(header)
    brands = {slug: pk for pk, slug in Brand.objects.values_list("pk", "slug")}
    rows: list[_Read] = []
    for line, cells in reader:
        if len(rows) == MOST_ROWS:
            raise _unreadable(f"The file has more than {MOST_ROWS:,} rows. Split it.")
        rows.append((line, cells, _understood(header, cells, brands)))
    if not rows:
        raise _unreadable("The file has a header and no rows.")
    return header, rows


def _check_header(header: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in header and name not in MAY_BE_MISSING]
    unknown = [name for name in header if name not in COLUMNS]
    if missing:
        raise _unreadable(f"The first line has no column {', '.join(missing)}. It names the columns.")
    if unknown:
        raise _unreadable(
            f"The first line has a column that means nothing here: {unknown[0][:40] or 'one without a name'}."
        )
    if len(set(header)) < len(header):
        raise _unreadable("The first line names a column twice.")


def _understood(header: Sequence[str], cells: Sequence[str], brands: Mapping[str, int]) -> DeckRow | Refused:
    try:
        if len(cells) != len(header):
            raise Refused(f"The line has {len(cells)} columns, and the first line names {len(header)}.")
        return _row({name: cell.strip() for name, cell in zip(header, cells, strict=True)}, brands)
    except Refused as refusal:
        return refusal


def _row(cells: Mapping[str, str], brands: Mapping[str, int]) -> DeckRow:
    found = _PREFIX.fullmatch(cells["prefix"])
    if found is None:
        raise Refused(f"“{cells['prefix'][:40]}” is not a prefix. Write it as +44 or +1876.", field="prefix")
    destination = cells.get("destination", "")
    if len(destination) > LONGEST_DESTINATION:
        raise Refused(f"A destination has at most {LONGEST_DESTINATION} characters.", field="destination")
    currency = cells["currency"].upper()
    if currency not in settings.CURRENCIES:
        raise Refused(
            f"“{cells['currency'][:20]}” is not one of {', '.join(settings.CURRENCIES)}.", field="currency"
        )
    effective_on = _day(cells["effective_on"], "effective_on")
    check_day(effective_on)
    ends_on = _day(cells["ends_on"], "ends_on") if cells.get("ends_on") else None
    if ends_on is not None and ends_on <= effective_on:
        raise Refused("A rate ends after the day on which it begins.", field="ends_on")
    slug = cells.get("brand", "")
    if slug and slug not in brands:
        raise Refused(f"There is no brand “{slug[:40]}”.", field="brand")
    return DeckRow(
        f"+{found[1]}",
        destination,
        _amount(cells["per_unit"]),
        currency,
        effective_on,
        ends_on,
        brands[slug] if slug else None,
    )


# The same few days and amounts come again on line after line; what is refused is not kept.
_amount = lru_cache(maxsize=4096)(read_amount)


@lru_cache(maxsize=1024)
def _day(text: str, field: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Refused(f"“{text[:40]}” is not a date. Write it as 2026-12-01.", field=field)


def _unreadable(message: str) -> Refused:
    return Refused(f"{message} Nothing was changed.", rule="USE-2", field="file")


# --- judging -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Judge:
    """Says what becomes of row after row: it knows the deck, and what the rows above have brought."""

    today: date
    known: dict[_Key, _Known]

    @classmethod
    def over(cls, rows: Iterable[_Read], today: date) -> _Judge:
        """One that knows the deck in the currencies of the rows. One query."""
        currencies = {found.currency for _, _, found in rows if isinstance(found, DeckRow)}
        deck = PrefixRate.objects.filter(per_unit_currency__in=currencies).values_list(
            "prefix",
            "per_unit_currency",
            "brand_id",
            "effective_on",
            "pk",
            "destination",
            "per_unit",
            "ends_on",
        )
        return cls(
            today,
            {
                (prefix, currency, brand, on): _Known(pk, destination, amount, ends_on, 0)
                for prefix, currency, brand, on, pk, destination, amount, ends_on in deck.iterator()
            },
        )

    def verdict(self, line: int, cells: Sequence[str], found: DeckRow | Refused) -> Verdict:
        """What becomes of a line."""
        if isinstance(found, Refused):
            return Verdict(line, Kind.REFUSED, cells, found.field or "", found.message)
        key = (found.prefix, found.currency, found.brand, found.effective_on)
        known = self.known.get(key)
        if known is None:
            self.known[key] = _Known(0, found.destination, found.per_unit, found.ends_on, line)
            return Verdict(line, Kind.NEW, cells, row=found)
        return self._beside(line, cells, found, known)

    def _beside(self, line: int, cells: Sequence[str], row: DeckRow, known: _Known) -> Verdict:
        """What becomes of a line whose prefix has a rate of that day already."""
        where = f"line {known.line} of this file" if known.line else "the deck"
        if row.per_unit != known.per_unit:
            return Verdict(
                line,
                Kind.REFUSED,
                cells,
                "per_unit",
                f"{row.prefix} has a rate from {row.effective_on} already, at {amount_text(known.per_unit)} in "
                f"{where}. Rates are never overwritten: begin the new one on another day.",
            )
        if row.ends_on == known.ends_on:
            kept = "" if row.destination == known.destination else f"; it stays “{known.destination}”"
            return Verdict(line, Kind.SAME, cells, reason=f"In {where} already{kept}", row=row)
        if known.line or known.ends_on is not None or row.ends_on is None:
            return Verdict(
                line,
                Kind.REFUSED,
                cells,
                "ends_on",
                f"In {where} this rate ends on {known.ends_on or 'no day'}.",
            )
        if row.ends_on <= self.today:
            return Verdict(
                line,
                Kind.REFUSED,
                cells,
                "ends_on",
                f"A rate that is there ends on a day to come, and {row.ends_on} is none.",
            )
        return Verdict(
            line, Kind.ENDS, cells, reason=f"Ends the deck's rate on {row.ends_on}", row=row, known=known.pk
        )


# --- writing -------------------------------------------------------------------------------------

_WRITTEN: Final = (
    "prefix",
    "destination",
    "per_unit",
    "per_unit_currency",
    "effective_on",
    "ends_on",
    "brand_id",
)


def _is_new(verdict: Verdict) -> bool:
    return verdict.kind == Kind.NEW


def _columns(row: DeckRow | None) -> tuple[object, ...]:
    """A row in the order of the columns that are written."""
    return () if row is None else tuple(row)


def _end(verdicts: Iterable[Verdict]) -> None:
    """Write the days on which rates end."""
    ends = {
        each.known: each.row.ends_on for each in verdicts if each.kind == Kind.ENDS and each.row is not None
    }
    rates = list(PrefixRate.objects.filter(pk__any_of=list(ends)))
    for rate in rates:
        rate.ends_on = ends[rate.pk]
    PrefixRate.objects.bulk_update(rates, ["ends_on"], batch_size=500)


def _many(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
