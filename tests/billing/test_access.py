"""SUB-8, SUB-9: access follows the assignment and its subscription, and people are moved all or none."""

import threading
from datetime import date, datetime, timedelta

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, AuditEntry, EndUser, Role
from accounts.refusals import Refused
from billing.access import (
    access_by,
    first_ending,
    gives_access,
    gives_none,
    has_access,
    own_assignments,
    told_by,
)
from billing.licences import (
    add_licences,
    assign_licence,
    held_by_subscription,
    holdings,
    holds_licence,
    move_assignments,
    stock_of,
    unassign_licence,
)
from billing.models import Charge, LicenceAssignment, Subscription, Tenancy
from billing.subscriptions import end_subscription
from billing.triggers import begin_due_charges
from billing.user_licences import Choice, choose_licences
from telephony.end_users import remove_end_user
from tests import factories
from tests.billing.subscribed import PRO, subscribe
from tests.billing.world import product
from tests.factories import AT, TESTS

pytestmark = pytest.mark.django_db

TODAY = AT.date()
START = TODAY
END = date(2026, 9, 2)


def later(on: date) -> datetime:
    """Noon UTC of a day."""
    return AT + (on - TODAY)


@pytest.fixture
def account() -> Account:
    found: Account = factories.AccountFactory()
    return found


@pytest.fixture
def first(account: Account) -> Subscription:
    return subscribe(account, "First", START, END, {PRO: 2, "uc-licence": 1})


@pytest.fixture
def second(account: Account) -> Subscription:
    return subscribe(account, "Second", START, END + timedelta(days=365), {PRO: 2, "uc-licence": 1})


def person(account: Account, name: str = "Ann", **fields: str) -> EndUser:
    found: EndUser = factories.EndUserFactory(account=account, name=name, **fields)
    return found


def give(
    end_user: EndUser, code: str = PRO, subscription: Subscription | None = None, at: datetime = AT
) -> None:
    assign_licence(end_user, product(code), subscription=subscription, actor=TESTS, at=at)


def held(end_user: EndUser) -> list[tuple[str, str | None]]:
    """What an end user holds now, and of which subscription."""
    found = LicenceAssignment.objects.filter(end_user=end_user, unassigned_on=None).order_by("product__rank")
    return list(found.values_list("product", "subscription__name"))


