"""NUM-1, NUM-2 and NUM-8: what numbers are, where they are, who may have one, and who had them when."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.end_users import add_end_user
from accounts.models import Account, EndUser
from accounts.refusals import Refused
from billing.licences import add_licences, assign_licence, unassign_licence
from billing.models import Charge
from telephony.bulk import add_numbers
from telephony.contact_center import install
from telephony.end_users import remove_end_user
from telephony.models import Edition, InventoryNumber, Number, NumberHolding, Service, ServiceKind
from telephony.numbers import add_number, assign_number, park_number, release_number, swap_numbers
from telephony.services import add_service
from tests.billing.world import an_account, charges_of, lines_to_come, on, price, product, trail_of
from tests.factories import BrandFactory

pytestmark = pytest.mark.django_db

A, B = "+12125550101", "+12125550102"


@pytest.fixture
def account() -> Account:
    """An account where a local number costs 3.10 a month and a toll-free one 6.20."""
    price("number-local", "3.10")
    price("number-toll-free", "6.20")
    return an_account()


def fresh(number: Number) -> Number:
    return Number.objects.get(pk=number.pk)


def licensed(account: Account, name: str = "Ann", at: str = "01-02") -> EndUser:
    add_licences(account, product("uc-licence"), 1, **on(account, at))
    end_user = add_end_user(account, name=name, **on(account, at))
    assign_licence(end_user, product("uc-licence"), **on(account, at))
    return end_user


def hunt_group(account: Account, name: str = "Sales") -> Service:
    return add_service(account, ServiceKind.HUNT_GROUP, name, **on(account, "01-02"))


def history(number: Number) -> list[tuple[str, str, str | None]]:
    """Who held the number, from and to which time of its account, the earliest first."""
    zone = number.account.zone
    return [
        (
            held.holder,
            f"{held.from_at.astimezone(zone):%m-%d}",
            None if held.to_at is None else f"{held.to_at.astimezone(zone):%m-%d}",
        )
        for held in NumberHolding.objects.filter(number=number).order_by("id")
    ]


def everything(account: Account) -> list[object]:
    """All that an action could have changed."""
    models = (Number, NumberHolding, Charge, Service, EndUser)
    rows: list[object] = [list(model._default_manager.order_by("pk").values()) for model in models]
    return [*rows, trail_of(account), list(InventoryNumber.objects.order_by("pk").values())]


# --- NUM-1 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed", [A, "(212) 555-0101", "212.555.0101", "1 212 555 0101", " +1-212-555-0101 "]
)
def test_a_number_is_kept_in_e164_however_it_was_typed(account: Account, typed: str) -> None:
    """NUM-1."""
    number = add_number(account, typed, **on(account, "01-05"))
    assert (number.e164, number.kind, number.country, number.region) == (A, "local", "US", "NY")
    assert (number.state, number.holder, f"{number.parked_on}") == ("parked", None, "2026-01-05")
    assert history(number) == [("Parked", "01-05", None)]
    assert trail_of(account)[-1] == "add-number"


def test_a_live_number_is_somebodys_once(account: Account) -> None:
    """NUM-1: across all accounts; released, it can be taken again."""
    number = add_number(account, A, **on(account, "01-05"))
    other = an_account()
    for taker in (account, other):
        before = everything(taker)
        with pytest.raises(Refused, match="in use already") as refused:
            add_number(taker, "(212) 555-0101", **on(taker, "01-06"))
        assert (refused.value.rule, refused.value.field) == ("NUM-1", "number")
        assert everything(taker) == before
    release_number(number, **on(account, "01-07"))
    assert add_number(other, A, **on(other, "01-07")).account == other


def test_the_database_has_the_last_word_on_live_numbers(account: Account) -> None:
    """NUM-1."""
    number = add_number(account, A, **on(account, "01-05"))
    twin = Number(account=an_account(), e164=A, kind="local", country="US", added_on=number.added_on)
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()


def test_a_number_in_another_brands_inventory_is_not_for_us(account: Account) -> None:
    """NUM-1: numbers are picked from the brand's own; giving one up puts it back."""
    InventoryNumber.objects.create(brand=account.brand, e164=A, area_code="212", kind="local")
    InventoryNumber.objects.create(brand=BrandFactory(), e164=B, area_code="212", kind="local")
    with pytest.raises(Refused, match="in use already"):
        add_number(account, B, **on(account, "01-05"))
    number = add_number(account, A, **on(account, "01-05"))
    assert InventoryNumber.objects.get(e164=A).taken_by == account
    release_number(number, **on(account, "01-06"))
    assert InventoryNumber.objects.get(e164=A).taken_by is None


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_accounts_that_want_one_number_at_once() -> None:
    """NUM-1: one gets it, the other is refused, and neither sees an error of the database."""
    accounts = [an_account(), an_account()]
    gate = threading.Barrier(2)
    answers: list[str] = []

    def take(account: Account) -> None:
        try:
            gate.wait()
            add_number(account, A, **on(account, "01-05"))
            answers.append("taken")
        except Refused as refused:
            answers.append(refused.rule)
        finally:
            connection.close()

    crew = [threading.Thread(target=take, args=[account]) for account in accounts]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert sorted(answers) == ["NUM-1", "taken"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_accounts_that_want_the_same_numbers_in_turned_order() -> None:
    """NUM-1: one gets them all and the other is refused; they do not wait for each other for ever."""
    accounts = [an_account(), an_account()]
    wanted = [f"+121255506{place:02}" for place in range(30)]
    gate = threading.Barrier(2)
    answers: list[str] = []

    def take(account: Account, numbers: list[str]) -> None:
        try:
            gate.wait()
            add_numbers(account, numbers, **on(account, "01-05"))
            answers.append("taken")
        except Refused as refused:
            answers.append(f"{refused.rule} {refused.field}")
        finally:
            connection.close()

    turned = zip(accounts, (wanted, wanted[::-1]), strict=True)
    crew = [threading.Thread(target=take, args=pair) for pair in turned]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert sorted(answers) == ["NUM-1 picks", "taken"]


# --- NUM-2 -------------------------------------------------------------------------------------


def test_a_number_is_with_one_holder_and_its_history_is_kept(account: Account) -> None:
    """NUM-2: moving is a single action."""
    ann, sales = licensed(account), hunt_group(account)
    number = add_number(account, A, **on(account, "01-05"))
    assign_number(number, to=ann, **on(account, "01-06"))
    assert (fresh(number).state, fresh(number).holder) == ("assigned", ann)
    assign_number(number, to=sales, **on(account, "01-07"))
    assert (fresh(number).end_user, fresh(number).service) == (None, sales)
    park_number(number, **on(account, "01-08"))
    assert (fresh(number).state, fresh(number).holder) == ("parked", None)
    release_number(number, **on(account, "01-09"))
    assert history(number) == [
        ("Parked", "01-05", "01-06"),
        ("Ann", "01-06", "01-07"),
        ("Sales", "01-07", "01-08"),
        ("Parked", "01-08", "01-09"),
    ]
    actions = ["add-number", "assign-number", "assign-number", "park-number", "release-number"]
    assert trail_of(account)[-5:] == actions


def test_what_changes_nothing_leaves_no_trace(account: Account) -> None:
    """NUM-2: assigning to the same holder and parking what is parked."""
    ann = licensed(account)
    parked, held = (add_number(account, e164, **on(account, "01-05")) for e164 in (A, B))
    assign_number(held, to=ann, **on(account, "01-06"))
    before = everything(account)
    assign_number(held, to=ann, **on(account, "01-07"))
    park_number(parked, **on(account, "01-07"))
    assert everything(account) == before


def test_two_numbers_change_places(account: Account) -> None:
    """NUM-2: in one action, one entry in the trail; each comes last in its new place."""
    ann, bob = licensed(account), licensed(account, "Bob")
    first, second, third = (add_number(account, f"+1212555010{n}", **on(account, "01-05")) for n in (1, 2, 3))
    assign_number(first, to=ann, **on(account, "01-06"))
    assign_number(third, to=ann, **on(account, "01-06"))
    assign_number(second, to=bob, **on(account, "01-06"))
    entries = len(trail_of(account))
    swap_numbers(first, second, **on(account, "01-08"))
    assert (fresh(first).holder, fresh(second).holder) == (bob, ann)
    assert trail_of(account)[entries:] == ["swap-numbers"]
    assert history(first)[-2:] == [("Ann", "01-06", "01-08"), ("Bob", "01-08", None)]
    # Ann's third number was there before the one that came, so it is the included one now (NUM-3).
    lines = [line for line in lines_to_come(account, "01-15") if "number-local" in line]
    assert [line.split(" · ")[1] for line in lines] == ["01-08 to 01-15", "01-15 to 02-15", "01-06 to 01-08"]


def test_a_parked_number_takes_the_place_of_one_in_use(account: Account) -> None:
    """NUM-2, BIL-3: the other is parked, and free for thirty days."""
    sales = hunt_group(account)
    held, parked = (add_number(account, e164, **on(account, "01-05")) for e164 in (A, B))
    assign_number(held, to=sales, **on(account, "01-06"))
    swap_numbers(held, parked, **on(account, "01-08"))
    assert (fresh(held).state, fresh(parked).holder) == ("parked", sales)
    last = charges_of(account, subject=f"number:{held.pk}")[-1]
    assert f"{last.billing_starts_on}" == "2026-02-07"


def test_numbers_that_cannot_change_places(account: Account) -> None:
    """NUM-2."""
    sales = hunt_group(account)
    one, two, held = (add_number(account, f"+1212555010{n}", **on(account, "01-05")) for n in (1, 2, 3))
    gone = add_number(account, "+12125550104", **on(account, "01-05"))
    assign_number(held, to=sales, **on(account, "01-05"))
    release_number(gone, **on(account, "01-06"))
    other = an_account()
    foreign = add_number(other, "+12125550105", **on(other, "01-05"))
    before = everything(account)
    for first, second, why in (
        (one, one, "another number of this account"),
        (one, foreign, "another number of this account"),
        (one, two, "in the same place already"),
        (held, gone, "was released"),
        (gone, held, "was released"),
    ):
        with pytest.raises(Refused, match=why):
            swap_numbers(first, second, **on(account, "01-07"))
    assert everything(account) == before


def test_a_released_number_is_gone_for_good(account: Account) -> None:
    """NUM-2."""
    sales = hunt_group(account)
    number = add_number(account, A, **on(account, "01-05"))
    release_number(number, **on(account, "01-06"))
    before = everything(account)
    with pytest.raises(Refused, match="was released"):
        assign_number(number, to=sales, **on(account, "01-07"))
    with pytest.raises(Refused, match="was released"):
        park_number(number, **on(account, "01-07"))
    with pytest.raises(Refused, match="was released"):
        release_number(number, **on(account, "01-07"))
    assert everything(account) == before


def test_a_number_is_not_given_to_another_account(account: Account) -> None:
    """NUM-2, ACC-4."""
    other = an_account()
    theirs = hunt_group(other)
    number = add_number(account, A, **on(account, "01-05"))
    before = everything(account)
    with pytest.raises(Refused, match="somebody of this account"):
        assign_number(number, to=theirs, **on(account, "01-06"))
    assert everything(account) == before


def test_the_state_of_a_number_is_not_written_by_hand(account: Account) -> None:
    """The transitions are the only way."""
    number = add_number(account, A, **on(account, "01-05"))
    with pytest.raises(AttributeError):
        number.state = "assigned"


# --- NUM-8 -------------------------------------------------------------------------------------


def test_only_who_holds_a_uc_licence_can_be_given_a_number(account: Account) -> None:
    """NUM-8."""
    bob = add_end_user(account, name="Bob", **on(account, "01-02"))
    number = add_number(account, A, **on(account, "01-05"))
    before = everything(account)
    with pytest.raises(Refused, match="Bob has no UC licence") as refused:
        assign_number(number, to=bob, **on(account, "01-06"))
    assert (refused.value.rule, refused.value.field) == ("NUM-8", "to")
    assert everything(account) == before


def test_taking_the_licence_parks_the_numbers(account: Account) -> None:
    """NUM-8: all of them, with their history; charges end and thirty free days begin (BIL-3)."""
    ann = licensed(account)
    numbers = [add_number(account, e164, **on(account, "01-05")) for e164 in (A, B)]
    for number in numbers:
        assign_number(number, to=ann, **on(account, "01-05"))
    unassign_licence(ann, product("uc-licence"), **on(account, "01-10"))
    assert [(fresh(number).state, fresh(number).holder) for number in numbers] == [("parked", None)] * 2
    for number in numbers:
        assert history(number)[-1] == ("Parked", "01-10", None)
        last = charges_of(account, subject=f"number:{number.pk}")[-1]
        assert last.billing_starts_on == last.added_on + timedelta(days=30)
    assert trail_of(account)[-3:] == ["unassign-licence", "park-number", "park-number"]


def test_another_licence_that_is_taken_parks_nothing(account: Account) -> None:
    """NUM-8 speaks of the UC licence."""
    ann = licensed(account)
    install(account, Edition.EXPRESS, **on(account, "01-02"))
    add_licences(account, product("cc-express-licence"), 1, **on(account, "01-02"))
    assign_licence(ann, product("cc-express-licence"), **on(account, "01-02"))
    number = add_number(account, A, **on(account, "01-05"))
    assign_number(number, to=ann, **on(account, "01-05"))
    unassign_licence(ann, product("cc-express-licence"), **on(account, "01-10"))
    assert fresh(number).holder == ann


def test_removing_an_end_user_parks_the_numbers(account: Account) -> None:
    """NUM-8: licences are free again, and who was removed is given nothing."""
    ann = licensed(account)
    number = add_number(account, A, **on(account, "01-05"))
    assign_number(number, to=ann, **on(account, "01-05"))
    remove_end_user(ann, **on(account, "01-10"))
    assert fresh(number).state == "parked"
    before = everything(account)
    with pytest.raises(Refused, match="was removed"):
        assign_number(number, to=ann, **on(account, "01-11"))
    with pytest.raises(Refused, match="was removed"):
        assign_licence(ann, product("uc-licence"), **on(account, "01-11"))
    assert everything(account) == before


def test_a_holder_with_a_long_name(account: Account) -> None:
    """A line has room for as much of the name as fits; the history for more."""
    ann = licensed(account, "A" * 120)
    for e164 in (A, B):
        assign_number(add_number(account, e164, **on(account, "01-05")), to=ann, **on(account, "01-05"))
    assert charges_of(account)[-1].holder == "A" * 80
