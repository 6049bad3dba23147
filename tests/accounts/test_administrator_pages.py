"""The page of members: adding, roles, removing, and the link that is shown once (ACC-1)."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AuditEntry, Membership, Role, User
from tests import factories


def address(name: str, *args: object) -> str:
    return reverse(f"accounts:{name}", args=["northwind", *args])


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin(account: Account, owner: User) -> Membership:
    user = factories.member(account, Role.ADMIN, full_name="Adam Admin", email="adam@example.com")
    return Membership.objects.get(user=user)


@pytest.fixture
def ownership(owner: User) -> Membership:
    return Membership.objects.get(user=owner)


class TestList:
    def test_shows_members_with_roles(self, owner_client: Client, admin: Membership) -> None:
        response = owner_client.get(address("administrators"))
        names = [row["member"].user.full_name for row in response.context["rows"]]
        assert names == ["Adam Admin", "Olivia Owner"]
        page = response.content.decode()
        assert "(you)" in page
        assert address("administrator-role", admin.pk) in page

    def test_admin_is_not_offered_what_is_the_owners(
        self, account: Account, admin: Membership, ownership: Membership
    ) -> None:
        page = signed_in(admin.user).get(address("administrators")).content.decode()
        assert address("administrator-role", ownership.pk) not in page
        assert "Owners only" in page

    def test_reader_is_offered_nothing(self, account: Account, admin: Membership) -> None:
        client = signed_in(factories.member(account, Role.READ_ONLY))
        page = client.get(address("administrators")).content.decode()
        assert "Adam Admin" in page
        assert address("administrator-remove", admin.pk) not in page
        assert address("administrator-add") not in page


class TestAdding:
    def test_new_person_gets_a_link_that_is_shown_once(self, owner_client: Client, account: Account) -> None:
        typed = {"email": "New@Example.com", "full_name": "Nora New", "role": "admin"}
        shown = owner_client.post(address("administrator-add"), typed, follow=True)
        link = shown.context["link"]
        assert link in shown.content.decode()
        assert link.startswith("http://testserver/password/set/")
        again = owner_client.get(address("administrator-link-shown"))
        assert again.headers["Location"] == address("administrators")
        assert Client().get(link, follow=True).context["validlink"]
        user = User.objects.get(email="new@example.com")
        assert Membership.objects.get(user=user).role == Role.ADMIN
        assert AuditEntry.objects.filter(action="make-password-link").count() == 1

    def test_link_is_not_shown_under_another_account(
        self, owner_client: Client, owner: User, other: Account
    ) -> None:
        factories.MembershipFactory(account=other, user=owner)
        owner_client.post(
            address("administrator-add"), {"email": "new@example.com", "full_name": "N", "role": "admin"}
        )
        response = owner_client.get(reverse("accounts:administrator-link-shown", args=["elsewhere"]))
        assert response.status_code == 302

    def test_known_person_gets_no_link(self, owner_client: Client, other: Account) -> None:
        factories.member(other, email="kay@example.com", full_name="Kay Known")
        response = owner_client.post(
            address("administrator-add"), {"email": "kay@example.com", "role": "billing"}, follow=True
        )
        assert response.request["PATH_INFO"] == address("administrators")
        assert "Kay Known is now a member: Billing." in response.content.decode()

    @pytest.mark.parametrize(
        ("typed", "field"),
        [
            ({"email": "nope", "role": "admin"}, "email"),
            ({"email": "new@example.com", "role": "admin"}, "full_name"),
            ({"email": "new@example.com", "full_name": "N", "role": "king"}, "role"),
            ({"email": "new@example.com", "full_name": "N"}, "role"),
            ({"email": "adam@example.com", "role": "admin"}, "email"),
        ],
    )
    def test_says_what_is_wrong_by_its_field(
        self, owner_client: Client, admin: Membership, typed: dict[str, str], field: str
    ) -> None:
        response = owner_client.post(address("administrator-add"), typed)
        assert response.status_code == 200
        assert response.context["form"].errors[field]
        assert Membership.objects.count() == 2

    def test_admin_cannot_make_an_owner(self, account: Account, admin: Membership) -> None:
        """ACC-1: not even by sending what the form does not offer."""
        typed = {"email": "new@example.com", "full_name": "N", "role": "owner"}
        response = signed_in(admin.user).post(address("administrator-add"), typed)
        assert response.context["form"].errors["role"]
        assert not User.objects.filter(email="new@example.com").exists()


class TestRole:
    def test_works(self, owner_client: Client, admin: Membership) -> None:
        owner_client.post(address("administrator-role", admin.pk), {"role": "read-only"})
        admin.refresh_from_db()
        assert admin.role == Role.READ_ONLY

    def test_last_owner_is_told_why_not(self, owner_client: Client, ownership: Membership) -> None:
        """ACC-1: the message stands by the field and leads to the rule."""
        response = owner_client.post(address("administrator-role", ownership.pk), {"role": "admin"})
        assert "only owner" in str(response.context["form"].errors["role"])
        assert "/help/accounts/#ACC-1" in response.content.decode()
        ownership.refresh_from_db()
        assert ownership.role == Role.OWNER

    def test_admin_cannot_alter_an_owner(self, admin: Membership, ownership: Membership) -> None:
        signed_in(admin.user).post(address("administrator-role", ownership.pk), {"role": "read-only"})
        ownership.refresh_from_db()
        assert ownership.role == Role.OWNER


class TestRemoving:
    def test_asks_and_works(self, owner_client: Client, admin: Membership) -> None:
        url = address("administrator-remove", admin.pk)
        assert "can no longer open Northwind" in owner_client.get(url).content.decode()
        assert Membership.objects.filter(pk=admin.pk).exists()
        assert owner_client.post(url).headers["Location"] == address("administrators")
        assert not Membership.objects.filter(pk=admin.pk).exists()

    def test_last_owner_is_told_why_not(self, owner_client: Client, ownership: Membership) -> None:
        response = owner_client.post(address("administrator-remove", ownership.pk))
        assert response.status_code == 400
        assert "only owner" in response.content.decode()
        assert Membership.objects.filter(pk=ownership.pk).exists()

    def test_who_leaves_is_out_at_once(self, account: Account, admin: Membership) -> None:
        client = signed_in(admin.user)
        response = client.post(address("administrator-remove", admin.pk))
        assert response.headers["Location"] == "/"
        assert client.get(address("administrators")).status_code == 404


class TestLink:
    def test_works(self, owner_client: Client, admin: Membership) -> None:
        response = owner_client.post(address("administrator-link", admin.pk), follow=True)
        assert response.context["email"] == "adam@example.com"

    def test_refusal_is_a_message(self, owner_client: Client, admin: Membership, other: Account) -> None:
        factories.MembershipFactory(account=other, user=admin.user)
        response = owner_client.post(address("administrator-link", admin.pk), follow=True)
        assert response.request["PATH_INFO"] == address("administrators")
        assert "more than this account" in response.content.decode()


@pytest.mark.parametrize("rows", [1, 50])
def test_list_costs_the_same_for_many(
    owner_client: Client, account: Account, opens_cheaply: object, rows: int
) -> None:
    factories.MembershipFactory.create_batch(rows, account=account, role=Role.READ_ONLY)
    assert callable(opens_cheaply)
    opens_cheaply(owner_client, address("administrators"))
