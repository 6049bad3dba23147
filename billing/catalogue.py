"""Reads the catalogue: products and the price that holds on a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.db.models import F, Q

from accounts.models import Account
from accounts.refusals import Refused
from billing.engine import ProductTerms, Section
from billing.models import Price, Product


def product_terms() -> dict[str, ProductTerms]:
    """All products by code, as the engine reads them. One query."""
    rows = Product.objects.values_list("code", "section", "is_recurring", "credit_policy", "rank")
    return {
        code: ProductTerms(code, Section(section), is_recurring, policy == "credit", rank)
        for code, section, is_recurring, policy, rank in rows
    }


def price_on(product: str, account: Account, on: date) -> Decimal | None:
    """The unit price of a product code for an account on its date `on`, or None where none is set.

    In the account's currency, not rounded. A price of the account's brand goes before one for all
    brands; of each, the latest that is in effect.
    """
    return prices_on([product], account, on).get(product)


def prices_on(products: list[str], account: Account, on: date) -> dict[str, Decimal]:
    """The unit prices of several product codes, as `price_on`, in one query."""
    rows = (
        Price.objects.filter(
            Q(brand=None) | Q(brand=account.brand_id),
            product__in=products,
            amount_currency=account.currency,
            effective_on__lte=on,
        )
        .order_by("product", F("brand").asc(nulls_first=True), "effective_on")
        .values_list("product_id", "amount")
    )
    # Later rows replace earlier ones: the brand's own, and the latest, stand last.
    return dict(rows)


def sale_price(product: Product, account: Account, on: date) -> Decimal:
    """The price at which a product is sold to an account. Raises Refused where there is none."""
    price = price_on(product.code, account, on)
    if price is None:
        raise Refused(
            f"{product.name} has no price in {account.currency}, so it cannot be bought. "
            "Nothing was changed.",
            rule="BIL-6",
            field="product",
        )
    return price
