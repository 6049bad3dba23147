"""Services: what each kind is charged, and what happens to what they hold (BIL-3, NUM-3, NUM-6)."""

import pytest

from accounts.end_users import add_end_user
from accounts.models import Account, ExtensionClaim
from accounts.refusals import Refused
from billing.models import Charge, Price
from telephony.models import Number, Service, ServiceKind
from telephony.numbers import add_number, assign_number
from telephony.services import ADDABLE, add_service, remove_service, rename_service
from tests.billing.world import an_account, charges_of, lines_to_come, on, price, trail_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    """An account where lines and webfax cost 9.30 a month."""
    for code in ("resource-line", "fax-line", "webfax"):
        price(code, "9.30")
    return an_account()


def everything(account: Account) -> list[object]:
    models = (Service, Number, Charge, ExtensionClaim)
    rows: list[object] = [list(model._default_manager.order_by("pk").values()) for model in models]
    return [*rows, trail_of(account)]


@pytest.mark.parametrize("kind", [ServiceKind.RESOURCE_LINE, ServiceKind.FAX_LINE, ServiceKind.WEBFAX])
def test_a_line_is_charged_from_its_day_to_its_last(account: Account, kind: ServiceKind) -> None:
    """BIL-3, BIL-5."""
    line = add_service(account, kind, "Line", **on(account, "01-05"))
    assert lines_to_come(account, "01-15") == [
        f"recurring {kind} 1 · 01-05 to 01-15 · 10/31 · 3.00",
        f"recurring {kind} 1 · 01-15 to 02-15 · 31/31 · 9.30",
    ]
    remove_service(line, **on(account, "01-10"))
    assert lines_to_come(account, "01-15") == [f"recurring {kind} 1 · 01-05 to 01-10 · 5/31 · 1.50"]
    assert trail_of(account)[-2:] == ["add-service", "remove-service"]


def test_a_hunt_group_and_the_first_auto_attendant_cost_nothing(account: Account) -> None:
    """NUM-4, NUM-5."""
    add_service(account, ServiceKind.HUNT_GROUP, "Sales", **on(account, "01-05"))
    add_service(account, ServiceKind.AUTO_ATTENDANT, "Day", **on(account, "01-05"))
    assert charges_of(account) == []


def test_the_contact_center_is_not_added_here(account: Account) -> None:
    assert ServiceKind.CONTACT_CENTER not in ADDABLE
    with pytest.raises(Refused, match="kinds of service on offer"):
        add_service(account, ServiceKind.CONTACT_CENTER, "Center", **on(account, "01-05"))


def test_removing_a_service_parks_its_numbers_and_frees_its_extension(account: Account) -> None:
    """NUM-2, NUM-6."""
    line = add_service(account, ServiceKind.RESOURCE_LINE, "Line", extension="1001", **on(account, "01-05"))
    numbers = [add_number(account, f"+1212555010{n}", **on(account, "01-05")) for n in range(3)]
    for number in numbers:
        assign_number(number, to=line, **on(account, "01-05"))
    remove_service(line, **on(account, "01-20"))
    assert set(Number.objects.values_list("state", flat=True)) == {"parked"}
    assert {f"{charge.billing_starts_on}" for charge in charges_of(account, ended_on=None)} == {"2026-02-19"}
    add_end_user(account, name="Ann", extension="1001", **on(account, "01-20"))
    before = everything(account)
    with pytest.raises(Refused, match="was removed already"):
        remove_service(line, **on(account, "01-21"))
    with pytest.raises(Refused, match="was removed"):
        rename_service(line, name="Other", extension="", **on(account, "01-21"))
    with pytest.raises(Refused, match="was removed"):
        assign_number(numbers[0], to=line, **on(account, "01-21"))
    assert everything(account) == before


def test_extensions_are_unique_among_end_users_and_services(account: Account) -> None:
    """NUM-6: in the account, and of its length."""
    add_end_user(account, name="Ann", extension="1001", **on(account, "01-05"))
    before = everything(account)
    for extension, why in (("1001", "is taken by Ann"), ("101", "have 4 digits"), ("10a1", "have 4 digits")):
        with pytest.raises(Refused, match=why) as refused:
            add_service(account, ServiceKind.FAX_LINE, "Fax", extension=extension, **on(account, "01-05"))
        assert (refused.value.rule, refused.value.field) == ("NUM-6", "extension")
        assert everything(account) == before
    add_service(account, ServiceKind.FAX_LINE, "Fax", extension="1002", **on(account, "01-05"))
    with pytest.raises(Refused, match="is taken"):
        add_end_user(account, name="Bob", extension="1002", **on(account, "01-05"))
    other = an_account()
    assert add_service(other, ServiceKind.FAX_LINE, "Fax", extension="1002", **on(other, "01-05")).pk


def test_a_name_is_needed_and_not_given_twice(account: Account) -> None:
    add_service(account, ServiceKind.FAX_LINE, "Fax", **on(account, "01-05"))
    other = add_service(account, ServiceKind.FAX_LINE, "Second", **on(account, "01-05"))
    before = everything(account)
    for name in ("Fax", " Fax ", "", "  "):
        with pytest.raises(Refused) as refused:
            add_service(account, ServiceKind.FAX_LINE, name, **on(account, "01-06"))
        assert refused.value.field == "name"
        with pytest.raises(Refused):
            rename_service(other, name=name, extension="", **on(account, "01-06"))
    assert everything(account) == before
    assert add_service(account, ServiceKind.WEBFAX, "Fax", **on(account, "01-06")).name == "Fax"


def test_a_service_without_a_price_is_refused_and_leaves_nothing(account: Account) -> None:
    """BIL-6: nothing is sold without a price."""
    Price.objects.filter(product="fax-line").delete()
    before = everything(account)
    with pytest.raises(Refused, match="has no price in USD"):
        add_service(account, ServiceKind.FAX_LINE, "Fax", extension="1001", **on(account, "01-05"))
    assert everything(account) == before
