"""The frame: which sections a person sees and where they are, the switcher, the brand's colour, the theme."""

from typing import Any, cast

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import ResolverMatch
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, Brand, Membership, Role, User
from accounts.permissions import FINANCE, SUPPORT
from controlpanel import navigation
from controlpanel.navigation import Navigation, frame

pytestmark = pytest.mark.django_db


@pytest.fixture
def brand() -> Brand:
    return Brand.objects.create(
        name="HostPilot",
        slug="hostpilot",
        logo_text="HostPilot",
        accent="#f28c28",
        support_email="help@hostpilot.example",
        onboarding_email="live@hostpilot.example",
        legal_name="HostPilot LLC",
        invoice_prefix="HP",
    )


@pytest.fixture
def person() -> User:
    return User.objects.create_user("ann@northwind.example", full_name="Ann Field")


def account(brand: Brand, name: str) -> Account:
    return Account.objects.create(
        brand=brand, name=name, slug=name.lower().replace(" ", "-"), bdom=15, opened_on="2026-01-01"
    )


def join(user: User, to: Account, role: Role = Role.OWNER) -> None:
    Membership.objects.create(user=user, account=to, role=role, since=timezone.now())


def asked(user: Any, at: str = "", to: Account | None = None, role: Role | None = None) -> HttpRequest:
    """A request as the permission decorators leave it."""
    request: Any = RequestFactory().get("/")
    request.user = user
    namespaces, _, name = at.rpartition(":")
    request.resolver_match = ResolverMatch(
        frame, (), {}, url_name=name, namespaces=[namespaces] if namespaces else []
    )
    if to is not None:
        request.account, request.membership_role = to, role
    return cast(HttpRequest, request)