class TestAccess:
    def test_is_lost_with_the_subscription_even_while_another_is_active(
        self, account: Account, first: Subscription, second: Subscription
    ) -> None:
        """SUB-8: the article's example, an agent and an admin on the first of two subscriptions."""
        admin, agent = person(account, "Admin 1", email="admin@acme.example"), person(account, "Agent 1")
        for each in (admin, agent):
            give(each, subscription=first)
        assert all(has_access(each, PRO, END - timedelta(days=1)) for each in (admin, agent))
        assert not any(has_access(each, PRO, END) for each in (admin, agent))

        give(agent, subscription=second, at=later(END - timedelta(days=3)))
        assert has_access(agent, PRO, END)
        assert not has_access(admin, PRO, END)

    def test_begins_with_a_subscription_that_is_to_come(self, account: Account, first: Subscription) -> None:
        to_come = subscribe(account, "To come", date(2026, 4, 1), END, {PRO: 1})
        ann = person(account)
        give(ann, subscription=to_come)
        assert not has_access(ann, PRO, date(2026, 3, 31))
        assert has_access(ann, PRO, date(2026, 4, 1))
        assert access_by(to_come, TODAY).words == "No access yet: subscription To come begins on 2026-04-01"

    def test_of_an_own_licence_has_no_end(self, account: Account) -> None:
        ann = person(account)
        add_licences(account, product("uc-licence"), 1, actor=TESTS, at=AT)
        give(ann, "uc-licence")
        assert has_access(ann, "uc-licence", TODAY)
        assert has_access(ann, "uc-licence", date(2099, 1, 1))
        assert not has_access(ann, "uc-licence", TODAY - timedelta(days=1))
        assert not has_access(ann, PRO, TODAY)

    def test_ends_when_a_licence_is_taken_or_the_user_removed(
        self, account: Account, first: Subscription
    ) -> None:
        ann, bob = person(account, "Ann"), person(account, "Bob")
        give(ann, subscription=first)
        give(bob, subscription=first)
        unassign_licence(ann, product(PRO), actor=TESTS, at=later(date(2026, 3, 9)))
        assert has_access(ann, PRO, date(2026, 3, 8))
        assert not has_access(ann, PRO, date(2026, 3, 9))
        unassign_licence(bob, product(PRO), actor=TESTS, at=later(date(2026, 3, 9)))
        remove_end_user(bob, actor=TESTS, at=later(date(2026, 3, 9)))
        bob.refresh_from_db()
        assert not has_access(bob, PRO, date(2026, 3, 9))

    def test_is_lost_at_once_when_the_subscription_is_ended_early(
        self, account: Account, first: Subscription
    ) -> None:
        ann = person(account)
        give(ann, subscription=first)
        end_subscription(first, actor=TESTS, at=later(date(2026, 3, 20)))
        assert has_access(ann, PRO, date(2026, 3, 19))
        assert not has_access(ann, PRO, date(2026, 3, 20))

    @pytest.mark.parametrize("days", [-1, 0, 1, 183, 184, 185, 400])
    def test_each_assignment_is_on_one_side(
        self, account: Account, first: Subscription, second: Subscription, days: int
    ) -> None:
        """What one query says and the other denies, in line with what the page says of it."""
        for place, subscription in enumerate((first, second)):
            give(person(account, f"P{place}"), subscription=subscription)
        on = TODAY + timedelta(days=days)
        everything = LicenceAssignment.objects.filter(assigned_on__lte=on)
        with_it = set(LicenceAssignment.objects.filter(gives_access(on)))
        without = set(LicenceAssignment.objects.filter(gives_none(on)))
        assert with_it | without == set(everything)
        assert not with_it & without
        assert with_it == {one for one in everything if access_by(one.subscription, on).has_it}

    def test_says_when_it_ends_from_thirty_days_before(self, first: Subscription) -> None:
        assert access_by(first, END - timedelta(days=31)).words == ""
        soon = access_by(first, END - timedelta(days=30))
        assert (soon.tone, soon.words) == ("warn", "Access ends with subscription First on 2026-09-02")
        gone = access_by(first, END)
        assert (gone.tone, gone.words) == ("bad", "No access: subscription First ended on 2026-09-02")

    def test_a_member_s_is_that_of_the_end_user_with_the_address(
        self, account: Account, first: Subscription
    ) -> None:
        """SUB-8: an administrator works with the contact center by a licence too."""
        admin = factories.member(account, Role.ADMIN, email="ada@acme.example")
        give(person(account, "Ada", email="Ada@acme.example"), subscription=first)
        give(person(account, "Bob", email="bob@acme.example"), subscription=first)
        assert [one.end_user.name for one in own_assignments(admin, account)] == ["Ada"]
        assert not own_assignments(admin, factories.AccountFactory()).exists()

    def test_what_ends_is_told_with_how_many_it_bars(
        self, account: Account, first: Subscription, second: Subscription
    ) -> None:
        ann = person(account)
        give(ann, subscription=first)
        give(ann, "uc-licence", subscription=first)
        give(person(account, "Bob"), subscription=first)

        def told(on: date) -> list[tuple[str, int, int]]:
            row = Tenancy.objects.annotate(**first_ending(account, on)).get(account=account)
            return [(one.name, one.left, one.people) for one in told_by(row, on)[0]]

        assert told(END - timedelta(days=31)) == []
        assert told(END - timedelta(days=30)) == [("First", 30, 2)]
        assert told(END) == [("First", 0, 2)]
        move_assignments(first, second, actor=TESTS, at=later(END))
        assert told(END) == []


