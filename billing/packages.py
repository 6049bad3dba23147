"""The toll-free package of an account: one, or pay-per-use (USE-6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import F, Q

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.catalogue import prices_on
from billing.charges import Ledger, open_ledger
from billing.models import Charge, Family, PackageTerms, Product

PAY_PER_USE = "pay-per-use"


@dataclass(frozen=True, slots=True)
class Package:
    """A package as it is on offer: price a month, minutes in it, price of each minute above them.

    Amounts are in the account's currency, not rounded; None where the catalogue has none.
    """

    product: Product
    price: Decimal | None
    minutes: int
    overage: Decimal | None


def packages_on(account: Account, on: date) -> list[Package]:
    """The packages on offer to an account on its date `on`, the smallest first. Three queries at most."""
    products = {
        product.pk: product for product in Product.objects.filter(family=Family.PACKAGE, is_on_sale=True)
    }
    terms = _terms(account, list(products), on)
    prices = prices_on(list(products), account, on)
    offers = [
        Package(products[code], prices.get(code), minutes, overage)
        for code, (minutes, overage) in terms.items()
    ]
    return sorted(offers, key=lambda offer: (offer.minutes, offer.product.rank))


def _terms(account: Account, codes: list[str], on: date) -> dict[str, tuple[int, Decimal]]:
    """Minutes and overage of packages, by product code."""
    rows = (
        PackageTerms.objects.filter(
            Q(brand=None) | Q(brand=account.brand_id),
            product__in=codes,
            overage_currency=account.currency,
            effective_on__lte=on,
        )
        .order_by("product", F("brand").asc(nulls_first=True), "effective_on")
        .values_list("product_id", "minutes", "overage")
    )
    # Later rows replace earlier ones: the brand's own, and the latest, stand last.
    return {code: (minutes, overage) for code, minutes, overage in rows}


def package_charge(account: Account) -> Charge | None:
    """The charge of the account's package, or None while it pays per use."""
    return (
        Charge.objects.filter(account=account, ended_on=None, product__family=Family.PACKAGE)
        .select_related("product")
        .order_by("-id")
        .first()
    )


def minutes_of(account: Account, code: str, on: date) -> int:
    """How many minutes a package includes; none for pay-per-use. Raises Refused where it is not on offer."""
    if code == PAY_PER_USE:
        return 0
    for offer in packages_on(account, on):
        if offer.product.pk == code:
            return offer.minutes
    raise Refused("Choose one of the packages on offer. Nothing was changed.", field="package")


def included_minutes(account: Account, charge: Charge | None, on: date) -> int:
    """How many minutes the package that an account has includes, on offer or not; none for pay-per-use."""
    if charge is None:
        return 0
    terms = _terms(account, [charge.product_id], on)
    return terms[charge.product_id][0] if charge.product_id in terms else 0


def set_package(account: Account, code: str, *, actor: Actor, at: datetime) -> None:
    """Change the account's package to a product code or `pay-per-use`, from the start of today (USE-4).

    Nothing if it is that already. Raises Refused where the package is not on offer or has no price.
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        set_package_in(ledger, code)


def set_package_in(ledger: Ledger, code: str) -> bool:
    """`set_package` inside an action that has the ledger open; whether anything was changed."""
    minutes_of(ledger.account, code, ledger.on)
    current = package_charge(ledger.account)
    before = current.product_id if current else PAY_PER_USE
    if before == code:
        return False
    if current is not None:
        ledger.end(current)
    if code != PAY_PER_USE:
        ledger.open(Product.objects.get(pk=code))
    ledger.record(
        "set-toll-free-package",
        ledger.account,
        f"Toll-free package changed from {before} to {code}",
        before={"package": before},
        after={"package": code},
    )
    return True
