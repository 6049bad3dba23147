"""Judges the rows of a file of end users: what each wants, or every reason why it is refused (LIC-2).

All rows are judged together, in a few questions for all of them: two rows may want the same extension,
the last free licence, or numbers of one area code.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Exists, OuterRef

from accounts.extensions import check_extension
from accounts.models import Account, EndUser, ExtensionClaim, Location
from accounts.refusals import Refused
from billing.catalogue import prices_on
from billing.licences import UC_LICENCE, Stock, free_of, stock_of
from billing.models import Product, Subscription
from telephony.models import InventoryNumber, Number, NumberState
from telephony.numbering import read_number
from telephony.numbers import space_of
from telephony.user_file import RULE, Row, Table

LONGEST = {"name": 120, "email": 254, "extension": 8, "department": 80}
"""In characters."""
_AREA_CODE = 3

Need = tuple[Product, Subscription | None]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is refused: the column it is about ("" for the whole row), a sentence, and the rule."""

    column: str
    message: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A number that a row gets, in E.164."""

    e164: str
    is_from_stock: bool


@dataclass(slots=True)
class Verdict:
    """What a row wants, as far as it is understood, and what is wrong with it; nothing is where it is taken."""

    row: Row
    faults: list[Fault] = field(default_factory=list)
    location: Location | None = None
    product: Product | None = None
    subscription: Subscription | None = None
    number: Chosen | None = None

    @property
    def is_refused(self) -> bool:
        """Whether anything is wrong with it."""
        return bool(self.faults)

    @property
    def reason(self) -> str:
        """All that is wrong with it, each with its column."""
        return " ".join(
            f"{fault.column}: {fault.message}" if fault.column else fault.message for fault in self.faults
        )

    def says(self, column: str) -> str:
        """What the row has in a column."""
        return self.row.cells.get(column, "")

    def refuse(self, column: str, message: str, rule: str = "") -> None:
        """Note something that is wrong."""
        self.faults.append(Fault(column, message, rule))


@dataclass(frozen=True, slots=True)
class Missing:
    """Licences that rows need beyond the free ones; `can_be_bought` where they are on offer."""

    product: Product
    subscription: Subscription | None
    units: int
    can_be_bought: bool

    @property
    def words(self) -> str:
        """So many of what, and of which subscription."""
        of = f" of subscription {self.subscription}" if self.subscription else ""
        return f"{self.units:,} × {self.product.name}{of}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A file as it would be done: all of its rows, what is missing for them, and whether that is bought.

    `seen` stands for all of that and for today's prices: who has seen it has seen what will be done.
    """

    table: Table
    verdicts: Sequence[Verdict]
    missing: Sequence[Missing]
    is_buying: bool
    seen: str

    @property
    def refused(self) -> list[Verdict]:
        """The rows that are refused."""
        return [verdict for verdict in self.verdicts if verdict.is_refused]


def judge(account: Account, table: Table, *, is_buying: bool, on: date) -> Plan:
    """Every row's verdict on the account's date `on`. `is_buying`: the licences that are missing are bought."""
    verdicts = [Verdict(row) for row in table.rows]
    for verdict in verdicts:
        _judge_form(verdict)
    _judge_persons(account, verdicts)
    _judge_extensions(account, verdicts)
    _judge_locations(account, verdicts)
    _judge_numbers(account, verdicts)
    missing = _judge_licences(account, verdicts, is_buying=is_buying, on=on)
    return Plan(table, verdicts, missing, is_buying, _seen(account, verdicts, missing, is_buying, on))


def _judge_form(verdict: Verdict) -> None:
    if verdict.row.too_many:
        verdict.refuse("", "The row has more cells than the first line names columns.", RULE)
    if not verdict.says("name"):
        verdict.refuse("name", "An end user has a name.")
    for column, most in LONGEST.items():
        if len(verdict.says(column)) > most:
            verdict.refuse(
                column, f"At most {most} characters are kept, and these are {len(verdict.says(column)):,}."
            )


def _judge_persons(account: Account, verdicts: Sequence[Verdict]) -> None:
    """An e-mail address is one person's, in the file and in the account."""
    there = {
        email.casefold(): name
        for email, name in EndUser.objects.filter(account=account, removed_on=None)
        .exclude(email="")
        .values_list("email", "name")
    }
    lines = _lines(verdicts, "email")
    for verdict in verdicts:
        email = verdict.says("email")
        if not email:
            continue
        try:
            validate_email(email)
        except ValidationError:
            verdict.refuse("email", f"“{email[:80]}” is not an e-mail address, like name@example.com.")
            continue
        if others := _others(lines[email.casefold()], verdict):
            verdict.refuse("email", f"{email} is on {others} too: two rows for one person.", RULE)
        if owner := there.get(email.casefold()):
            verdict.refuse("email", f"{email} belongs to {owner} already.", RULE)