class TestStock:
    def test_counts_each_licence_in_one_place(
        self, account: Account, first: Subscription, second: Subscription
    ) -> None:
        """LIC-1: what a subscription has is not the account's own as well."""
        add_licences(account, product("uc-licence"), 5, actor=TESTS, at=AT)
        give(person(account, "Ann"), "uc-licence")
        give(person(account, "Bob"), "uc-licence", subscription=first)
        (uc,) = (holding for holding in holdings(account) if holding.product.pk == "uc-licence")
        assert (uc.bought, uc.assigned, uc.free) == (5, 1, 4)
        stock = stock_of(account)
        counted = {
            (key, holding.product.pk): (holding.bought, holding.assigned)
            for key, held in stock.of_subscriptions.items()
            for holding in held
        }
        assert counted == {
            (first.pk, "uc-licence"): (1, 1),
            (first.pk, PRO): (2, 0),
            (second.pk, "uc-licence"): (1, 0),
            (second.pk, PRO): (2, 0),
        }
        assert sum(Charge.objects.filter(product__is_licence=True).values_list("quantity", flat=True)) == (
            sum(units for units, _ in counted.values()) + uc.bought
        )

    def test_of_an_ended_subscription_only_who_is_still_on_it(
        self, account: Account, first: Subscription, second: Subscription
    ) -> None:
        give(person(account), subscription=first)
        begin_due_charges(later(END))
        (pro,) = stock_of(account).of_subscriptions[first.pk]
        assert (pro.product.pk, pro.bought, pro.assigned, pro.free) == (PRO, 0, 1, 0)
        assert list(held_by_subscription(account, END)) == [second.pk]


class TestChoosing:
    def test_gives_moves_and_takes_at_once(
        self, account: Account, first: Subscription, second: Subscription
    ) -> None:
        """SUB-9: one licence of a product; choosing another subscription moves it."""
        ann = person(account)
        give(ann, "uc-licence", first)
        give(ann, PRO, first)
        wanted = {product("uc-licence"): Choice(holds=False), product(PRO): Choice(True, second)}
        choose_licences(ann, wanted, actor=TESTS, at=AT)
        assert held(ann) == [(PRO, "Second")]
        before = AuditEntry.objects.count()
        choose_licences(ann, wanted, actor=TESTS, at=AT)
        assert AuditEntry.objects.count() == before

    def test_is_all_or_nothing(self, account: Account, first: Subscription, second: Subscription) -> None:
        ann = person(account)
        give(person(account, "Bob"), "uc-licence", second)
        with pytest.raises(Refused, match="No UC licence is free on subscription Second") as refused:
            choose_licences(
                ann,
                {product(PRO): Choice(True, first), product("uc-licence"): Choice(True, second)},
                actor=TESTS,
                at=AT,
            )
        assert (refused.value.rule, refused.value.field) == ("LIC-1", "uc-licence")
        assert held(ann) == []

    def test_an_ended_subscription_cannot_be_chosen(self, account: Account, first: Subscription) -> None:
        with pytest.raises(Refused, match="ended on 2026-09-02") as refused:
            choose_licences(person(account), {product(PRO): Choice(True, first)}, actor=TESTS, at=later(END))
        assert refused.value.rule == "SUB-8"


