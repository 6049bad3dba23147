"""Quotes: composed by sales, sent, and accepted, declined or expired (ORD-1, ORD-2).

Nothing of a quote is processed before it is accepted. What it will cost is told by accepting it and
taking that back, with the very actions, so that the forecast is what will be billed (BIL-10).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.text import slugify

from accounts.links import link_tokens
from accounts.mail import panel_url, queue_mail
from accounts.members import Added, add_member
from accounts.models import Account, Role
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.charges import Ledger, agreed_prices, open_ledger
from billing.engine import Draft, round_half_up
from billing.engine.reasons import Basis
from billing.gather import decimals_of
from billing.models import Charge, Family, Order, OrderKind, Product, Quote, QuoteLine, QuoteState
from billing.opening import RESERVED_SLUGS, open_account
from billing.orders import make_order, process
from billing.preview import following, foreseen

QUOTABLE = (
    Family.LICENCE,
    Family.CONTACT_CENTER,
    Family.SERVICE,
    Family.PACKAGE,
    Family.HARDWARE,
    Family.SHIPPING,
)
"""The shelves of the catalogue from which a quote is composed."""

MOST_TRIES: Final = 5

# What comes with every account that a quote opens, before its order: the complimentary auto attendant,
# and the contact center of an edition, "" for none. Rooms above billing know how to make them.
Opener = Callable[[Ledger, str], None]
_openers: list[Opener] = []
# Ships all that waits of an order; known to the room of hardware.
Shipper = Callable[[Order, Actor, datetime], None]
_shippers: list[Shipper] = []
# The editions of the contact center that a quote may hold, by code, as they are called.
editions: dict[str, str] = {}


def when_accepted(opener: Opener) -> Opener:
    """Register what an accepted quote brings about before its lines, in the same transaction."""
    if opener not in _openers:
        _openers.append(opener)
    return opener


def ships(shipper: Shipper) -> Shipper:
    """Register how all that waits of an order is shipped, for forecasts."""
    if shipper not in _shippers:
        _shippers.append(shipper)
    return shipper


@dataclass(frozen=True, slots=True)
class Sums:
    """What a quote comes to: a month, and once; whole minor units of its currency."""

    monthly: Decimal
    once: Decimal


@dataclass(frozen=True, slots=True)
class Forecast:
    """The first invoices of a quote that is accepted on one day and shipped on another, and the sums it quotes.

    `waits` is what none of these invoices holds, by what its charges wait for.
    """

    sums: Sums
    accepted_on: date
    shipped_on: date | None
    invoices: tuple[Draft, ...]
    waits: Mapping[Basis, Sums]


class _Undo(Exception):
    """Ends the transaction of a forecast."""


def sums_of(quote: Quote) -> Sums:
    """What the quote's lines come to, each rounded for itself. One query."""
    return sums_of_lines(quote.lines.select_related("product"), quote.currency)


def sums_of_lines(lines: Iterable[QuoteLine], currency: str) -> Sums:
    """`sums_of` lines that come with their products."""
    decimals = decimals_of(currency)
    monthly = once = Decimal(0)
    for line in lines:
        amount = round_half_up(line.unit_price * line.quantity, decimals)
        if line.product.is_recurring:
            monthly += amount
        else:
            once += amount
    return Sums(monthly, once)


def set_lines(quote: Quote, items: Mapping[Product, tuple[int, Decimal]]) -> None:
    """Replace a draft's lines: quantity and unit price by product.

    Raises Refused where the quote has been sent, or a product is not quoted.
    """
    fees = {product.brings_id for product in items if product.brings_id}
    with transaction.atomic():
        quote = locked_quote(quote)
        if quote.state != QuoteState.DRAFT:
            raise Refused("This quote has been sent, so it does not change. Make a new one.", rule="ORD-1")
        for product in items:
            is_sold = product.is_on_sale or product.pk in fees
            if product.family not in QUOTABLE or not is_sold:
                raise Refused(f"{product.name} is not sold by quote.", rule="ORD-1", field="product")
        quote.lines.all().delete()
        QuoteLine.objects.bulk_create(
            QuoteLine(quote=quote, product=product, quantity=quantity, unit_price=price)
            for product, (quantity, price) in items.items()
        )


def accept_quote(quote: Quote, *, by: str, actor: Actor, at: datetime) -> Quote:
    """Accept a quote: its account is opened, and its order processed (ORD-1, ORD-2). All or nothing.

    `by` is the name of who accepts. Raises Refused where it was decided on before, or its last day is over.
    """
    by = one_line(by, 120)
    if not by:
        raise Refused("Type your name to accept.", field="by")
    for tries_left in reversed(range(MOST_TRIES)):
        try:
            return _accept(quote, by, actor, at)
        except IntegrityError:
            # Another quote has just opened an account of the same address, or made a user of the same e-mail
            # address; done again, what is there by now is found.
            if not tries_left:
                raise
    raise RuntimeError("a quote is accepted, or it says why not")