def _judge_extensions(account: Account, verdicts: Sequence[Verdict]) -> None:
    lines = _lines(verdicts, "extension")
    claims = ExtensionClaim.objects.filter(account=account, extension__any_of=list(lines))
    taken = dict(claims.values_list("extension", "holder"))
    keys = [int(holder.partition(":")[2]) for holder in taken.values() if holder.startswith("end-user:")]
    names = dict(EndUser.objects.filter(pk__any_of=keys).values_list("pk", "name"))
    for verdict in verdicts:
        extension = verdict.says("extension")
        if not extension:
            continue
        try:
            check_extension(account, extension)
        except Refused as refused:
            verdict.refuse("extension", refused.message, refused.rule)
            continue
        if others := _others(lines[extension], verdict):
            verdict.refuse("extension", f"Extension {extension} is on {others} too.", "NUM-6")
        if extension in taken:
            kind, _, key = taken[extension].partition(":")
            whose = names.get(int(key)) if kind == "end-user" else None
            verdict.refuse(
                "extension",
                f"Extension {extension} is taken by {whose or 'a ' + kind.replace('-', ' ')}.",
                "NUM-6",
            )


def _judge_locations(account: Account, verdicts: Sequence[Verdict]) -> None:
    there = {location.name.casefold(): location for location in Location.objects.filter(account=account)}
    for verdict in verdicts:
        if name := verdict.says("location"):
            verdict.location = there.get(name.casefold())
            if verdict.location is None:
                verdict.refuse(
                    "location", f"There is no location “{name[:80]}”. Add it first, under Locations."
                )


# --- numbers -------------------------------------------------------------------------------------


def _judge_numbers(account: Account, verdicts: Sequence[Verdict]) -> None:
    """A parked number by itself, or the lowest of the stock's that is left of an area code (NUM-1)."""
    read = [_read(verdict) for verdict in verdicts]
    stock = _Shelf(account, Counter(text for text in read if len(text) == _AREA_CODE))
    named = [text for text in read if len(text) > _AREA_CODE]
    there = {
        number.e164: number
        for number in Number.objects.filter(account=account, e164__any_of=named)
        .exclude(state=NumberState.RELEASED)
        .select_related("end_user", "service")
    }
    lines: dict[str, list[int]] = {}
    for verdict, text in zip(verdicts, read, strict=True):
        lines.setdefault(text, []).append(verdict.row.line)
    for verdict, text in zip(verdicts, read, strict=True):
        if len(text) == _AREA_CODE:
            _choose_from(stock, verdict, text)
        elif text:
            _choose(verdict, text, there.get(text), _others(lines[text], verdict))


def _read(verdict: Verdict) -> str:
    """The number in E.164 or the area code that a row names; "" for none, or for what is neither."""
    typed = verdict.says("number")
    if not typed or (len(typed) == _AREA_CODE and typed.isascii() and typed.isdigit()):
        return typed
    try:
        return read_number(typed).e164
    except Refused:
        verdict.refuse(
            "number",
            f"“{typed[:40]}” is neither a phone number, like +1 212 555 0100, nor an area code, like 212.",
            "NUM-1",
        )
        return ""


class _Shelf:
    """The numbers of the brand's stock that are free, by area code, the lowest first."""

    def __init__(self, account: Account, wanted: Mapping[str, int]) -> None:
        live = Number.objects.filter(e164=OuterRef("e164"), space=space_of(account))
        live = live.exclude(state=NumberState.RELEASED)
        free = InventoryNumber.objects.filter(~Exists(live), brand=account.brand_id, taken_by=None)
        self._left: dict[str, Iterator[str]] = {
            code: iter(
                list(free.filter(area_code=code).order_by("e164").values_list("e164", flat=True)[:units])
            )
            for code, units in sorted(wanted.items())
        }

    def next_of(self, area_code: str) -> str | None:
        """The next number of an area code, None where none is left."""
        return next(self._left[area_code], None)


def _choose_from(stock: _Shelf, verdict: Verdict, area_code: str) -> None:
    e164 = stock.next_of(area_code)
    if e164 is None:
        verdict.refuse(
            "number", f"No number of area code {area_code} is left in stock for this row.", "NUM-1"
        )
    else:
        verdict.number = Chosen(e164, is_from_stock=True)


def _choose(verdict: Verdict, e164: str, number: Number | None, others: str) -> None:
    if number is None:
        verdict.refuse(
            "number", f"{e164} is not a number of this account. Add it first, or name an area code.", "NUM-1"
        )
    elif number.state != NumberState.PARKED:
        verdict.refuse(
            "number", f"{e164} is with {number.holder}. Park it first, or choose another.", "NUM-2"
        )
    elif others:
        verdict.refuse("number", f"{e164} is on {others} too.", "NUM-2")
    else:
        verdict.number = Chosen(e164, is_from_stock=False)


# --- licences ------------------------------------------------------------------------------------


