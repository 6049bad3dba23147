"""What a choice would come to, before anything happens (PLN-3, PLN-4, BIL-6, BIL-10)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from accounts.models import Account
from accounts.refusals import Refused
from billing.models import PlanDiscount, Price, Product
from billing.plans import changes
from billing.plans.deals import Deal, DealKind, deal_of, discounts_on, packages, plan_of
from tests.plans.conftest import LARGE, MIDDLE, SMALL, on, order, package, register


def deal(account: Account, code: str, quantity: int, months: int | None, day: str) -> Deal:
    return deal_of(
        account, package(code), quantity, months, plan=plan_of(account), on=date.fromisoformat(day)
    )


def test_a_first_plan_costs_its_whole_cycle(account: Account) -> None:
    """PLN-3: price × quantity × months less the discount; it renews for the same."""
    found = deal(account, MIDDLE, 100, 12, "2026-01-31")
    assert (found.kind, found.amount, found.renewal) == (
        DealKind.REGISTRATION,
        Decimal("21600.00"),
        Decimal("21600.00"),
    )
    assert (found.cycle.start, found.renews_on) == (date(2026, 1, 31), date(2027, 1, 31))


def test_the_discount_is_that_of_the_day_and_a_brand_s_own_goes_before(account: Account) -> None:
    """PLN-3."""
    PlanDiscount.objects.create(months=24, discount=Decimal("0.30"), effective_on=date(2026, 1, 1))
    PlanDiscount.objects.create(months=12, discount=Decimal("0.50"), effective_on=date(2026, 1, 1))
    PlanDiscount.objects.create(
        brand=account.brand, months=12, discount=Decimal("0.20"), effective_on=date(2026, 3, 1)
    )
    assert discounts_on(account, date(2026, 2, 28)) == {
        1: 0,
        3: 0,
        6: 0,
        12: Decimal("0.1"),
        24: Decimal("0.3"),
    }
    assert discounts_on(account, date(2026, 3, 1))[12] == Decimal("0.2")


@pytest.mark.parametrize(
    ("code", "quantity", "kind", "amount"),
    [
        (SMALL, 15, DealKind.INCREASE, "25.81"),  # 50 × 16 / 31
        (MIDDLE, 10, DealKind.INCREASE, "51.61"),  # 100 × 16 / 31
        (MIDDLE, 5, DealKind.INCREASE, "0.00"),  # as much, of another package
        (LARGE, 2, DealKind.AT_RENEWAL, "0.00"),  # fewer in all, though the package is higher
        (SMALL, 9, DealKind.AT_RENEWAL, "0.00"),
        (SMALL, 10, DealKind.NOTHING, "0.00"),
    ],
)
def test_more_or_fewer_goes_by_the_total(
    account: Account, code: str, quantity: int, kind: DealKind, amount: str
) -> None:
    """PLN-4: within a cycle of January 10 to February 10, on January 25, 16 of 31 days are left."""
    register(account, SMALL, 10, 1, "2026-01-10")
    found = deal(account, code, quantity, None, "2026-01-25")
    assert (found.kind, found.amount) == (kind, Decimal(amount))
    assert found.renews_on == date(2026, 2, 10)


def test_another_cycle_begins_with_the_renewal(account: Account) -> None:
    """PLN-4: what is more is paid for within this cycle; the longer one, with its discount, comes after it."""
    register(account, SMALL, 10, 1, "2026-01-10")
    longer = deal(account, SMALL, 10, 12, "2026-01-25")
    assert (longer.kind, longer.amount, longer.renewal) == (
        DealKind.AT_RENEWAL,
        Decimal(0),
        Decimal("1080.00"),
    )
    more = deal(account, SMALL, 15, 12, "2026-01-25")
    assert (more.kind, more.amount, more.renewal) == (DealKind.INCREASE, Decimal("25.81"), Decimal("1620.00"))


def test_what_is_had_keeps_its_price_and_another_package_has_that_of_today(account: Account) -> None:
    """BIL-6."""
    register(account, SMALL, 10, 1, "2026-01-10")
    for code in (SMALL, MIDDLE):
        Price.objects.create(
            product_id=code,
            brand=account.brand,
            amount=Decimal(99),
            amount_currency="USD",
            effective_on=date(2026, 1, 20),
        )
    assert deal(account, SMALL, 11, None, "2026-01-25").terms.unit_price == 10
    assert deal(account, MIDDLE, 11, None, "2026-01-25").terms.unit_price == 99


@pytest.mark.parametrize(
    ("code", "quantity", "months", "field"),
    [
        (SMALL, 0, 1, "quantity"),
        (SMALL, 100_001, 1, "quantity"),
        (SMALL, 1, 2, "months"),
        (SMALL, 1, 0, None),
        ("uc-licence", 1, 1, "package"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused_by_its_field(
    account: Account, code: str, quantity: int, months: int, field: str | None
) -> None:
    """PLN-3."""
    if months == 0:
        assert deal(account, code, quantity, None, "2026-01-10").terms.months == 1
        return
    with pytest.raises(Refused) as refusal:
        deal(account, code, quantity, months, "2026-01-10")
    assert refusal.value.field == field


def test_a_package_off_the_shelf_is_kept_and_not_registered(account: Account) -> None:
    """PLN-1: who has it may have more of it."""
    register(account, SMALL, 10, 1, "2026-01-10")
    Product.objects.filter(pk__in=(SMALL, MIDDLE)).update(is_on_sale=False)
    assert [product.code for product in packages()] == [LARGE]
    assert deal(account, SMALL, 11, None, "2026-01-25").kind is DealKind.INCREASE
    with pytest.raises(Refused, match="not a package"):
        deal(account, MIDDLE, 11, None, "2026-01-25")


def test_a_package_without_a_price_is_not_sold(account: Account) -> None:
    """BIL-6."""
    Price.objects.filter(product=LARGE).delete()
    with pytest.raises(Refused, match="has no price in USD"):
        deal(account, LARGE, 1, 1, "2026-01-10")


def test_a_plan_that_ends_becomes_more_but_not_less(account: Account) -> None:
    """PLN-4: there is no renewal from which it could be less."""
    register(account, SMALL, 10, 1, "2026-01-10")
    changes.unsubscribe(account, **on(account, "2026-01-11"))
    assert deal(account, SMALL, 11, None, "2026-01-25").kind is DealKind.INCREASE
    with pytest.raises(Refused, match="Keep the plan first"):
        deal(account, SMALL, 9, None, "2026-01-25")


def test_a_renewal_that_is_not_paid_comes_first(account: Account) -> None:
    """PLN-4."""
    register(account, SMALL, 10, 1, "2026-01-10")
    with pytest.raises(Refused, match="has not been paid yet"):
        order(account, SMALL, 11, None, "2026-02-10")
