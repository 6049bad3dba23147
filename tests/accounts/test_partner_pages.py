"""What a partner's people open and do, and the page on which the customer decides about it (ACC-2)."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, AuditEntry, EndUser, Membership, PartnerAccess, PartnerLevel, Role, User
from accounts.permissions import SUPPORT, account_for
from accounts.queries import visible_accounts
from accounts.standing import standing_in
from tests import factories
from tests.factories import PartnerAccessFactory, PartnerFactory, UserFactory, partner_user


def address(name: str, *args: object) -> str:
    return reverse(f"accounts:{name}", args=["northwind", *args])


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def first(account: Account) -> PartnerAccess:
    """The account's first partner."""
    found: PartnerAccess = PartnerAccessFactory(account=account, partner__name="Primo Resale")
    return found


@pytest.fixture
def further(account: Account, first: PartnerAccess) -> PartnerAccess:
    """A further one, with a person who signs in for it and one who no longer does."""
    found: PartnerAccess = PartnerAccessFactory(account=account, partner__name="Secondo Resale")
    UserFactory(partner=found.partner, full_name="Petra Partner")
    UserFactory(partner=found.partner, is_active=False)
    return found


@pytest.fixture
def full(first: PartnerAccess) -> User:
    """Somebody of the first partner."""
    found: User = UserFactory(partner=first.partner)
    return found


@pytest.fixture
def reader(further: PartnerAccess) -> User:
    """Somebody of the further one, which is read-only."""
    return User.objects.get(full_name="Petra Partner")