@pytest.fixture
def every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every section an address, whether its page is there or not."""
    monkeypatch.setattr(navigation, "address", lambda name, **kwargs: f"/{name}/{kwargs.get('account', '')}")


def labels(nav: Navigation) -> list[str]:
    return [item.label for group in nav.groups for item in group.items]


def active(nav: Navigation) -> list[str]:
    return [item.label for group in nav.groups for item in group.items if item.is_active]


ALL = [
    "Home",
    "Users",
    "Licences",
    "Numbers",
    "Services",
    "Locations",
    "Contact Center",
    "Subscriptions",
    "Plans",
    "Usage",
    "Devices",
    "Orders",
    "Billing",
    "Administrators",
    "Activity",
]


@pytest.mark.usefixtures("every_page")
@pytest.mark.parametrize(
    ("role", "seen"),
    [
        (Role.OWNER, ALL),
        (Role.ADMIN, ALL),
        (Role.READ_ONLY, ALL[:-1]),
        (None, ALL),
        (Role.BILLING, ["Plans", "Usage", "Orders", "Billing"]),
    ],
)
def test_the_role_decides_the_sections(
    brand: Brand, person: User, role: Role | None, seen: list[str]
) -> None:
    """ACC-1: the billing role sees billing only; ACC-5: admins read the trail; ACC-3: staff look at everything."""
    assert labels(Navigation(asked(person, to=account(brand, "Northwind"), role=role))) == seen


@pytest.mark.usefixtures("every_page")
@pytest.mark.parametrize(
    ("page", "section"),
    [
        ("home", ["Home"]),
        ("accounts:end-user-add", ["Users"]),
        ("billing:end-user-licences", ["Users"]),
        ("billing:licence-add", ["Licences"]),
        ("billing:invoice", ["Billing"]),
        ("billing:overview", ["Billing"]),
        ("telephony:number-swap", ["Numbers"]),
        ("accounts:activity", ["Activity"]),
        ("search", []),
    ],
)
def test_the_page_lights_up_its_section(brand: Brand, person: User, page: str, section: list[str]) -> None:
    nav = Navigation(asked(person, at=page, to=account(brand, "Northwind"), role=Role.OWNER))
    assert active(nav) == section


@pytest.mark.usefixtures("every_page")
def test_finance_and_support_see_their_own_sections(person: User) -> None:
    """ACC-3: staff pages are for their groups, and for nobody else."""
    assert labels(Navigation(asked(person))) == []
    person.is_staff = True
    person.save()
    person.groups.add(Group.objects.get_or_create(name=SUPPORT)[0])
    assert "Invoices" not in labels(Navigation(asked(person)))
    assert "Invoice runs" in labels(Navigation(asked(person)))
    finance = User.objects.create_user("fin@provider.example", full_name="Fin", is_staff=True)
    finance.groups.add(Group.objects.get_or_create(name=FINANCE)[0])
    assert "Invoices" in labels(Navigation(asked(finance)))


def test_a_section_without_a_page_is_left_out(
    brand: Brand, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = navigation.Section("Orders", "package", "no:such-page", ("no:",), frozenset(Role))
    monkeypatch.setattr(navigation, "ACCOUNT_SECTIONS", (missing,))
    assert labels(Navigation(asked(person, to=account(brand, "Northwind"), role=Role.OWNER))) == []


@pytest.mark.usefixtures("every_page")
def test_the_switcher_costs_one_query(
    brand: Brand, person: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(9):
        join(person, account(brand, f"Account {number}"))
    here = Account.objects.get(slug="account-8")
    nav = Navigation(asked(person, at="home", to=here, role=Role.OWNER))
    with django_assert_num_queries(1):
        switcher = nav.switcher
    assert switcher is not None
    assert switcher.name == "Account 8"
    assert [place.name for place in switcher.accounts if place.is_current] == ["Account 8"]
    assert len(switcher.accounts) == navigation.SWITCHER_ACCOUNTS
    assert [link.label for link in switcher.links] == ["All accounts"]


@pytest.mark.usefixtures("every_page")
def test_the_switcher_opens_each_account_where_the_role_may_look(brand: Brand, person: User) -> None:
    """ACC-1: an account that a person keeps the books of opens at its billing pages."""
    join(person, account(brand, "Books"), Role.BILLING)
    join(person, account(brand, "Own"))
    switcher = Navigation(asked(person)).switcher
    assert switcher is not None
    assert [place.url for place in switcher.accounts] == ["/billing:overview/books", "/home/own"]


@pytest.mark.usefixtures("every_page")
def test_the_switcher_names_no_account_of_others(brand: Brand, person: User) -> None:
    """ACC-4: never a name of an account that a person is no member of."""
    account(brand, "Strangers")
    join(person, account(brand, "Own"))
    switcher = Navigation(asked(person)).switcher
    assert switcher is not None
    assert [place.name for place in switcher.accounts] == ["Own"]
    assert switcher.links == []


def test_a_page_that_draws_no_frame_asks_nothing(
    person: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        context = frame(asked(person))
        nobody = Navigation(asked(AnonymousUser()))
        assert nobody.switcher is None
        assert nobody.brand is None
    with django_assert_num_queries(1):
        assert context["brand"]() is None
        assert context["brand_css"]() == ""
        assert context["nav"].groups == []


@pytest.mark.usefixtures("every_page")
@pytest.mark.parametrize(
    ("role", "seen"), [(Role.OWNER, ALL), (Role.BILLING, ["Plans", "Usage", "Orders", "Billing"])]
)
def test_help_stands_in_the_only_account(
    brand: Brand,
    person: User,
    django_assert_num_queries: DjangoAssertNumQueries,
    role: Role,
    seen: list[str],
) -> None:
    """A page of no account keeps the frame that the person came from, as far as that is certain."""
    join(person, account(brand, "Own"), role)
    nav = Navigation(asked(person, at="help:index"))
    with django_assert_num_queries(1):
        assert labels(nav) == seen
        assert nav.brand == brand
        assert nav.switcher is not None
    join(person, account(brand, "Other"), role)
    assert Navigation(asked(person, at="help:index")).account is None


def test_the_stylesheet_carries_the_brands_colour(client: Client, brand: Brand) -> None:
    response = client.get("/brand/hostpilot.css")
    assert response.headers["Content-Type"] == "text/css"
    assert "--brand-fill-light: #f28c28;" in response.content.decode()
    assert "max-age" in response.headers["Cache-Control"]
    assert client.get("/brand/nobody.css").status_code == 404


def test_the_frame_names_the_stylesheet_by_colour(brand: Brand, person: User) -> None:
    context = frame(asked(person, to=account(brand, "Northwind"), role=Role.OWNER))
    assert context["brand_css"]() == "/brand/hostpilot.css?accent=f28c28"


@pytest.mark.parametrize(
    ("chosen", "kept"), [("dark", "dark"), ("light", "light"), ("system", ""), ("<x>", "")]
)
def test_the_theme_is_kept_in_a_cookie(client: Client, chosen: str, kept: str) -> None:
    client.cookies["theme"] = "light"
    response = client.post("/theme/", {"theme": chosen, "next": "/help/?q=1"})
    assert response.status_code == 302
    assert response.headers["Location"] == "/help/?q=1"
    assert client.cookies["theme"].value == kept


@pytest.mark.parametrize(
    "back", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)", ""]
)
def test_the_theme_switch_leads_nowhere_else(client: Client, back: str) -> None:
    assert client.post("/theme/", {"theme": "dark", "next": back}).headers["Location"] == "/"


def test_the_theme_is_written_into_the_page(client: Client, person: User) -> None:
    """The server knows the theme, so a page never flashes in the other one."""
    client.cookies["theme"] = "dark"
    assert frame(client.get("/help/").wsgi_request)["theme"] == "dark"
    client.cookies["theme"] = '"><script>'
    assert frame(client.get("/help/").wsgi_request)["theme"] == ""


def test_the_style_guide_is_for_staff(client: Client, person: User) -> None:
    """ACC-3: 404 to everybody else. The page draws every component, so it fails where one does."""
    client.force_login(person)
    assert client.get("/staff/guide/").status_code == 404
    person.is_staff = person.is_superuser = True
    person.save()
    response = client.get("/staff/guide/?state=parked&sort=-since")
    assert response.status_code == 200
    page = response.content.decode()
    assert "style=" not in page
    assert "<script>" not in page
    assert 'aria-sort="descending"' in page