class TestMovingAll:
    @pytest.mark.parametrize("day", [END - timedelta(days=10), END + timedelta(days=10)])
    def test_before_the_end_and_after_it(
        self, account: Account, first: Subscription, second: Subscription, day: date
    ) -> None:
        """SUB-8: in one action; licences are free again where they were, and each move is in the trail."""
        ann, bob = person(account, "Ann"), person(account, "Bob")
        give(ann, PRO, first)
        give(ann, "uc-licence", first)
        give(bob, PRO, first)
        begin_due_charges(later(day))
        assert move_assignments(first, second, actor=TESTS, at=later(day)) == 3
        assert held(ann) == [("uc-licence", "Second"), (PRO, "Second")]
        assert held(bob) == [(PRO, "Second")]
        assert has_access(ann, PRO, END + timedelta(days=20))
        moves = AuditEntry.objects.filter(action="move-licence").order_by("id")
        assert next(entry.summary for entry in moves) == (
            "Contact Center Pro licence of Ann moved from First to Second"
        )
        assert len(moves) == 3
        assert move_assignments(first, second, actor=TESTS, at=later(day)) == 0

    def test_says_how_many_are_missing_of_what_and_moves_nobody(
        self, account: Account, first: Subscription
    ) -> None:
        small = subscribe(account, "Small", START, END, {PRO: 1})
        ann, bob = person(account, "Ann"), person(account, "Bob")
        give(ann, PRO, first)
        give(ann, "uc-licence", first)
        give(bob, PRO, first)
        with pytest.raises(Refused) as refused:
            move_assignments(first, small, actor=TESTS, at=AT)
        assert refused.value.message.startswith(
            "Subscription Small has too few free licences: "
            "1 × UC licence and 1 × Contact Center Pro licence are missing."
        )
        assert (refused.value.rule, refused.value.field) == ("LIC-1", "target")
        assert held(ann) == [("uc-licence", "First"), (PRO, "First")]
        assert not AuditEntry.objects.filter(action="move-licence").exists()

    def test_to_one_that_ended_is_refused(
        self, account: Account, first: Subscription, second: Subscription
    ) -> None:
        give(person(account), PRO, second)
        with pytest.raises(Refused, match="ended on"):
            move_assignments(second, first, actor=TESTS, at=later(END))

    def test_numbers_stay_with_who_moves_and_with_whose_subscription_ends(
        self, account: Account, first: Subscription
    ) -> None:
        """NUM-8: the licence is still held, so nothing is parked."""
        ann = person(account)
        give(ann, "uc-licence", first)
        begin_due_charges(later(END))
        assert not has_access(ann, "uc-licence", END)
        assert holds_licence(ann, "uc-licence")

    def test_many_in_few_queries(
        self, account: Account, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        """However many there are, the number of statements grows only with the batches that are written."""
        big = subscribe(account, "Big", START, END, {PRO: 300})
        other = subscribe(account, "Other", START, END, {PRO: 300})
        people = EndUser.objects.bulk_create(
            EndUser(account=account, name=f"P{place}", added_on=TODAY) for place in range(300)
        )
        LicenceAssignment.objects.bulk_create(
            LicenceAssignment(
                account=account, end_user=each, product_id=PRO, subscription=big, assigned_on=TODAY
            )
            for each in people
        )
        with django_assert_max_num_queries(24):
            assert move_assignments(big, other, actor=TESTS, at=AT) == 300


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_who_want_the_last_free_licence_at_once() -> None:
    """LIC-1, SUB-8: one moves everybody, the other is refused, and nothing is assigned beyond what there is."""
    account = factories.AccountFactory()
    sources = [subscribe(account, f"Source {place}", START, END, {PRO: 1}) for place in range(2)]
    target = subscribe(account, "Target", START, END, {PRO: 1})
    for place, source in enumerate(sources):
        give(person(account, f"P{place}"), PRO, source)
    gate = threading.Barrier(2)
    answers: list[str] = []

    def move(source: Subscription) -> None:
        try:
            gate.wait()
            answers.append(str(move_assignments(source, target, actor=TESTS, at=AT)))
        except Refused as refused:
            answers.append(refused.rule)
        finally:
            connection.close()

    crew = [threading.Thread(target=move, args=[source]) for source in sources]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert sorted(answers) == ["1", "LIC-1"]
    assert LicenceAssignment.objects.filter(subscription=target, unassigned_on=None).count() == 1
    assert LicenceAssignment.objects.filter(unassigned_on=None).count() == 2
