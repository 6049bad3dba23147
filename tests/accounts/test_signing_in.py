"""Signing in and out, choosing a password by a link, and where a person begins."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.links import link_tokens
from accounts.models import Account, AuditEntry, Role, User
from accounts.permissions import FINANCE, SUPPORT
from tests import factories
from tests.factories import PASSWORD


def sign_in(client: Client, email: str, password: str = PASSWORD, **more: str) -> str:
    """Fill in the sign-in page; where it leads, or "" where it does not."""
    response = client.post(reverse("sign-in"), {"username": email, "password": password, **more})
    return str(response.headers.get("Location", ""))


def link_for(user: User) -> str:
    key = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("set-password", args=[key, link_tokens.make_token(user)])


@pytest.mark.parametrize("typed", ["ann@example.com", "ANN@Example.COM", " ann@example.com "])
def test_address_in_any_case(db: None, typed: str) -> None:
    factories.UserFactory(email="Ann@Example.com")
    assert sign_in(Client(), typed) == "/"


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ann@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("off@example.com", PASSWORD),
        ("new@example.com", ""),
    ],
)
def test_failure_says_not_which_was_wrong(db: None, email: str, password: str) -> None:
    """Whether an address is known here is nobody's business."""
    factories.UserFactory(email="ann@example.com")
    factories.UserFactory(email="off@example.com", is_active=False)
    factories.UserFactory(email="new@example.com", password=None)
    response = Client().post(reverse("sign-in"), {"username": email, "password": password or "!"})
    assert response.status_code == 200
    page = response.content.decode()
    assert "do not go together" in page
    assert email in page
    assert "_auth_user_id" not in response.client.session


