"""SUB-8, SUB-9: an end user's licences and whether they give access, and choosing them as the article's steps go."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, AuditEntry, EndUser, Role
from billing.licences import add_licences, assign_licence, holds_licence
from billing.models import LicenceAssignment, Product, Subscription
from billing.subscriptions import end_subscription
from telephony.contact_center import activate, install
from telephony.models import Edition, Number, NumberState
from telephony.numbers import add_number, assign_number
from tests import factories
from tests.billing.subscribed import PRO, subscribe
from tests.billing_pages.conftest import TODAY
from tests.factories import AT, TESTS

OpensCheaply = Callable[[Client, str], HttpResponseBase]

UC = "uc-licence"
NEXT_YEAR = TODAY + timedelta(days=365)


@pytest.fixture
def person(account: Account) -> EndUser:
    found: EndUser = factories.EndUserFactory(account=account, name="Maria")
    return found


@pytest.fixture
def sales(account: Account) -> Subscription:
    return subscribe(account, "Sales", TODAY, NEXT_YEAR, {PRO: 2, UC: 1})


@pytest.fixture
def service(account: Account) -> Subscription:
    return subscribe(account, "Service", TODAY, NEXT_YEAR, {PRO: 1})


def place(end_user: EndUser) -> str:
    return f"/a/acme/users/{end_user.pk}/"


def edit(end_user: EndUser, service: str = "") -> str:
    return f"{place(end_user)}licences/edit/" + (f"?service={service}" if service else "")


def give(end_user: EndUser, code: str, subscription: Subscription | None = None) -> None:
    assign_licence(end_user, Product.objects.get(pk=code), subscription=subscription, actor=TESTS, at=AT)


def held(end_user: EndUser) -> list[tuple[str, str | None]]:
    found = LicenceAssignment.objects.filter(end_user=end_user, unassigned_on=None).order_by("product__rank")
    return list(found.values_list("product", "subscription__name"))


def text(client: Client, address: str) -> str:
    return " ".join(client.get(address).content.decode().split())


class TestOverview:
    def test_says_of_which_subscription_a_licence_is_and_that_it_bars(
        self, person: EndUser, sales: Subscription, service: Subscription, owner_client: Client
    ) -> None:
        """SUB-8: access is lost with the subscription, though another is active."""
        give(person, PRO, sales)
        assert "No access" not in text(owner_client, place(person))
        end_subscription(sales, actor=TESTS, at=AT)
        page = text(owner_client, place(person))
        assert "No access: subscription Sales ended on Mar 2, 2026" in page
        assert f'href="{place(person)}licences/"' in page

    def test_the_tab_licences_lists_them(
        self, person: EndUser, sales: Subscription, account: Account, owner_client: Client
    ) -> None:
        add_licences(account, Product.objects.get(pk=UC), 1, actor=TESTS, at=AT)
        give(person, UC)
        give(person, PRO, sales)
        page = text(owner_client, f"{place(person)}licences/")
        assert "The account&#x27;s own" in page or "The account's own" in page
        assert "Subscription Sales" in page
        assert edit(person) in page

    def test_readers_see_them_and_no_way_to_edit(
        self, person: EndUser, role_client: Callable[[Role], Client]
    ) -> None:
        reader = role_client(Role.READ_ONLY)
        assert edit(person) not in text(reader, f"{place(person)}licences/")
        assert reader.get(edit(person)).status_code == 403
        assert reader.post(edit(person), {UC: "none"}).status_code == 403


class TestUsers:
    def test_those_without_access_are_marked_and_found(
        self, person: EndUser, sales: Subscription, account: Account, owner_client: Client
    ) -> None:
        bob = factories.EndUserFactory(account=account, name="Bob")
        subscribe(account, "To come", TODAY + timedelta(days=5), NEXT_YEAR, {PRO: 1})
        give(person, PRO, sales)
        give(bob, PRO, Subscription.objects.get(name="To come"))
        factories.EndUserFactory(account=account, name="Nobody")

        def found(query: str) -> list[str]:
            people = owner_client.get(f"/a/acme/users/{query}").context["people"]
            return [one.end_user.name for one in people]

        assert found("?access=without") == ["Bob"]
        end_subscription(sales, actor=TESTS, at=AT)
        assert found("?access=without") == ["Bob", "Maria"]
        assert found(f"?access=without&licence={UC}") == []
        assert found("?access=nonsense") == ["Bob", "Maria", "Nobody"]
        page = text(owner_client, "/a/acme/users/")
        assert "No access yet: subscription To come begins on Mar 7, 2026" in page
        assert "No access: subscription Sales ended on Mar 2, 2026" in page
        csv = b"".join(owner_client.get("/a/acme/users.csv")).decode()
        assert "No access: subscription Sales ended on 2026-03-02" in csv

    def test_says_what_ends_and_how_many_it_bars(
        self, person: EndUser, sales: Subscription, account: Account, owner_client: Client
    ) -> None:
        """SUB-8: in the panel too, from thirty days before."""
        short = subscribe(account, "Short", TODAY, TODAY + timedelta(days=30), {PRO: 1})
        assert "Subscription Short ends in 30 days" in text(owner_client, "/a/acme/users/")
        give(person, PRO, short)
        page = text(owner_client, "/a/acme/users/")
        assert "1 user will lose access." in page
        assert f"/a/acme/subscriptions/{short.pk}/people/" in page
        home = owner_client.get("/a/acme/").context["needs"]
        assert ("Subscription Short ends in 30 days", "1 user will lose access. Move them to another.") in [
            (need.text, need.hint) for need in home
        ]
        end_subscription(short, actor=TESTS, at=AT)
        assert "1 user has no access." in text(owner_client, "/a/acme/users/")
        home = owner_client.get("/a/acme/").context["needs"]
        assert "1 user has no access" in [need.text for need in home]

    def test_names_the_first_and_counts_the_others(
        self, person: EndUser, account: Account, owner_client: Client
    ) -> None:
        for days in (9, 8, 25, 31):
            subscribe(account, f"In {days}", TODAY, TODAY + timedelta(days=days), {PRO: 1})
        give(person, PRO, Subscription.objects.get(name="In 25"))
        page = text(owner_client, "/a/acme/users/")
        assert "Subscription In 8 ends in 8 days" in page
        assert '<a href="/a/acme/subscriptions/">2 more</a> end soon or have ended.' in page
        assert "Subscription In 8 ends in 8 days" in text(owner_client, "/a/acme/subscriptions/")

    def test_home_does_not_count_who_is_on_an_ended_subscription(
        self, person: EndUser, sales: Subscription, owner_client: Client
    ) -> None:
        give(person, PRO, sales)
        (pro,) = (row for row in owner_client.get("/a/acme/").context["licences"] if "Pro" in row.name)
        assert (pro.bought, pro.assigned) == (2, 1)
        end_subscription(sales, actor=TESTS, at=AT)
        assert not [row for row in owner_client.get("/a/acme/").context["licences"] if "Pro" in row.name]

    def test_open_cheaply(
        self,
        person: EndUser,
        sales: Subscription,
        account: Account,
        owner_client: Client,
        opens_cheaply: OpensCheaply,
    ) -> None:
        factories.LocationFactory(account=account)
        factories.EndUserFactory(account=account, department="Sales")
        give(person, PRO, sales)
        give(person, UC, sales)
        for address in (
            "/a/acme/users/",
            "/a/acme/",
            place(person),
            f"{place(person)}licences/",
            edit(person),
        ):
            opens_cheaply(owner_client, address)


class TestEdit:
    def test_shows_every_subscription_of_the_account(
        self,
        person: EndUser,
        account: Account,
        sales: Subscription,
        service: Subscription,
        owner_client: Client,
    ) -> None:
        """SUB-9: what is free where, how each stands; those without room or ended cannot be chosen."""
        subscribe(account, "To come", date(2026, 4, 1), NEXT_YEAR, {PRO: 1})
        ended = subscribe(account, "Over", TODAY, NEXT_YEAR, {PRO: 1})
        end_subscription(ended, actor=TESTS, at=AT)
        give(factories.EndUserFactory(account=account), PRO, service)
        ((product, _, current, options, chosen),) = owner_client.get(edit(person, "contact-center")).context[
            "rows"
        ]
        assert (product.pk, current, chosen) == (PRO, "none", "none")
        assert [(one.label, one.note, one.state, one.is_open) for one in options] == [
            ("None", "", "", True),
            ("Sales", "2 of 2 free", "Active, ends 2027-03-02", True),
            ("Service", "0 of 1 free", "Active, ends 2027-03-02", False),
            ("Over", "its licences have ended", "Ended 2026-03-02", False),
            ("To come", "1 of 1 free", "Begins 2026-04-01", True),
        ]
        add = f"/a/acme/subscriptions/{service.pk}/buy/?product={PRO}"
        assert [one.add_url for one in options] == ["", "", add, "", ""]

    def test_save_gives_moves_and_takes(
        self, person: EndUser, sales: Subscription, service: Subscription, owner_client: Client
    ) -> None:
        """SUB-9: and closes the screen."""
        page = edit(person, "contact-center")
        answer = owner_client.post(page, {PRO: str(sales.pk), f"was-{PRO}": "none"})
        assert (answer.status_code, answer.headers["Location"]) == (302, place(person))
        assert held(person) == [(PRO, "Sales")]
        owner_client.post(page, {PRO: str(service.pk), f"was-{PRO}": str(sales.pk)})
        assert held(person) == [(PRO, "Service")]
        entry = AuditEntry.objects.filter(action="move-licence").get()
        assert (entry.before, entry.after["subscription"]) == ({"subscription": "Sales"}, "Service")
        owner_client.post(page, {PRO: "none", f"was-{PRO}": str(service.pk)})
        assert held(person) == []

    def test_what_was_not_touched_is_left_to_who_changed_it_since(
        self, person: EndUser, sales: Subscription, service: Subscription, owner_client: Client
    ) -> None:
        """The page was made while nothing was held; somebody else assigned since."""
        give(person, PRO, sales)
        owner_client.post(edit(person, "contact-center"), {PRO: "none", f"was-{PRO}": "none"})
        assert held(person) == [(PRO, "Sales")]

    def test_none_free_is_refused_by_its_field_and_keeps_the_choice(
        self, person: EndUser, account: Account, service: Subscription, owner_client: Client
    ) -> None:
        give(factories.EndUserFactory(account=account), PRO, service)
        answer = owner_client.post(
            edit(person, "contact-center"), {PRO: str(service.pk), f"was-{PRO}": "none"}
        )
        assert answer.status_code == 400
        (error,) = answer.context["form"].errors.as_data()[PRO]
        assert error.code == "LIC-1"
        assert answer.context["rows"][0][4] == str(service.pk)
        assert held(person) == []

    def test_an_ended_one_is_refused(
        self, person: EndUser, sales: Subscription, owner_client: Client
    ) -> None:
        end_subscription(sales, actor=TESTS, at=AT)
        give(person, PRO, subscribe(person.account, "Other", TODAY, NEXT_YEAR, {PRO: 1}))
        answer = owner_client.post(edit(person, "contact-center"), {PRO: str(sales.pk), f"was-{PRO}": "none"})
        assert answer.status_code == 400
        assert held(person) == [(PRO, "Other")]

    @pytest.mark.parametrize("value", ["nonsense", "0", "-1", "99999999"])
    def test_what_is_no_choice_is_refused(
        self, person: EndUser, sales: Subscription, owner_client: Client, value: str
    ) -> None:
        answer = owner_client.post(edit(person, "contact-center"), {PRO: value, f"was-{PRO}": "none"})
        assert answer.status_code == 400
        assert held(person) == []

    def test_another_account_s_subscription_is_no_choice(
        self, person: EndUser, sales: Subscription, other: Account, owner_client: Client
    ) -> None:
        """ACC-4."""
        theirs = subscribe(other, "Theirs", TODAY, NEXT_YEAR, {PRO: 1})
        answer = owner_client.post(
            edit(person, "contact-center"), {PRO: str(theirs.pk), f"was-{PRO}": "none"}
        )
        assert answer.status_code == 400
        stranger = factories.EndUserFactory(account=other)
        assert owner_client.get(edit(stranger)).status_code == 404
        assert owner_client.post(edit(stranger), {PRO: "none"}).status_code == 404
        assert "Theirs" not in text(owner_client, edit(person, "contact-center"))

    def test_the_account_s_own_stand_beside(
        self, person: EndUser, account: Account, owner_client: Client
    ) -> None:
        """LIC-1."""
        assert "No licences for Calling" in text(owner_client, edit(person))
        add_licences(account, Product.objects.get(pk=UC), 2, actor=TESTS, at=AT)
        ((_, _, _, options, _),) = owner_client.get(edit(person)).context["rows"]
        assert [(one.label, one.note) for one in options] == [
            ("None", ""),
            ("The account's own", "2 of 2 free"),
        ]
        owner_client.post(edit(person), {UC: "own", f"was-{UC}": "none"})
        assert held(person) == [(UC, None)]

    def test_nothing_sent_changes_nothing(
        self, person: EndUser, account: Account, owner_client: Client
    ) -> None:
        add_licences(account, Product.objects.get(pk=UC), 1, actor=TESTS, at=AT)
        give(person, UC)
        assert owner_client.post(edit(person), {}).status_code == 302
        assert held(person) == [(UC, None)]


class TestTaking:
    @pytest.fixture
    def with_number(self, person: EndUser, account: Account) -> EndUser:
        add_licences(account, Product.objects.get(pk=UC), 1, actor=TESTS, at=AT)
        give(person, UC)
        number = add_number(account, "+12125550100", actor=TESTS, at=AT)
        assign_number(number, to=person, actor=TESTS, at=AT)
        return person

    def test_says_first_which_numbers_are_parked(self, with_number: EndUser, owner_client: Client) -> None:
        """NUM-8: the licence goes only after the person has seen what becomes of the numbers."""
        data = {UC: "none", f"was-{UC}": "own"}
        review = owner_client.post(edit(with_number), data)
        assert review.status_code == 200
        assert "(212) 555-0100 is parked: free until Apr 1, 2026" in review.content.decode()
        assert holds_licence(with_number, UC)
        assert owner_client.post(edit(with_number), data | {"seen": UC}).status_code == 302
        assert not holds_licence(with_number, UC)
        assert Number.objects.get().state == NumberState.PARKED

    def test_moving_it_to_a_subscription_parks_nothing(
        self, with_number: EndUser, sales: Subscription, owner_client: Client
    ) -> None:
        owner_client.post(edit(with_number), {UC: str(sales.pk), f"was-{UC}": "own"})
        assert held(with_number) == [(UC, "Sales")]
        end_subscription(sales, actor=TESTS, at=AT)
        assert Number.objects.get().state == NumberState.ASSIGNED


def test_while_the_contact_center_is_set_up_it_is_assigned_without_limit(
    account: Account, owner_client: Client
) -> None:
    """ONB-4: assigned without limit in onboarding, here as on the contact center's own page; then LIC-1."""
    contact_center = install(account, Edition.PRO, actor=TESTS, at=AT)
    add_licences(account, Product.objects.get(pk=PRO), 1, actor=TESTS, at=AT)
    first, second, third = (factories.EndUserFactory(account=account, name=name) for name in "abc")
    give(first, PRO)
    owner_client.post(edit(second, "contact-center"), {PRO: "own", f"was-{PRO}": "none"})
    assert holds_licence(second, PRO)

    activate(contact_center, reason="Set up", actor=TESTS, at=AT)
    ((_, _, _, options, _),) = owner_client.get(edit(third, "contact-center")).context["rows"]
    assert [(one.value, one.is_open) for one in options] == [("none", True), ("own", False)]


def test_the_page_of_licences_counts_each_in_one_place(
    account: Account, person: EndUser, sales: Subscription, owner_client: Client, opens_cheaply: OpensCheaply
) -> None:
    """LIC-1, SUB-10: the account's own above, with their sum a month; a subscription's below."""
    add_licences(account, Product.objects.get(pk=UC), 2, actor=TESTS, at=AT)
    give(person, UC, sales)
    context = owner_client.get("/a/acme/licences/").context
    (own,) = context["rows"]
    assert (own.holding.bought, own.holding.assigned, own.monthly) == (2, 0, Decimal("59.98"))
    assert sum(row.units for row in own.waiting) == 2
    assert [
        (one.name, held.product.pk, held.bought, held.assigned)
        for one, held, _, _ in context["of_subscriptions"]
    ] == [
        ("Sales", UC, 1, 1),
        ("Sales", PRO, 2, 0),
    ]
    opens_cheaply(owner_client, "/a/acme/licences/")
