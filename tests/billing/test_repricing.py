"""BIL-6: prices are locked when bought; a repricing takes effect from a BDOM, whatever happens around it."""

from decimal import Decimal

import pytest

from accounts.end_users import add_end_user
from accounts.models import Account, EndUser
from accounts.refusals import Refused
from billing.charges import open_ledger
from billing.licences import add_licences, assign_licence, holdings, remove_licences
from billing.models import Charge
from telephony.models import Number
from telephony.numbers import add_number, assign_number, park_number
from tests.billing.engine_facts import day
from tests.billing.world import (
    an_account,
    bill,
    charges_of,
    issued_lines,
    lines_to_come,
    on,
    price,
    product,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    """An account with the BDOM 15, where a licence costs 31.00 and a local number 3.10 a month."""
    price("uc-licence", "31.00")
    price("number-local", "3.10")
    return an_account()


def reprice(account: Account, charge: Charge, amount: str, from_bdom: str, *, at: str) -> Charge:
    with open_ledger(account, **on(account, at)) as ledger:
        return ledger.reprice(charge, Decimal(amount), day(from_bdom))


def licences(account: Account, quantity: int, at: str) -> Charge:
    return add_licences(account, product("uc-licence"), quantity, **on(account, at))


def give_back(account: Account, quantity: int, at: str) -> None:
    remove_licences(account, product("uc-licence"), quantity, **on(account, at))


def additional_number(account: Account, at: str) -> tuple[EndUser, Number]:
    """An end user whose second number was assigned on a day."""
    licences(account, 1, at)
    ann = add_end_user(account, name="Ann", **on(account, at))
    assign_licence(ann, product("uc-licence"), **on(account, at))
    numbers = [add_number(account, f"+1212555010{n}", **on(account, at)) for n in (1, 2)]
    for number in numbers:
        assign_number(number, to=ann, **on(account, at))
    return ann, numbers[1]


def number_lines(account: Account, text: str) -> list[str]:
    return [line for line in lines_to_come(account, text) if "number-local" in line]


def test_a_change_of_the_catalogue_touches_new_purchases_only(account: Account) -> None:
    licences(account, 1, "01-02")
    price("uc-licence", "40.00", since="01-10")
    licences(account, 1, "01-09")
    licences(account, 1, "01-10")
    assert [charge.unit_price for charge in charges_of(account)] == [31, 31, 40]


def test_the_price_of_the_day_is_the_latest_in_effect_and_the_brands_own_before_all(account: Account) -> None:
    price("uc-licence", "32.00", since="01-05")
    price("uc-licence", "29.00", since="2025-12-01", brand=account.brand)
    price("uc-licence", "1.00", since="01-03", currency="EUR")
    assert licences(account, 1, "01-06").unit_price == 29
    assert add_licences(an_account(), product("uc-licence"), 1, **on(account, "01-06")).unit_price == 32


def test_a_new_price_holds_from_its_bdom(account: Account) -> None:
    charge = licences(account, 2, "01-02")
    reprice(account, charge, "62.00", "02-15", at="01-20")
    for bdom in ("01-15", "02-15", "03-15"):
        bill(account, bdom)
    assert issued_lines(account) == {
        "01-15": [
            "recurring uc-licence 2 · 01-09 to 01-15 · 6/31 · 12.00",
            "recurring uc-licence 2 · 01-15 to 02-15 · 31/31 · 62.00",
        ],
        "02-15": ["recurring uc-licence 2 · 02-15 to 03-15 · 28/28 · 124.00"],
        "03-15": ["recurring uc-licence 2 · 03-15 to 04-15 · 31/31 · 124.00"],
    }


def test_a_new_price_announced_months_before_leaves_no_month_out(account: Account) -> None:
    """BIL-9: until then the old price is billed, every month."""
    charge = licences(account, 1, "01-02")
    reprice(account, charge, "62.00", "05-15", at="01-10")
    for month in range(1, 7):
        bill(account, f"0{month}-15")
    amounts = [float(line.split(" · ")[-1]) for lines in issued_lines(account).values() for line in lines]
    assert amounts == [6, 31, 31, 31, 31, 62, 62]


def test_what_is_given_back_before_its_new_price_is_credited_at_the_old_one(account: Account) -> None:
    """BIL-5, BIL-9: the licences are gone, whatever was agreed for later."""
    charge = licences(account, 5, "01-02")
    bill(account, "01-15")
    reprice(account, charge, "62.00", "03-15", at="01-20")
    give_back(account, 2, "01-25")
    assert lines_to_come(account, "02-15") == [
        "recurring uc-licence 3 · 02-15 to 03-15 · 28/28 · 93.00",
        "credit uc-licence 2 · 01-25 to 02-15 · 21/31 · -42.00",
    ]
    assert lines_to_come(account, "03-15") == ["recurring uc-licence 3 · 03-15 to 04-15 · 31/31 · 186.00"]
    assert [(held.bought, held.free) for held in holdings(account) if held.bought] == [(3, 3)]


def test_all_that_is_given_back_before_two_new_prices_is_over(account: Account) -> None:
    """BIL-9: a price that has a further one behind it ends as well."""
    charge = licences(account, 1, "01-02")
    bill(account, "01-15")
    first = reprice(account, charge, "62.00", "02-15", at="01-20")
    reprice(account, first, "93.00", "03-15", at="01-21")
    give_back(account, 1, "01-25")
    assert lines_to_come(account, "02-15") == ["credit uc-licence 1 · 01-25 to 02-15 · 21/31 · -21.00"]
    assert lines_to_come(account, "03-15") == lines_to_come(account, "04-15") == []


def test_a_number_goes_on_at_its_price_until_the_new_one(account: Account) -> None:
    """NUM-7: what happens around a number that is billed does not charge it twice."""
    ann, second = additional_number(account, "01-02")
    bill(account, "01-15")
    reprice(account, charges_of(account, subject=f"number:{second.pk}")[-1], "6.20", "03-15", at="01-20")
    # A third number makes Ann's numbers be looked at again.
    third = add_number(account, "+12125550103", **on(account, "01-25"))
    assign_number(third, to=ann, **on(account, "01-25"))
    mine = [line for line in number_lines(account, "02-15") if "01-25" not in line]
    assert mine == ["recurring number-local 1 · 02-15 to 03-15 · 28/28 · 3.10"] * 2
    assert sorted(number_lines(account, "03-15")) == [
        "recurring number-local 1 · 03-15 to 04-15 · 31/31 · 3.10",
        "recurring number-local 1 · 03-15 to 04-15 · 31/31 · 6.20",
    ]


def test_a_number_that_is_parked_before_its_new_price_is_credited(account: Account) -> None:
    """BIL-3, BIL-5: thirty free days, then the old price up to the BDOM, and the new one from it."""
    _, second = additional_number(account, "01-02")
    bill(account, "01-15")
    reprice(account, charges_of(account, subject=f"number:{second.pk}")[-1], "6.20", "04-15", at="01-20")
    park_number(second, **on(account, "01-25"))
    assert number_lines(account, "02-15") == ["credit number-local 1 · 01-25 to 02-15 · 21/31 · -2.10"]
    assert number_lines(account, "03-15") == [
        "recurring number-local 1 · 02-24 to 03-15 · 19/28 · 2.10",
        "recurring number-local 1 · 03-15 to 04-15 · 31/31 · 3.10",
    ]
    assert number_lines(account, "04-15") == ["recurring number-local 1 · 04-15 to 05-15 · 30/30 · 6.20"]


def test_a_price_of_what_has_not_begun_is_changed_in_place(account: Account) -> None:
    charge = licences(account, 1, "01-10")
    reprice(account, charge, "62.00", "01-15", at="01-12")
    assert lines_to_come(account, "02-15") == [
        "recurring uc-licence 1 · 01-17 to 02-15 · 29/31 · 58.00",
        "recurring uc-licence 1 · 02-15 to 03-15 · 28/28 · 62.00",
    ]


@pytest.mark.parametrize("from_bdom", ["02-14", "01-15", "2025-12-15"])
def test_a_repricing_is_from_a_bdom_to_come(account: Account, from_bdom: str) -> None:
    charge = licences(account, 1, "01-02")
    bill(account, "01-15")
    with pytest.raises(Refused, match=r"a billing day to come; the next is February 15, 2026") as refused:
        reprice(account, charge, "1", from_bdom, at="01-20")
    assert (refused.value.rule, refused.value.field) == ("BIL-6", "from_on")
    assert charges_of(account) == [charge]


def test_a_bdom_whose_run_is_late_is_not_to_come(account: Account) -> None:
    """BIL-8: nothing ran since January; the price of February is no longer changed on Mar 1."""
    charge = licences(account, 1, "01-02")
    with pytest.raises(Refused, match="a billing day to come"):
        reprice(account, charge, "1", "02-15", at="03-01")


def test_what_has_ended_is_not_repriced(account: Account) -> None:
    charge = licences(account, 1, "01-02")
    give_back(account, 1, "01-20")
    [charge] = charges_of(account)
    with pytest.raises(Refused, match="has an end already"):
        reprice(account, charge, "1", "02-15", at="01-20")
