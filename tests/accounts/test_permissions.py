"""Who gets into which page, and how those are sent on who do not (ACC-1, ACC-3, ACC-4)."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, EndUser, Role, User
from accounts.permissions import SUPPORT, account_for, staff_page
from tests import factories

USERS = "accounts:end-users"


def test_account_and_role_cost_one_query(
    account: Account, owner: User, django_assert_num_queries: object
) -> None:
    """ACC-4: account, brand and membership are one question."""
    assert callable(django_assert_num_queries)
    with django_assert_num_queries(1):
        found, role = account_for(owner, "northwind")
        assert (found.brand.name, role) == (account.brand.name, Role.OWNER)


@pytest.mark.parametrize("slug", ["northwind", "no-such-account"])
def test_stranger_cannot_tell_whether_it_exists(account: Account, slug: str) -> None:
    """ACC-4: an account of others and none at all answer alike."""
    client = Client()
    client.force_login(factories.UserFactory(email="x@example.com"))
    response = client.get(reverse(USERS, args=[slug]))
    assert response.status_code == 404
    assert "Northwind" not in response.content.decode()


def test_role_is_told_what_it_may(account: Account) -> None:
    """ACC-1: the billing role gets a page that says so, not a riddle."""
    client = Client()
    client.force_login(factories.member(account, Role.BILLING))
    response = client.get(reverse(USERS, args=["northwind"]))
    assert response.status_code == 403
    assert "billing pages" in response.content.decode()


def test_read_only_write_changes_nothing(account: Account) -> None:
    """ACC-4: 403, and nothing is there afterwards."""
    client = Client()
    client.force_login(factories.member(account, Role.READ_ONLY))
    response = client.post(reverse("accounts:end-user-add", args=["northwind"]), {"name": "Ann"})
    assert response.status_code == 403
    assert not EndUser.objects.exists()


def test_staff_look_and_do_not_write(account: Account) -> None:
    """ACC-3: staff open every account's pages; to change something they need to be a member."""
    client = Client()
    person = factories.staff(SUPPORT)
    client.force_login(person)
    assert client.get(reverse(USERS, args=["northwind"])).status_code == 200
    assert (
        client.post(reverse("accounts:end-user-add", args=["northwind"]), {"name": "Ann"}).status_code == 403
    )
    factories.MembershipFactory(account=account, user=person, role=Role.ADMIN)
    assert (
        client.post(reverse("accounts:end-user-add", args=["northwind"]), {"name": "Ann"}).status_code == 302
    )


def test_staff_flag_without_a_group_opens_nothing(account: Account) -> None:
    """ACC-3: it is the group that gives access."""
    client = Client()
    client.force_login(factories.UserFactory(is_staff=True))
    assert client.get(reverse(USERS, args=["northwind"])).status_code == 404


def test_group_without_the_staff_flag_opens_nothing(account: Account) -> None:
    """ACC-3: nor does the group alone, for a customer who slipped into it."""
    client = Client()
    person = factories.staff(SUPPORT)
    User.objects.filter(pk=person.pk).update(is_staff=False)
    client.force_login(person)
    assert client.get(reverse(USERS, args=["northwind"])).status_code == 404


def test_page_runs_in_the_account_s_time(owner_client: Client, account: Account, owner: User) -> None:
    """ACC-5: instants are shown in the account's own time zone."""
    Account.objects.filter(pk=account.pk).update(timezone="Pacific/Auckland")
    page = owner_client.get(reverse("accounts:activity", args=["northwind"])).content.decode()
    assert "Mar 3, 2026, 4:00 AM" in page


def test_lost_session_in_htmx_leads_to_the_sign_in_page(account: Account) -> None:
    """A part of a page is not replaced by a sign-in form: the whole page goes there, and comes back."""
    response = Client().get(
        reverse(USERS, args=["northwind"]) + "?q=a",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/a/northwind/users/"},
    )
    assert response.headers["HX-Redirect"] == "/sign-in/?next=/a/northwind/users/"


def test_lost_session_at_a_button_leads_back_to_its_page(account: Account, owner: User) -> None:
    """The address that takes POST alone would answer 405 after signing in."""
    pk = owner.memberships.get().pk
    response = Client().post(
        reverse("accounts:administrator-link", args=["northwind", pk]),
        headers={"Referer": "http://testserver/a/northwind/administrators/"},
    )
    assert response.headers["Location"] == "/sign-in/?next=/a/northwind/administrators/"


def test_staff_pages_name_groups_there_are() -> None:
    """A page of a group that nobody can be in is a mistake, and says so when the panel starts."""
    with pytest.raises(ValueError, match="groups"):
        staff_page()
    with pytest.raises(ValueError, match="groups"):
        staff_page("Marketing")