class TestOpening:
    def test_account_role_and_partner_cost_one_query(
        self, account: Account, full: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        """ACC-2: no more than for a member, once a process has found out whether SQLite knows JSON."""
        account_for(full, "northwind")
        with django_assert_num_queries(1):
            found, role = account_for(full, "northwind")
            partner = standing_in(found).partner
            assert (found.brand.name, role) == (account.brand.name, Role.ADMIN)
            assert partner is not None
            assert (partner.name, partner.is_active) == ("Primo Resale", True)
        assert partner == full.partner
        assert not partner.get_deferred_fields()

    def test_page_asks_no_more_than_for_a_member(self, account: Account, owner: User, full: User) -> None:
        url = reverse("accounts:activity", args=["northwind"])
        counts = []
        for user in (owner, full):
            client = signed_in(user)
            with CaptureQueriesContext(connection) as asked:
                client.get(url)
            counts.append(len(asked))
        assert counts[0] == counts[1]

    def test_full_administration_changes_what_an_admin_does(self, account: Account, full: User) -> None:
        """ACC-2, ACC-5: and the trail says who it was."""
        response = signed_in(full).post(address("end-user-add"), {"name": "Ann", "extension": "1001"})
        assert response.status_code == 302
        assert EndUser.objects.get().name == "Ann"
        assert AuditEntry.objects.get(action="add-end-user").user == full

    def test_read_only_changes_nothing(self, account: Account, reader: User) -> None:
        """ACC-2, ACC-4: 403, in words that fit."""
        client = signed_in(reader)
        assert client.get(address("end-users")).status_code == 200
        response = client.post(address("end-user-add"), {"name": "Ann", "extension": "1001"})
        assert response.status_code == 403
        assert "Secondo Resale has read-only access here" in response.content.decode()
        assert not EndUser.objects.exists()
        assert client.get(address("activity")).status_code == 403

    def test_account_of_others_is_not_there(self, account: Account, other: Account, full: User) -> None:
        """ACC-4: not even one of the same brand, nor one of another partner."""
        neighbour = factories.AccountFactory(brand=account.brand, slug="neighbour", name="Neighbour Ltd")
        PartnerAccessFactory(account=neighbour)
        for slug, name in (("elsewhere", "Elsewhere"), ("neighbour", "Neighbour")):
            response = signed_in(full).get(reverse("accounts:end-users", args=[slug]))
            assert response.status_code == 404
            assert name not in response.content.decode()

    def test_partner_switched_off_opens_nothing(self, account: Account, full: User) -> None:
        """ACC-2: at once, and so it is for one that was removed."""
        client = signed_in(full)
        assert full.partner is not None
        full.partner.is_active = False
        full.partner.save()
        assert client.get(address("end-users")).status_code == 404
        assert not visible_accounts(full).exists()

    def test_scratch_account_of_the_simulator_is_not_opened(self, account: Account, full: User) -> None:
        Account.objects.filter(pk=account.pk).update(is_simulation=True)
        assert signed_in(full).get(address("end-users")).status_code == 404

    @pytest.mark.parametrize(
        ("role", "level", "expected", "is_partner"),
        [
            (Role.READ_ONLY, PartnerLevel.FULL, Role.ADMIN, True),
            (Role.BILLING, PartnerLevel.FULL, Role.ADMIN, True),
            (Role.ADMIN, PartnerLevel.FULL, Role.ADMIN, False),
            (Role.OWNER, PartnerLevel.FULL, Role.OWNER, False),
            (Role.ADMIN, PartnerLevel.READ_ONLY, Role.ADMIN, False),
            (Role.BILLING, PartnerLevel.READ_ONLY, Role.BILLING, False),
            (Role.READ_ONLY, PartnerLevel.READ_ONLY, Role.READ_ONLY, False),
        ],
    )
    def test_member_who_is_of_a_partner_has_the_stronger_role(
        self, account: Account, role: Role, level: PartnerLevel, expected: Role, is_partner: bool
    ) -> None:
        """ACC-2: and is a member where both come to the same."""
        user = partner_user(account, level)
        Membership.objects.create(account=account, user=user, role=role, since=factories.AT)
        found, have = account_for(user, "northwind")
        assert have is expected
        assert (standing_in(found).partner is not None) is is_partner

    def test_lets_people_in_as_an_admin_does(self, account: Account, owner: User, full: User) -> None:
        """ACC-2: with the link for somebody new; but none is offered for an admin who has a password."""
        client = signed_in(full)
        typed = {"email": "x@example.com", "full_name": "X", "role": "admin"}
        assert (
            "/password/set/" in client.post(address("administrator-add"), typed, follow=True).context["link"]
        )
        admin = Membership.objects.get(user=factories.member(account, Role.ADMIN))
        page = text_of(client, address("administrators"))
        assert address("administrator-role", admin.pk) in page
        assert address("administrator-link", admin.pk) not in page
        refused = client.post(address("administrator-link", admin.pk), follow=True)
        assert "own owners and admins" in refused.content.decode()

    def test_makes_no_owner_by_a_forged_form(self, account: Account, owner: User, full: User) -> None:
        """ACC-1, ACC-2."""
        client = signed_in(full)
        typed = {"email": "x@example.com", "full_name": "X", "role": "owner"}
        assert client.post(address("administrator-add"), typed).context["form"].errors["role"]
        mine = Membership.objects.get(user=owner)
        client.post(address("administrator-role", mine.pk), {"role": "read-only"})
        client.post(address("administrator-remove", mine.pk))
        assert Membership.objects.get().role == Role.OWNER


class TestFinding:
    def test_start_leads_to_the_only_account(self, account: Account, full: User) -> None:
        assert signed_in(full).get("/").headers["Location"] == reverse("home", args=["northwind"])

    def test_list_and_switcher_show_all_of_them(self, account: Account, other: Account, reader: User) -> None:
        """ACC-2: those of the partner and those of memberships, each once, with what one is there."""
        mine = factories.AccountFactory(brand=account.brand, name="Alder Works", slug="alder")
        assert reader.partner is not None
        PartnerAccessFactory(account=mine, partner=reader.partner)
        third = factories.AccountFactory(name="Third Ltd")
        factories.MembershipFactory(account=third, user=reader, role=Role.BILLING)
        response = signed_in(reader).get(reverse("accounts:choose"))
        rows = [(row["account"].name, row["role"]) for row in response.context["rows"]]
        assert rows == [
            ("Alder Works", "Partner: full administration"),
            ("Northwind", "Partner: read-only"),
            ("Third Ltd", "Billing"),
        ]
        shown = response.context["nav"].switcher.accounts
        assert [place.label for place in shown] == ["Alder Works", "Northwind", "Third Ltd"]
        assert shown[2].url == reverse("billing:overview", args=[third.slug])

    def test_partner_without_accounts_is_told_how_they_come(self, db: None) -> None:
        page = text_of(signed_in(UserFactory(partner=PartnerFactory())), reverse("accounts:choose"))
        assert "takes a subscription from your organisation" in page

    def test_frame_says_what_one_is(self, account: Account, full: User, reader: User, owner: User) -> None:
        url = address("end-users")
        assert "Partner: full administration" in text_of(signed_in(full), url)
        assert "Partner: read-only" in text_of(signed_in(reader), url)
        assert "Partner:" not in text_of(signed_in(owner), url)
        assert "Partner: read-only" in text_of(signed_in(reader), reverse("help:index"))


class TestSection:
    def test_shows_who_how_many_and_what_they_may(
        self,
        owner: User,
        further: PartnerAccess,
        opens_cheaply: Callable[[Client, str], HttpResponseBase],
    ) -> None:
        """ACC-2: people who no longer sign in are not counted."""
        client = signed_in(owner)
        opens_cheaply(client, address("administrators"))
        rows = client.get(address("administrators")).context["partners"]
        shown = [(row["access"].partner.name, row["access"].people, row["is_full"]) for row in rows]
        assert shown == [("Primo Resale", 0, True), ("Secondo Resale", 1, False)]

    def test_owner_is_offered_what_an_owner_decides(
        self, owner: User, first: PartnerAccess, further: PartnerAccess
    ) -> None:
        page = text_of(signed_in(owner), address("administrators"))
        assert address("partner-raise", further.pk) in page
        assert address("partner-remove", further.pk) in page
        assert address("partner-remove", first.pk) in page
        assert address("partner-lower", first.pk) not in page

    def test_admin_is_not_offered_the_first_partner(
        self, account: Account, first: PartnerAccess, further: PartnerAccess
    ) -> None:
        page = text_of(signed_in(factories.member(account, Role.ADMIN)), address("administrators"))
        assert address("partner-raise", further.pk) in page
        assert address("partner-remove", first.pk) not in page

    def test_nobody_else_is_offered_anything(
        self, account: Account, further: PartnerAccess, full: User, reader: User
    ) -> None:
        assert full.partner is not None
        colleague = factories.member(account, Role.ADMIN, partner=full.partner)
        lesser = factories.member(account, Role.READ_ONLY)
        for user in (full, reader, colleague, lesser, factories.staff(SUPPORT)):
            page = text_of(signed_in(user), address("administrators"))
            assert "Secondo Resale" in page
            assert "/administrators/partners/" not in page

    def test_account_without_partners_is_told_how_they_come(self, owner_client: Client) -> None:
        assert "No partners" in text_of(owner_client, address("administrators"))


class TestDeciding:
    def test_asks_before_it_gives_more(self, owner_client: Client, further: PartnerAccess) -> None:
        """ACC-2: a page that says what it means, then the deed."""
        url = address("partner-raise", further.pk)
        page = text_of(owner_client, url)
        assert "Give Secondo Resale full administration" in page
        assert "They make nobody an owner" in page
        further.refresh_from_db()
        assert further.level == PartnerLevel.READ_ONLY
        done = owner_client.post(url, follow=True)
        assert "Secondo Resale now has full administration." in done.content.decode()
        further.refresh_from_db()
        assert further.level == PartnerLevel.FULL
        assert AuditEntry.objects.get(action="raise-partner").address == "203.0.113.7"

    def test_takes_it_back_with_one_button(self, owner_client: Client, account: Account) -> None:
        """ACC-2: at once, for the one who is signed in too."""
        user = partner_user(account)
        further = PartnerAccessFactory(account=account, level=PartnerLevel.FULL)
        user = UserFactory(partner=further.partner)
        client = signed_in(user)
        assert client.get(address("end-user-add")).status_code == 200
        url = address("partner-lower", further.pk)
        assert url in text_of(owner_client, address("administrators"))
        assert owner_client.get(url).status_code == 405
        assert "back to read-only" in owner_client.post(url, follow=True).content.decode()
        further.refresh_from_db()
        assert further.level == PartnerLevel.READ_ONLY
        assert client.get(address("end-user-add")).status_code == 403

    def test_first_partner_keeps_its_administration(self, owner_client: Client, first: PartnerAccess) -> None:
        """ACC-2: whoever sends the form by hand is told."""
        answer = owner_client.post(address("partner-lower", first.pk), follow=True)
        assert "keeps full administration" in answer.content.decode()
        first.refresh_from_db()
        assert first.level == PartnerLevel.FULL

    def test_removes_after_asking(self, owner_client: Client, further: PartnerAccess, reader: User) -> None:
        url = address("partner-remove", further.pk)
        assert "Remove Secondo Resale" in text_of(owner_client, url)
        assert owner_client.post(url).headers["Location"] == address("administrators")
        assert not PartnerAccess.objects.filter(pk=further.pk).exists()
        assert signed_in(reader).get(address("end-users")).status_code == 404

    def test_admin_is_told_that_the_first_is_the_owners(
        self, account: Account, owner: User, first: PartnerAccess
    ) -> None:
        """ACC-2: with the rule."""
        client = signed_in(factories.member(account, Role.ADMIN))
        response = client.post(address("partner-remove", first.pk))
        assert response.status_code == 400
        assert "/help/accounts/#ACC-2" in response.content.decode()
        assert PartnerAccess.objects.filter(pk=first.pk).exists()

    @pytest.mark.parametrize("name", ["partner-raise", "partner-lower", "partner-remove"])
    def test_forged_forms_change_nothing(
        self, name: str, account: Account, further: PartnerAccess, full: User, reader: User
    ) -> None:
        """ACC-2, ACC-4: the partner itself, another with full administration, their admins, staff, lesser members."""
        assert reader.partner is not None
        people = [
            full,
            reader,
            factories.member(account, Role.ADMIN, partner=reader.partner),
            factories.member(account, Role.BILLING),
            factories.member(account, Role.READ_ONLY),
            factories.staff(SUPPORT),
        ]
        for user in people:
            assert signed_in(user).post(address(name, further.pk)).status_code == 403
        further.refresh_from_db()
        assert further.level == PartnerLevel.READ_ONLY

    @pytest.mark.parametrize("name", ["partner-raise", "partner-lower", "partner-remove"])
    def test_partner_of_another_account_is_not_there(
        self, name: str, owner_client: Client, other: Account
    ) -> None:
        """ACC-4."""
        theirs = PartnerAccessFactory(account=other)
        assert owner_client.post(address(name, theirs.pk)).status_code == 404
        assert PartnerAccess.objects.filter(pk=theirs.pk).exists()
