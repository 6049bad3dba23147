"""USE-4, USE-6, ONB-5: the toll-free package of an account, its price, and who may change to what."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account
from accounts.refusals import Refused
from billing.models import PackageTerms, Product
from billing.packages import PAY_PER_USE, package_charge, packages_on, set_package
from telephony.contact_center import activate, install, set_toll_free_package
from telephony.models import ContactCenter, Edition
from tests.billing.engine_facts import day
from tests.billing.world import an_account, bill, charges_of, lines_to_come, on, price, trail_of
from tests.factories import BrandFactory

pytestmark = pytest.mark.django_db

SMALL, MIDDLE, LARGE = "toll-free-500", "toll-free-1000", "toll-free-225000"


@pytest.fixture
def account() -> Account:
    price(SMALL, "12.40")
    price(MIDDLE, "24.80")
    return an_account()


def held(account: Account) -> str:
    charge = package_charge(account)
    return charge.product_id if charge else PAY_PER_USE


def terms(minutes: int, overage: str = "0.02", **fields: Any) -> None:
    PackageTerms.objects.create(
        **{"product_id": SMALL, "overage_currency": "USD", "effective_on": date(2026, 1, 3)}
        | {"minutes": minutes, "overage": Decimal(overage)}
        | fields
    )


# --- what is on offer --------------------------------------------------------------------------


def test_packages_from_500_to_225_000_minutes_are_on_offer(account: Account) -> None:
    """ONB-5: with price, minutes and overage, the smallest first."""
    offers = packages_on(account, day("01-05"))
    minutes = [offer.minutes for offer in offers]
    assert minutes == sorted(minutes)
    assert (minutes[0], minutes[-1], len(minutes)) == (500, 225_000, 9)
    assert (offers[0].price, offers[0].overage) == (Decimal("12.40"), Decimal("0.025"))
    assert all(offer.price and offer.overage for offer in offers)


def test_terms_are_the_latest_of_the_brand_else_of_all(account: Account) -> None:
    terms(600)
    assert packages_on(account, day("01-02"))[0].minutes == 500
    assert packages_on(account, day("01-03"))[0].minutes == 600
    terms(700, brand=account.brand)
    terms(800, brand=BrandFactory())
    terms(900, overage_currency="EUR")
    offer = packages_on(account, day("01-04"))[0]
    assert (offer.minutes, offer.overage) == (700, Decimal("0.02"))


def test_an_account_pays_per_use_by_default(account: Account) -> None:
    """ONB-5."""
    assert package_charge(account) is None


# --- changing ----------------------------------------------------------------------------------


def test_a_package_is_billed_from_the_day_it_is_taken(account: Account) -> None:
    """BIL-3, USE-6."""
    set_package(account, SMALL, **on(account, "01-05"))
    assert lines_to_come(account, "01-15") == [
        "recurring toll-free-500 1 · 01-05 to 01-15 · 10/31 · 4.00",
        "recurring toll-free-500 1 · 01-15 to 02-15 · 31/31 · 12.40",
    ]


def test_a_change_takes_effect_from_the_start_of_the_day(account: Account) -> None:
    """USE-4: the price of both parts is prorated by days; there is one package at a time."""
    set_package(account, SMALL, **on(account, "01-05"))
    bill(account, "01-15")
    set_package(account, MIDDLE, **on(account, "01-20", "23:59"))
    assert lines_to_come(account, "02-15") == [
        "recurring toll-free-1000 1 · 01-20 to 02-15 · 26/31 · 20.80",
        "recurring toll-free-1000 1 · 02-15 to 03-15 · 28/28 · 24.80",
        "credit toll-free-500 1 · 01-20 to 02-15 · 26/31 · -10.40",
    ]
    assert [charge.product_id for charge in charges_of(account, ended_on=None)] == [MIDDLE]
    set_package(account, PAY_PER_USE, **on(account, "01-25"))
    assert held(account) == PAY_PER_USE
    assert trail_of(account).count("set-toll-free-package") == 3


def test_what_it_is_already_changes_nothing(account: Account) -> None:
    set_package(account, PAY_PER_USE, **on(account, "01-05"))
    set_package(account, SMALL, **on(account, "01-05"))
    before = trail_of(account)
    set_package(account, SMALL, **on(account, "01-06"))
    assert (trail_of(account), len(charges_of(account))) == (before, 1)


@pytest.mark.parametrize("code", ["toll-free-1", "uc-licence", "", "cc-pro-licence"])
def test_what_is_no_package_is_refused(account: Account, code: str) -> None:
    """USE-6."""
    before = trail_of(account)
    with pytest.raises(Refused, match="packages on offer") as refused:
        set_toll_free_package(account, code, **on(account, "01-05"))
    assert refused.value.field == "package"
    assert (trail_of(account), charges_of(account)) == (before, [])


def test_a_package_without_a_price_is_refused_and_the_old_one_stays(account: Account) -> None:
    """BIL-6."""
    set_package(account, SMALL, **on(account, "01-05"))
    Product.objects.get(pk=MIDDLE).prices.all().delete()
    with pytest.raises(Refused, match="no price"):
        set_package(account, MIDDLE, **on(account, "01-06"))
    assert held(account) == SMALL


# --- in onboarding -----------------------------------------------------------------------------


def test_in_onboarding_fewer_minutes_are_allowed_and_more_are_not(account: Account) -> None:
    """ONB-5: a package of the initial order stays; activation ends it."""
    set_package(account, MIDDLE, **on(account, "01-05"))
    contact_center = install(account, Edition.PRO, **on(account, "01-05"))
    for wanted in (LARGE, "toll-free-2500"):
        with pytest.raises(Refused, match="cannot be upgraded") as refused:
            set_toll_free_package(account, wanted, **on(account, "01-06"))
        assert (refused.value.rule, refused.value.field) == ("ONB-5", "package")
        assert account.brand.onboarding_email in refused.value.message
    assert held(account) == MIDDLE
    assert ContactCenter.objects.get().toll_free_chosen_on is None
    for allowed in (MIDDLE, SMALL, PAY_PER_USE):
        set_toll_free_package(account, allowed, **on(account, "01-07"))
        assert held(account) == allowed
    with pytest.raises(Refused, match="cannot be upgraded"):
        set_toll_free_package(account, SMALL, **on(account, "01-07"))
    activate(contact_center, reason="Tested", **on(account, "01-08"))
    set_toll_free_package(account, LARGE, **on(account, "01-08"))
    assert held(account) == LARGE


def test_a_brand_may_allow_it(account: Account) -> None:
    """ONB-5."""
    brand = BrandFactory(toll_free_upgrade_in_onboarding=True)
    allowed = an_account(brand=brand)
    install(allowed, Edition.ELITE, **on(allowed, "01-05"))
    set_toll_free_package(allowed, LARGE, **on(allowed, "01-06"))
    assert held(allowed) == LARGE


def test_a_package_that_was_withdrawn_can_be_left_in_onboarding(account: Account) -> None:
    """ONB-5: its minutes still count, and it binds nobody."""
    set_package(account, MIDDLE, **on(account, "01-05"))
    install(account, Edition.PRO, **on(account, "01-05"))
    Product.objects.filter(pk=MIDDLE).update(is_on_sale=False)
    with pytest.raises(Refused, match="cannot be upgraded"):
        set_toll_free_package(account, "toll-free-2500", **on(account, "01-06"))
    set_toll_free_package(account, SMALL, **on(account, "01-06"))
    assert held(account) == SMALL


def test_a_package_is_billed_in_onboarding_as_usual(account: Account) -> None:
    """ONB-6."""
    set_package(account, SMALL, **on(account, "01-05"))
    install(account, Edition.PRO, **on(account, "01-05"))
    assert len(lines_to_come(account, "01-15")) == 2