def _accept(quote: Quote, by: str, actor: Actor, at: datetime) -> Quote:
    """`accept_quote`, once."""
    with transaction.atomic():
        quote = _open(quote, at)
        account, order = _opened(quote, actor, at, by=by)
        owner = _make_owner(quote, account, actor, at)
        quote.accept(by, at, account, order)
        quote.save()
        record_quote(account, "accept-quote", quote, f"Quote {quote} accepted by {by}", actor, at)
        _confirm(quote, account, owner, at)
    return quote


def decline_quote(quote: Quote, *, by: str, reason: str, actor: Actor, at: datetime) -> Quote:
    """Turn a quote down. Raises Refused where it was decided on before."""
    with transaction.atomic():
        quote = _open(quote, at)
        by = one_line(by, 120)
        quote.decline(by, at, reason.strip()[:300])
        quote.save()
        record_quote(
            None, "decline-quote", quote, f"Quote {quote} declined by {by or 'the customer'}", actor, at
        )
    return quote


def expire_quotes(at: datetime) -> int:
    """Close the quotes whose last day is over in their own time zones; returns how many. A daily task."""
    expired = 0
    for quote in Quote.objects.filter(state=QuoteState.SENT).order_by("pk"):
        with transaction.atomic():
            fresh = locked_quote(quote)
            if fresh.state == QuoteState.SENT and fresh.is_over(today_of(fresh, at)):
                fresh.expire(at)
                fresh.save()
                actor = Actor.for_task("expire-quotes")
                record_quote(None, "expire-quote", fresh, f"Quote {fresh} expired", actor, at)
                expired += 1
    return expired


def forecast(quote: Quote, *, accepted_on: date, shipped_on: date | None, count: int = 3) -> Forecast:
    """The first invoices if the quote is accepted and shipped on these days of its own time zone (BIL-10).

    `shipped_on` is None where nothing ships until then. Raises Refused where it could not be accepted, and
    where it would ship before it is accepted.
    """
    if shipped_on is not None and shipped_on < accepted_on:
        raise Refused("Nothing ships before the quote is accepted.", rule="ORD-1", field="shipped_on")
    actor = Actor.for_task("quote-forecast")
    invoices: tuple[Draft, ...] = ()
    waits: Mapping[Basis, Sums] = {}
    try:
        with transaction.atomic():
            account, order = _opened(quote, actor, _noon(quote, accepted_on), is_simulation=True)
            if shipped_on is not None:
                for shipper in _shippers:
                    shipper(order, actor, _noon(quote, shipped_on))
            invoices = tuple(following(account, count))
            waits = _waits(account, invoices[-1].on)
            raise _Undo
    except _Undo:
        pass
    return Forecast(sums_of(quote), accepted_on, shipped_on, invoices, waits)


def _waits(account: Account, on: date) -> dict[Basis, Sums]:
    """What the account's charges come to that still wait on the BDOM `on`, by what they wait for."""
    decimals = decimals_of(account.currency)
    met = {condition for condition, day in foreseen(account).items() if day < on}
    waiting = Charge.objects.filter(account=account, billing_starts_on=None, ended_on=None)
    found: dict[Basis, Sums] = {}
    for charge in waiting.exclude(condition__in=met).select_related("product"):
        had = found.get(Basis(charge.basis), Sums(Decimal(0), Decimal(0)))
        amount = round_half_up((charge.unit_price or Decimal(0)) * charge.quantity, decimals)
        found[Basis(charge.basis)] = (
            Sums(had.monthly + amount, had.once)
            if charge.product.is_recurring
            else Sums(had.monthly, had.once + amount)
        )
    return found


def today_of(quote: Quote, at: datetime) -> date:
    """The quote's own date at an instant."""
    return at.astimezone(ZoneInfo(quote.timezone)).date()


def _opened(
    quote: Quote, actor: Actor, at: datetime, *, by: str = "", is_simulation: bool = False
) -> tuple[Account, Order]:
    """The account that the quote opens, and its order under way, at the prices of the quote.

    `by` is the name of who accepts it.
    """
    account = open_account(
        quote.brand,
        quote.company,
        slug=f"quote-{uuid4().hex[:12]}" if is_simulation else _free_slug(quote.company),
        bdom=quote.bdom,
        currency=quote.currency,
        timezone=quote.timezone,
        language=quote.language,
        billing_name=quote.company,
        billing_address=quote.billing_address,
        is_simulation=is_simulation,
        actor=actor,
        at=at,
    )
    items = {line.product: (line.quantity, line.unit_price) for line in quote.lines.select_related("product")}
    order = begin(account, items, edition=quote.edition, reference=quote.number, by=by, actor=actor, at=at)
    return account, order


