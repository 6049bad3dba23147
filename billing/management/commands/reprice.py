"""`manage.py reprice`: another price for charges that run already, from a BDOM to come (BIL-6)."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from accounts.models import Account, Brand
from accounts.trail import Actor
from billing.engine import minor_unit
from billing.gather import decimals_of
from billing.models import Product
from billing.repricing import Repricing, effect_of, reprice

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

MOST_DECIMALS = 8


class Command(BaseCommand):
    """Shows what a repricing comes to, asks, and makes it."""

    help = (
        "Give the charges of a product another unit price, from each account's first billing day on or after "
        "--from (BIL-6). Charges without any price get it from their beginning. Shows what it comes to and asks; "
        "interrupted, it is finished by doing it again. Exit status: 0 done or nothing to do, 2 bad input."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What can be asked for."""
        parser.add_argument("product", help="The product's code, as uc-licence.")
        parser.add_argument("price", help="The new unit price, a month, as 25.49.")
        parser.add_argument("currency", help="Its currency: charges in others stay as they are.")
        parser.add_argument("--from", dest="from_on", required=True, metavar="DATE", help="As 2026-03-01.")
        parser.add_argument("--brand", metavar="SLUG", help="Accounts of this brand alone.")
        parser.add_argument(
            "--account",
            dest="accounts",
            action="append",
            default=[],
            metavar="SLUG",
            help="This account alone; more than once for several.",
        )
        parser.add_argument("--was", metavar="PRICE", help="Charges at this price alone.")
        parser.add_argument("--yes", action="store_true", help="Do it without asking.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show, ask, do."""
        asked = _asked(options)
        effect = effect_of(asked)
        unit = minor_unit(decimals_of(asked.currency))
        self.stdout.write(
            f"{asked.product.name}: {_many(effect.charges, 'charge')} of {_many(effect.accounts, 'account')}, "
            f"{_many(effect.units, 'unit')}"
        )
        if effect.unpriced:
            self.stdout.write(f"Without a price so far: {_many(effect.unpriced, 'charge')}")
        self.stdout.write(
            f"A month: {effect.monthly_before.quantize(unit):,} before, {effect.monthly_after.quantize(unit):,} after, "
            f"difference {effect.difference.quantize(unit):+,} {asked.currency}"
        )
        if not effect.charges:
            self.stdout.write("Nothing to change.")
            return
        if not options["yes"] and not self._is_sure():
            self.stdout.write("Nothing was changed.")
            return
        actor = Actor.for_command("reprice")
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("Accounts", total=effect.accounts)
            charges, accounts = reprice(
                asked,
                actor=actor,
                at=timezone.now(),
                progress=lambda done: progress.advance(bar, done),
            )
        self.stdout.write(f"Changed: {_many(charges, 'charge')} of {_many(accounts, 'account')}.")

    def _is_sure(self) -> bool:
        """Ask, where somebody is there to answer."""
        if not sys.stdin.isatty():
            self.stdout.write("Add --yes to do it.")
            return False
        return input("Do it? [y/N] ").strip().lower() in {"y", "yes"}


def _asked(options: dict[str, Any]) -> Repricing:
    """What was typed, understood. Raises CommandError with status 2 where something is not."""
    product = Product.objects.filter(code=options["product"]).first()
    if product is None:
        raise _bad(f"There is no product “{options['product']}”.")
    if not product.is_recurring:
        raise _bad(f"{product.name} is charged once, so there is nothing to reprice.")
    currency = options["currency"].upper()
    if not Account.objects.filter(currency=currency).exists():
        raise _bad(f"No account is billed in “{options['currency']}”.")
    brand = None
    if options["brand"]:
        brand = Brand.objects.filter(slug=options["brand"]).first()
        if brand is None:
            raise _bad(f"There is no brand “{options['brand']}”.")
    accounts = tuple(options["accounts"])
    known = set(Account.objects.filter(slug__in=accounts, is_simulation=False).values_list("slug", flat=True))
    for slug in accounts:
        if slug not in known:
            raise _bad(f"There is no account “{slug}”.")
    return Repricing(
        product,
        _price(options["price"]),
        currency,
        _day(options["from_on"]),
        brand,
        accounts,
        None if options["was"] is None else _price(options["was"]),
    )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise _bad(f"“{text}” is not a price. Write it as 25.49.") from None
    exponent = price.as_tuple().exponent
    if not isinstance(exponent, int) or price < 0 or price >= 10**10 or -exponent > MOST_DECIMALS:
        raise _bad(f"“{text}” is not a price: not below zero, and at most {MOST_DECIMALS} decimals.")
    return price


def _day(text: str | date) -> date:
    try:
        return text if isinstance(text, date) else date.fromisoformat(text)
    except ValueError:
        raise _bad(f"“{text}” is not a date. Write it as 2026-03-01.") from None


def _bad(message: str) -> CommandError:
    return CommandError(f"{message} Nothing was changed.", returncode=2)