@pytest.mark.parametrize(
    ("asked", "leads"),
    [
        ("/a/northwind/users/", "/a/northwind/users/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_next_stays_in_the_panel(db: None, asked: str, leads: str) -> None:
    factories.UserFactory(email="ann@example.com")
    assert sign_in(Client(), "ann@example.com", next=asked) == leads


def test_page_asked_for_comes_after_signing_in(account: Account, owner: User) -> None:
    client = Client()
    target = reverse("accounts:end-users", args=["northwind"]) + "?q=ann"
    response = client.get(target, follow=True)
    hidden = re.search(r'name="next" value="([^"]+)"', response.content.decode())
    assert hidden is not None
    assert sign_in(client, owner.email, next=hidden[1].replace("&amp;", "&")) == target


def test_sign_out_takes_post_alone(account: Account, owner_client: Client) -> None:
    """A link or a picture on another site signs nobody out."""
    assert owner_client.get(reverse("sign-out")).status_code == 405
    assert owner_client.post(reverse("sign-out")).headers["Location"] == reverse("sign-in")
    assert owner_client.get(reverse("accounts:choose")).status_code == 302


def test_link_sets_a_password_once(account: Account) -> None:
    """The link leads to a form, the form signs in, and neither works again."""
    user = factories.member(account, Role.ADMIN, password=None)
    client, link = Client(), link_for(user)
    form = client.get(link, follow=True)
    assert "Choose your password" in form.content.decode()
    chosen = {"new_password1": "a long new password", "new_password2": "a long new password"}
    assert client.post(form.request["PATH_INFO"], chosen).headers["Location"] == "/"
    assert client.session["_auth_user_id"] == str(user.pk)
    user.refresh_from_db()
    assert user.check_password("a long new password")
    assert AuditEntry.objects.get(action="choose-password").user == user
    assert "does not work any more" in Client().get(link, follow=True).content.decode()


def test_link_dies_when_the_person_gets_to_more(account: Account, other: Account) -> None:
    """ACC-4: whoever made a link for one account must not get into another by it, nor to another role."""
    user = factories.member(account, Role.READ_ONLY)
    works = "Choose your password"

    def opened(link: str) -> bool:
        return works in Client().get(link, follow=True).content.decode()

    before = link_for(user)
    assert opened(before)
    elsewhere = factories.MembershipFactory(account=other, user=user, role=Role.ADMIN)
    assert not opened(before)
    elsewhere.delete()
    assert opened(before)
    user.memberships.update(role=Role.OWNER)
    assert not opened(before)
    for field in ("is_staff", "is_superuser"):
        link = link_for(user)
        assert opened(link)
        setattr(user, field, True)
        user.save()
        assert not opened(link)


@pytest.mark.parametrize("password", ["short", "12345678901234", "password1234"])
def test_weak_password_is_refused_by_its_field(account: Account, password: str) -> None:
    user = factories.member(account, Role.ADMIN, password=None)
    client = Client()
    form = client.get(link_for(user), follow=True)
    response = client.post(form.request["PATH_INFO"], {"new_password1": password, "new_password2": password})
    assert response.status_code == 200
    assert response.context["form"].errors
    user.refresh_from_db()
    assert not user.has_usable_password()


def test_only_account_is_opened_at_once(account: Account, owner_client: Client) -> None:
    """ACC-1: who is a member of one account need not choose."""
    assert owner_client.get("/").headers["Location"] == reverse("home", args=["northwind"])


def test_billing_role_begins_with_billing(account: Account) -> None:
    """ACC-1: the billing role opens billing pages, so it begins there."""
    client = Client()
    client.force_login(factories.member(account, Role.BILLING))
    assert client.get("/").headers["Location"] == reverse("billing:overview", args=["northwind"])


def test_member_of_many_chooses(account: Account, other: Account, owner: User, owner_client: Client) -> None:
    factories.MembershipFactory(account=other, user=owner, role=Role.READ_ONLY)
    factories.AccountFactory(name="Nobody's")
    assert owner_client.get("/").headers["Location"] == reverse("accounts:choose")
    page = owner_client.get(reverse("accounts:choose")).content.decode()
    assert "Northwind" in page
    assert "Elsewhere" in page
    assert "Nobody" not in page


def test_chooser_searches_names_and_addresses(
    account: Account, other: Account, owner: User, owner_client: Client
) -> None:
    factories.MembershipFactory(account=other, user=owner)
    response = owner_client.get(reverse("accounts:choose"), {"q": "NORTH"})
    assert [row["account"] for row in response.context["rows"]] == [account]


def test_member_of_none_is_told_what_to_do(db: None) -> None:
    client = Client()
    client.force_login(factories.UserFactory())
    assert "not a member of an account" in client.get("/", follow=True).content.decode()


def test_staff_find_every_account(account: Account, other: Account) -> None:
    """ACC-3: support looks at the account that asks for help."""
    client = Client()
    client.force_login(factories.staff(SUPPORT))
    response = client.get("/", follow=True)
    assert {row["account"] for row in response.context["rows"]} == {account, other}


def test_finance_begins_with_its_invoices(db: None) -> None:
    client = Client()
    client.force_login(factories.staff(FINANCE))
    assert client.get("/").headers["Location"] == reverse("finance:invoices")


def test_chooser_costs_the_same_for_many(db: None, opens_cheaply: object) -> None:
    client = Client()
    client.force_login(factories.staff(SUPPORT))
    brand = factories.BrandFactory()
    factories.AccountFactory.create_batch(50, brand=brand)
    assert callable(opens_cheaply)
    opens_cheaply(client, reverse("accounts:choose"))


def test_switcher_opens_what_the_role_may_see(
    account: Account, other: Account, owner: User, owner_client: Client
) -> None:
    """ACC-1: for the billing role of another account the switcher leads to its billing pages, not to a refusal."""
    factories.MembershipFactory(account=other, user=owner, role=Role.BILLING)
    nav = owner_client.get(reverse("accounts:administrators", args=["northwind"])).context["nav"]
    assert {place.name: place.url for place in nav.switcher.accounts} == {
        "Northwind": reverse("home", args=["northwind"]),
        "Elsewhere": reverse("billing:overview", args=["elsewhere"]),
    }
