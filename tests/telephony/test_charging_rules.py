"""NUM-3 to NUM-5 and NUM-7: which numbers and services are charged, from when, and what goes on as it was."""

import pytest

from accounts.end_users import add_end_user
from accounts.models import Account, EndUser
from billing.licences import add_licences, assign_licence
from billing.models import Charge
from telephony.charging import included_numbers, numbers_of
from telephony.models import Number, Service, ServiceKind
from telephony.numbers import add_number, assign_number, park_number, release_number
from telephony.services import add_service, remove_service, rename_service
from tests.billing.engine_facts import day
from tests.billing.world import an_account, bill, charges_of, lines_to_come, on, price, product

pytestmark = pytest.mark.django_db

NEEDS_A_NUMBER = [
    ServiceKind.RESOURCE_LINE,
    ServiceKind.FAX_LINE,
    ServiceKind.WEBFAX,
    ServiceKind.AUTO_ATTENDANT,
]


@pytest.fixture
def account() -> Account:
    """An account where a local number costs 3.10, a toll-free one 6.20, and services 9.30 a month."""
    price("number-local", "3.10")
    price("number-toll-free", "6.20")
    for kind in NEEDS_A_NUMBER:
        price(kind.value, "9.30")
    return an_account()


def ann_of(account: Account) -> EndUser:
    add_licences(account, product("uc-licence"), 1, **on(account, "01-02"))
    ann = add_end_user(account, name="Ann", **on(account, "01-02"))
    assign_licence(ann, product("uc-licence"), **on(account, "01-02"))
    return ann


def service(account: Account, kind: ServiceKind, name: str = "Service", at: str = "01-02") -> Service:
    return add_service(account, kind, name, **on(account, at))


def numbers(account: Account, count: int, at: str = "01-03", *, toll_free: bool = False) -> list[Number]:
    prefix = "+1800555010" if toll_free else "+1212555010"
    return [add_number(account, f"{prefix}{n}", **on(account, at)) for n in range(count)]


def running(account: Account, number: Number) -> Charge | None:
    """The number's charge that has no end."""
    found = [
        charge for charge in charges_of(account, subject=f"number:{number.pk}") if charge.ended_on is None
    ]
    assert len(found) <= 1
    return found[0] if found else None


def is_charged(account: Account, number: Number) -> bool:
    charge = running(account, number)
    return charge is not None and charge.billing_starts_on == charge.added_on


def number_lines(account: Account, text: str) -> list[str]:
    return [line.removeprefix("recurring ") for line in lines_to_come(account, text) if " number-" in line]


# --- NUM-3, NUM-4 ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NEEDS_A_NUMBER)
@pytest.mark.parametrize("toll_free", [False, True])
def test_the_first_number_is_included_and_further_ones_are_charged(
    account: Account, kind: ServiceKind, toll_free: bool
) -> None:
    """NUM-3."""
    holder = service(account, kind)
    three = numbers(account, 3, toll_free=toll_free)
    for number in three:
        assign_number(number, to=holder, **on(account, "01-05"))
    assert [is_charged(account, number) for number in three] == [False, True, True]
    assert running(account, three[0]) is None
    assert included_numbers(numbers_of(holder)) == {three[0].pk}


def test_the_first_number_of_an_end_user_is_included(account: Account) -> None:
    """NUM-3."""
    ann = ann_of(account)
    three = numbers(account, 3)
    for number in reversed(three):
        assign_number(number, to=ann, **on(account, "01-05"))
    assert [is_charged(account, number) for number in three] == [True, True, False]


def test_every_number_of_a_hunt_group_is_charged(account: Account) -> None:
    """NUM-4."""
    sales = service(account, ServiceKind.HUNT_GROUP)
    two = numbers(account, 2)
    for number in two:
        assign_number(number, to=sales, **on(account, "01-05"))
    assert [is_charged(account, number) for number in two] == [True, True]
    assert included_numbers(numbers_of(sales)) == set()
    assert charges_of(account, subject=f"service:{sales.pk}") == []


@pytest.mark.parametrize("way", ["park", "release", "move"])
def test_when_the_included_one_goes_the_earliest_left_takes_its_place(account: Account, way: str) -> None:
    """NUM-3: whatever the way it goes; the charge of the one that follows ends."""
    ann, sales = ann_of(account), service(account, ServiceKind.HUNT_GROUP)
    first, second, third = numbers(account, 3)
    for number in (first, third, second):
        assign_number(number, to=ann, **on(account, "01-05"))
    if way == "park":
        park_number(first, **on(account, "01-20"))
    elif way == "release":
        release_number(first, **on(account, "01-20"))
    else:
        assign_number(first, to=sales, **on(account, "01-20"))
    assert running(account, third) is None
    assert is_charged(account, second)
    assert is_charged(account, first) == (way == "move")


def test_a_number_that_comes_back_is_the_last_in_line(account: Account) -> None:
    """NUM-3: earliest assigned means this time, not the first time."""
    ann = ann_of(account)
    first, second = numbers(account, 2)
    for number in (first, second):
        assign_number(number, to=ann, **on(account, "01-05"))
    park_number(first, **on(account, "01-06"))
    assign_number(first, to=ann, **on(account, "01-06"))
    assert (running(account, second), is_charged(account, first)) == (None, True)


# --- NUM-5 -------------------------------------------------------------------------------------


