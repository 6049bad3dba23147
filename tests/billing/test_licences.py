"""LIC-1: licences are bought in quantities, assigned to end users, and given back, the newest first."""

import pytest
from django.db import transaction

from accounts.end_users import add_end_user
from accounts.models import Account, EndUser
from accounts.refusals import Refused
from billing import licences
from billing.licences import (
    add_licences,
    assign_licence,
    holdings,
    holds_licence,
    remove_licences,
    unassign_all,
    unassign_licence,
)
from billing.models import BillingSchedule, Charge, ChargeState, LicenceAssignment, Price
from tests.billing.engine_facts import day
from tests.billing.world import (
    an_account,
    bill,
    charges_of,
    dates_of,
    issued_lines,
    lines_to_come,
    on,
    price,
    product,
    trail_of,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    """An account where a licence costs 31.00 a month."""
    price("uc-licence", "31.00")
    return an_account()


def buy(account: Account, quantity: int, at: str) -> Charge:
    return add_licences(account, product("uc-licence"), quantity, **on(account, at))


def give_back(account: Account, quantity: int, at: str) -> list[Charge]:
    return remove_licences(account, product("uc-licence"), quantity, **on(account, at))


def person(account: Account, name: str) -> EndUser:
    return add_end_user(account, name=name, **on(account, "01-02"))


def everything(account: Account) -> list[object]:
    """All that an action could have changed."""
    rows: list[object] = [
        list(m._default_manager.order_by("pk").values()) for m in (Charge, LicenceAssignment)
    ]
    return [*rows, trail_of(account), BillingSchedule.objects.get(account=account).stamp]


def test_a_licence_is_billed_from_the_eighth_day_assigned_or_not(account: Account) -> None:
    """LIC-1, BIL-3."""
    charge = buy(account, 3, "01-05")
    assert (charge.state, dates_of(charge), charge.basis_days) == ("waiting", (day("01-12"), None), 7)
    assign_licence(person(account, "Ann"), product("uc-licence"), **on(account, "01-06"))
    assert lines_to_come(account, "01-15") == [
        "recurring uc-licence 3 · 01-12 to 01-15 · 3/31 · 9.00",
        "recurring uc-licence 3 · 01-15 to 02-15 · 31/31 · 93.00",
    ]


def test_the_newest_go_first_and_those_in_their_delay_cost_nothing(account: Account) -> None:
    """LIC-1, BIL-5."""
    old = buy(account, 3, "01-02")
    middle = buy(account, 2, "01-05")
    new = buy(account, 2, "01-05")
    ended = give_back(account, 3, "01-11")
    assert [(charge.pk == new.pk, charge.quantity) for charge in ended] == [(True, 2), (False, 1)]
    assert {dates_of(charge) for charge in ended} == {(day("01-12"), day("01-11"))}
    left = {charge.pk: charge.quantity for charge in charges_of(account, ended_on=None)}
    assert left == {old.pk: 3, middle.pk: 1}
    give_back(account, 1, "01-12")
    assert [line.split(" · ")[0:2] for line in lines_to_come(account, "01-15")] == [
        ["recurring uc-licence 3", "01-09 to 01-15"],
        ["recurring uc-licence 3", "01-15 to 02-15"],
    ]


def test_giving_back_touches_only_those_units(account: Account) -> None:
    """NUM-7, BIL-5: the others go on as they were; the month they were paid for comes back by the day."""
    charge = buy(account, 5, "01-02")
    bill(account, "01-15")
    give_back(account, 2, "01-25")
    [kept] = charges_of(account, ended_on=None)
    assert (kept.pk, kept.quantity, kept.billing_starts_on) == (charge.pk, 3, day("01-09"))
    [ended] = charges_of(account, ended_on=day("01-25"))
    assert (ended.quantity, ended.state, ended.unit_price) == (2, ChargeState.ENDED, charge.unit_price)
    assert lines_to_come(account, "02-15") == [
        "recurring uc-licence 3 · 02-15 to 03-15 · 28/28 · 93.00",
        "credit uc-licence 2 · 01-25 to 02-15 · 21/31 · -42.00",
    ]


def test_what_is_given_back_on_the_bdom_is_credited_on_the_next_invoice(account: Account) -> None:
    """BIL-7."""
    buy(account, 1, "01-02")
    bill(account, "01-15")
    give_back(account, 1, "01-15")
    bill(account, "02-15")
    assert issued_lines(account)["02-15"] == ["credit uc-licence 1 · 01-15 to 02-15 · 31/31 · -31.00"]


@pytest.mark.parametrize(
    ("quantity", "message"),
    [
        (3, "UC licence: only 2 are unassigned, so 3 cannot be given back"),
        (100_000, "so 100000 cannot"),
        (0, "from 1 to 100,000"),
        (-1, "from 1 to 100,000"),
        (100_001, "from 1 to 100,000"),
    ],
)
def test_only_unassigned_licences_are_given_back(account: Account, quantity: int, message: str) -> None:
    """LIC-1: refused as a whole, and nothing has changed."""
    buy(account, 3, "01-02")
    assign_licence(person(account, "Ann"), product("uc-licence"), **on(account, "01-02"))
    before = everything(account)
    with pytest.raises(Refused, match=message) as refused:
        give_back(account, quantity, "01-05")
    assert refused.value.field == "quantity"
    assert everything(account) == before


def test_an_assignment_needs_a_free_licence(account: Account) -> None:
    """LIC-1."""
    ann, bob = person(account, "Ann"), person(account, "Bob")
    uc = product("uc-licence")
    buy(account, 1, "01-02")
    assign_licence(ann, uc, **on(account, "01-03"))
    before = everything(account)
    with pytest.raises(Refused, match="No UC licence is free") as refused:
        assign_licence(bob, uc, **on(account, "01-03"))
    assert (refused.value.rule, refused.value.field) == ("LIC-1", "product")
    assign_licence(ann, uc, **on(account, "01-04"))  # holds it already: nothing happens
    assert everything(account) == before
    unassign_licence(ann, uc, **on(account, "01-05"))
    assign_licence(bob, uc, **on(account, "01-05"))
    assert (holds_licence(ann, "uc-licence"), holds_licence(bob, "uc-licence")) == (False, True)
    held = [(a.end_user.name, a.assigned_on, a.unassigned_on) for a in LicenceAssignment.objects.all()]
    assert held == [("Ann", day("01-03"), day("01-05")), ("Bob", day("01-05"), None)]
    assert trail_of(account)[-2:] == ["unassign-licence", "assign-licence"]


def test_licences_of_another_account_are_not_free_here(account: Account) -> None:
    """LIC-1."""
    buy(an_account(), 5, "01-02")
    with pytest.raises(Refused, match="is free"):
        assign_licence(person(account, "Ann"), product("uc-licence"), **on(account, "01-02"))


def test_an_assignment_is_not_a_purchase(account: Account) -> None:
    """BIL-3: assigning and taking move no charge."""
    ann = person(account, "Ann")
    buy(account, 2, "01-02")
    before = [(c.pk, c.quantity, dates_of(c)) for c in charges_of(account)]
    assign_licence(ann, product("uc-licence"), **on(account, "01-03"))
    unassign_all(ann, **on(account, "01-04"))
    unassign_licence(ann, product("uc-licence"), **on(account, "01-04"))
    assert [(c.pk, c.quantity, dates_of(c)) for c in charges_of(account)] == before


def test_holdings_count_what_is_bought_assigned_and_free(account: Account) -> None:
    """LIC-1."""
    buy(account, 3, "01-02")
    buy(account, 2, "01-03")
    give_back(account, 1, "01-04")
    assign_licence(person(account, "Ann"), product("uc-licence"), **on(account, "01-04"))
    [held] = [held for held in holdings(account) if held.product.pk == "uc-licence"]
    assert (held.bought, held.assigned, held.free) == (4, 1, 3)


@pytest.mark.parametrize("code", ["phone-desk-basic", "webfax", "number-local"])
def test_what_is_no_licence_is_not_bought_as_one(account: Account, code: str) -> None:
    before = everything(account)
    with pytest.raises(Refused, match="is not a licence that can be bought"):
        add_licences(account, product(code), 1, **on(account, "01-05"))
    assert everything(account) == before


def test_what_has_no_price_in_the_accounts_currency_is_not_sold(account: Account) -> None:
    """BIL-6, BIL-12."""
    Price.objects.filter(product="uc-licence", amount_currency="EUR").delete()
    european = an_account(currency="EUR")
    before = everything(european)
    with pytest.raises(Refused, match="has no price in EUR"):
        add_licences(european, product("uc-licence"), 1, **on(european, "01-05"))
    assert everything(european) == before


def test_the_trail_goes_back_with_its_action(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """ACC-5: what fails in the end has left nothing, not even a word."""
    ann = person(account, "Ann")
    buy(account, 1, "01-02")
    assign_licence(ann, product("uc-licence"), **on(account, "01-02"))
    before = everything(account)

    def fail(*_: object) -> None:
        raise Refused("No.")

    monkeypatch.setattr(licences, "_when_taken", [fail])
    with pytest.raises(Refused, match="No"), transaction.atomic():
        unassign_licence(ann, product("uc-licence"), **on(account, "01-03"))
    assert everything(account) == before
    assert holds_licence(ann, "uc-licence")