def begin(
    account: Account,
    items: Mapping[Product, tuple[int, Decimal | None]],
    *,
    edition: str = "",
    reference: str = "",
    by: str = "",
    actor: Actor,
    at: datetime,
) -> Order:
    """The initial order of an account, under way: quantity and agreed price by product, None for the list price.

    With it come the complimentary auto attendant, and the contact center of an edition, "" for none (ORD-1).
    Raises Refused where there is one already, or something of it cannot be had; nothing is ordered then.
    """
    # What a product brings along comes with it, and is not ordered beside it.
    brought = {product.brings_id for product in items}
    agreed = {product.pk: price for product, (_, price) in items.items() if price is not None}
    with agreed_prices(agreed), open_ledger(account, actor=actor, at=at) as ledger:
        if Order.objects.filter(account=account, kind=OrderKind.INITIAL).exists():
            raise Refused("The account has its initial order already. Nothing was changed.", rule="ORD-1")
        for opener in _openers:
            opener(ledger, edition)
        order = make_order(
            ledger,
            [(product, quantity) for product, (quantity, _) in items.items() if product.pk not in brought],
            kind=OrderKind.INITIAL,
            reference=reference,
            placed_by=by,
        )
        process(ledger, order)
    return order


def _make_owner(quote: Quote, account: Account, actor: Actor, at: datetime) -> Added | None:
    """Whom the quote was sent to owns the account. Who cannot be made a member yet is told to staff by the trail."""
    try:
        with transaction.atomic():
            return add_member(
                account,
                email=quote.contact_email,
                full_name=quote.contact_name,
                role=Role.OWNER,
                actor=actor,
                at=at,
            )
    except Refused as refused:
        record_quote(
            account,
            "owner-missing",
            quote,
            f"{quote.contact_email} could not be made the owner: {refused.message}",
            actor,
            at,
        )
    return None


def _confirm(quote: Quote, account: Account, owner: Added | None, at: datetime) -> None:
    """Tell the contact that the account is open, and how to get in: who is new chooses a password by a link."""
    is_new = owner is not None and not owner.membership.user.has_usable_password()
    where = reverse("home", kwargs={"account": account.slug})
    if owner is not None and is_new:
        user = owner.membership.user
        key = urlsafe_base64_encode(force_bytes(user.pk))
        where = reverse("set-password", kwargs={"uidb64": key, "token": link_tokens.make_token(user)})
    context = {
        "number": quote.number,
        "by": quote.decided_by,
        "on": today_of(quote, at),
        "is_new": is_new,
        "url": panel_url(where),
    }
    queue_mail(account, "quote-accepted", [quote.contact_email], context, at=at)


def url_of(quote: Quote) -> str:
    """Where the customer reads the quote, as an address that works from outside of the panel."""
    return panel_url(reverse("offer:offer", kwargs={"token": quote.token}))


def one_line(text: str, most: int) -> str:
    """What somebody typed, without line breaks, which would mean something in a message."""
    return " ".join(text.split())[:most]


def _free_slug(company: str) -> str:
    """An address for the account: the company's name, with a number where it is taken."""
    wanted = slugify(company)[:50] or "account"
    taken = (
        set(Account.objects.filter(slug__startswith=wanted).values_list("slug", flat=True)) | RESERVED_SLUGS
    )
    number = 1
    slug = wanted
    while slug in taken:
        number += 1
        slug = f"{wanted}-{number}"
    return slug


def _open(quote: Quote, at: datetime) -> Quote:
    """The quote, locked, where it can be decided on; Refused where it cannot any more (ORD-1)."""
    quote = locked_quote(quote)
    if quote.state == QuoteState.DRAFT:
        raise Refused("This quote has not been sent.", rule="ORD-1")
    if quote.state != QuoteState.SENT:
        raise Refused(
            f"Quote {quote} was {quote.get_state_display().lower()} before. Nothing was changed.",
            rule="ORD-1",
        )
    if quote.is_over(today_of(quote, at)):
        raise Refused(
            f"Quote {quote} was valid until {quote.valid_until:%B %-d, %Y}. Ask for a new one. Nothing was changed.",
            rule="ORD-1",
        )
    return quote


def locked_quote(quote: Quote) -> Quote:
    """The quote as it stands, held until the transaction ends."""
    return Quote.objects.select_for_update(of=("self",)).select_related("brand").get(pk=quote.pk)


def _noon(quote: Quote, on: date) -> datetime:
    return datetime.combine(on, time(12), tzinfo=ZoneInfo(quote.timezone))


def record_quote(
    account: Account | None, action: str, quote: Quote, summary: str, actor: Actor, at: datetime
) -> None:
    """A line of the trail about a quote and the state that it is in now."""
    record(account, action, quote, summary, actor=actor, at=at, after={"state": quote.state})