def test_the_earliest_auto_attendant_left_is_complimentary(account: Account) -> None:
    """NUM-5: by the order in which they were added, also on one day."""
    three = [service(account, ServiceKind.AUTO_ATTENDANT, name) for name in ("Z", "Y", "X")]

    def charged() -> list[bool]:
        return [bool(charges_of(account, subject=f"service:{s.pk}", ended_on=None)) for s in three]

    assert charged() == [False, True, True]
    remove_service(three[1], **on(account, "01-20"))
    assert charged() == [False, False, True]
    remove_service(three[0], **on(account, "01-21"))
    assert charged() == [False, False, False]
    assert [charge.ended_on for charge in charges_of(account)] == [day("01-20"), day("01-21")]


def test_an_auto_attendant_of_another_account_counts_for_nothing(account: Account) -> None:
    """NUM-5: the account's own."""
    service(an_account(), ServiceKind.AUTO_ATTENDANT)
    service(account, ServiceKind.AUTO_ATTENDANT)
    assert charges_of(account) == []


# --- NUM-7 and BIL-3 ---------------------------------------------------------------------------


def test_a_parked_number_that_is_billed_goes_on_as_an_additional_one(account: Account) -> None:
    """NUM-7: one charge, never ended; it is shown with its holder."""
    sales = service(account, ServiceKind.HUNT_GROUP, "Sales")
    [number] = numbers(account, 1)  # parked on Jan 3, billed from Feb 2
    assign_number(number, to=sales, **on(account, "02-02"))
    [charge] = charges_of(account, subject=f"number:{number.pk}")
    assert (charge.ended_on, charge.holder, f"{charge.billing_starts_on}") == (None, "Sales", "2026-02-02")


def test_a_parked_number_in_its_free_days_is_charged_from_its_assignment(account: Account) -> None:
    """BIL-3: an additional number has no delay; what waited never appears."""
    sales = service(account, ServiceKind.HUNT_GROUP)
    [number] = numbers(account, 1)
    assign_number(number, to=sales, **on(account, "02-01"))
    waited, charged = charges_of(account, subject=f"number:{number.pk}")
    assert (f"{waited.ended_on}", f"{charged.billing_starts_on}") == ("2026-02-01", "2026-02-01")
    assert number_lines(account, "02-15") == [
        "number-local 1 · 02-01 to 02-15 · 14/31 · 1.40",
        "number-local 1 · 02-15 to 03-15 · 28/28 · 3.10",
    ]


def test_the_thirty_days_start_anew_each_time(account: Account) -> None:
    """BIL-3."""
    ann = ann_of(account)
    [number] = numbers(account, 1)
    for date, billed_from in (("01-20", "2026-02-19"), ("02-10", "2026-03-12"), ("03-01", "2026-03-31")):
        assign_number(number, to=ann, **on(account, date))
        park_number(number, **on(account, date))
        charge = running(account, number)
        assert charge is not None
        assert f"{charge.billing_starts_on}" == billed_from
    assert number_lines(account, "03-15") == []


def test_a_toll_free_number_is_charged_wherever_it_is_not_included(account: Account) -> None:
    """BIL-3, NUM-7: parked, additional, parked again: one charge."""
    ann, sales = ann_of(account), service(account, ServiceKind.HUNT_GROUP)
    [number] = numbers(account, 1, toll_free=True)
    assign_number(number, to=sales, **on(account, "01-05"))
    park_number(number, **on(account, "01-06"))
    assert len(charges_of(account, subject=f"number:{number.pk}")) == 1
    assign_number(number, to=ann, **on(account, "01-07"))
    assert running(account, number) is None
    park_number(number, **on(account, "01-10"))
    assert [line.split(" · ")[1] for line in number_lines(account, "01-15")] == [
        "01-03 to 01-07",
        "01-10 to 01-15",
        "01-15 to 02-15",
    ]


def test_a_number_keeps_the_price_it_was_bought_at(account: Account) -> None:
    """BIL-6: also while it was included and not charged."""
    ann = ann_of(account)
    first, second = numbers(account, 2)
    for number in (second, first):
        assign_number(number, to=ann, **on(account, "01-05"))
    price("number-local", "5.00", since="01-10")
    park_number(second, **on(account, "01-20"))
    assign_number(second, to=ann, **on(account, "01-21"))
    charge = running(account, second)
    assert charge is not None
    assert charge.unit_price is not None
    assert float(charge.unit_price) == 3.10


def test_a_new_name_is_on_the_next_invoice_and_nothing_else_is(account: Account) -> None:
    """NUM-7: the charges go on; invoices that were issued keep the old name (INV-1)."""
    fax = service(account, ServiceKind.FAX_LINE, "Fax")
    sales = service(account, ServiceKind.HUNT_GROUP, "Sales")
    [number] = numbers(account, 1)
    assign_number(number, to=sales, **on(account, "01-05"))
    bill(account, "01-15")
    before = [(c.pk, c.unit_price, c.billing_starts_on, c.ended_on) for c in charges_of(account)]
    rename_service(fax, name="Telefax", extension="", **on(account, "01-20"))
    rename_service(sales, name="Shop", extension="", **on(account, "01-20"))
    assert [(c.pk, c.unit_price, c.billing_starts_on, c.ended_on) for c in charges_of(account)] == before
    assert [charge.holder for charge in charges_of(account, ended_on=None)] == ["Telefax", "Shop"]
    assert [charge.subject_label for charge in charges_of(account, ended_on=None)] == ["Telefax", number.e164]