def _judge_licences(
    account: Account, verdicts: Sequence[Verdict], *, is_buying: bool, on: date
) -> list[Missing]:
    """Find each row's licence, and refuse the rows for which none is left unless it is bought (LIC-1)."""
    products = {
        key.casefold(): product
        for product in Product.objects.filter(is_licence=True)
        for key in (product.pk, product.name)
    }
    subscriptions = {
        subscription.name.casefold(): subscription
        for subscription in Subscription.objects.filter(tenancy=account.pk)
    }
    for verdict in verdicts:
        _find_licence(verdict, products, subscriptions, on)
    wanting: dict[tuple[str, int | None], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.product is not None:
            subscription = verdict.subscription.pk if verdict.subscription else None
            wanting.setdefault((verdict.product.pk, subscription), []).append(verdict)
    stock = stock_of(account)
    missing: list[Missing] = []
    for group in wanting.values():
        missing += _share_out(stock, group, is_buying=is_buying)
    return missing


def _find_licence(
    verdict: Verdict,
    products: Mapping[str, Product],
    subscriptions: Mapping[str, Subscription],
    on: date,
) -> None:
    licence, name = verdict.says("licence"), verdict.says("subscription")
    product = products.get(licence.casefold())
    if licence and product is None:
        known = ", ".join(sorted({product.name for product in products.values()}))
        verdict.refuse("licence", f"There is no licence “{licence[:60]}”. There are: {known}.")
    subscription = subscriptions.get(name.casefold())
    if name and not licence:
        verdict.refuse("subscription", "A subscription is named, but no licence of it.")
    elif name and subscription is None:
        verdict.refuse("subscription", f"There is no subscription “{name[:80]}”.")
    elif subscription is not None and subscription.has_ended(on):
        verdict.refuse("subscription", f"Subscription {subscription} {subscription.end_words}.", "SUB-8")
    elif not name or subscription is not None:
        verdict.product, verdict.subscription = product, subscription
    if verdict.says("number") and (product is None or product.pk != UC_LICENCE):
        verdict.refuse(
            "number",
            "Only an end user who holds a UC licence can be given a number. Name one under licence.",
            "NUM-8",
        )


def _share_out(stock: Stock, group: Sequence[Verdict], *, is_buying: bool) -> Iterator[Missing]:
    """Let the free licences go to the first rows that want them; the others are refused, or bought for."""
    product, subscription = group[0].product, group[0].subscription
    if product is None:
        return
    holding = stock.of(subscription.pk if subscription else None, product.pk)
    waits = subscription is None and holding is not None and holding.is_waiting
    short = max(0, len(group) - free_of(holding))
    if waits and holding is not None:
        # While those bought wait for the contact center to go live, they are assigned without limit (ONB-4).
        short = 0 if holding.can_assign else 1
    if not short:
        return
    is_offered = product.is_on_sale and (
        subscription is not None or (holding is not None and holding.is_offered)
    )
    yield Missing(product, subscription, short, is_offered)
    if is_buying and is_offered:
        return
    of = f" of subscription {subscription}" if subscription else ""
    for verdict in group[-short:] if not waits else group:
        how = "Buy the missing ones with the import." if is_offered else "It cannot be bought here."
        verdict.refuse("licence", f"No {product.name}{of} is free for this row. {how}", "LIC-1")


# --- what was seen -------------------------------------------------------------------------------


def _seen(
    account: Account,
    verdicts: Sequence[Verdict],
    missing: Sequence[Missing],
    is_buying: bool,
    on: date,
) -> str:
    """One text for all that a person was shown: each row's verdict, what is bought, at which price, and when."""
    prices = prices_on([each.product.pk for each in missing], account, on)
    rows = [
        (
            tuple(sorted(verdict.row.cells.items())),
            verdict.reason,
            verdict.location.pk if verdict.location else None,
            verdict.product.pk if verdict.product else None,
            verdict.subscription.pk if verdict.subscription else None,
            verdict.number.e164 if verdict.number else None,
        )
        for verdict in verdicts
    ]
    bought = [(each.words, str(prices.get(each.product.pk))) for each in missing]
    return hashlib.sha256(repr((rows, bought, is_buying, on.isoformat())).encode()).hexdigest()


def _lines(verdicts: Sequence[Verdict], column: str) -> dict[str, list[int]]:
    """On which lines each value of a column is, whatever its case."""
    lines: dict[str, list[int]] = {}
    for verdict in verdicts:
        if value := verdict.says(column):
            lines.setdefault(value.casefold(), []).append(verdict.row.line)
    return lines


def _others(lines: Sequence[int], verdict: Verdict) -> str:
    """The other lines on which the same is, in words; "" where there is none."""
    others = [line for line in lines if line != verdict.row.line]
    if not others:
        return ""
    return f"line {others[0]:,}" + (f" and {len(others) - 1:,} more" if len(others) > 1 else "")
