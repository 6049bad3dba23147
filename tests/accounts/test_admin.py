"""The administration: who may do what in it, and that what is done is in the trail (ACC-3, ACC-5)."""

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AuditEntry, Brand, Membership, Partner, PartnerLevel, Role, User
from accounts.permissions import FINANCE, ONBOARDING, SUPPORT
from tests import factories


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def onboarding(db: None) -> Client:
    return client_of(factories.staff(ONBOARDING, email="olga@provider.example"))


@pytest.fixture
def root(db: None) -> Client:
    return client_of(factories.UserFactory(is_staff=True, is_superuser=True))


def change(kind: str, pk: int) -> str:
    return reverse(f"admin:accounts_{kind}_change", args=[pk])


def sent(client: Client, url: str, **changes: str) -> dict[str, str]:
    """What the form on a page would send, with changes."""
    form = client.get(url).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    return {name: str(value) for name, value in data.items() if value not in (None, False)} | changes


def test_staff_without_a_session_sign_in_at_the_panel_s_own_page(db: None) -> None:
    response = Client().get("/admin/accounts/brand/")
    assert response.headers["Location"] == "/sign-in/?next=/admin/accounts/brand/"


def test_the_administration_looks_like_the_panel(onboarding: Client) -> None:
    page = onboarding.get("/admin/").content.decode()
    for name in ("img/favicon.svg", "css/administration.css"):
        assert finders.find(name)
        assert name.rpartition(".")[0] in page


def test_onboarding_changes_a_brand_and_the_trail_has_it(onboarding: Client, account: Account) -> None:
    """ACC-5: before and after, by whom."""
    url = change("brand", account.brand.pk)
    response = onboarding.post(url, sent(onboarding, url, support_email="new@brand.example"))
    assert response.status_code == 302
    entry = AuditEntry.objects.get(action="edit-brand")
    assert (entry.account, entry.by) == (None, "olga@provider.example")
    assert entry.before == {"support_email": "support@brand.example"}
    assert entry.after == {"support_email": "new@brand.example"}


@pytest.mark.parametrize("language", ["zz", "x/../..", "%s", "en-us-x"])
def test_language_there_is_not_is_refused_and_breaks_no_page(
    onboarding: Client, account: Account, owner_client: Client, language: str
) -> None:
    """A slip of the pen must not lock a customer out; one that is in the database already shows English."""
    url = change("account", account.pk)
    response = onboarding.post(url, sent(onboarding, url, language=language))
    assert "is not a language" in response.content.decode()
    Account.objects.filter(pk=account.pk).update(language=language)
    for name in ("home", "billing:overview", "billing:charges"):
        assert owner_client.get(reverse(name, args=["northwind"])).status_code == 200


def test_account_keeps_what_it_is_billed_by(onboarding: Client, account: Account) -> None:
    """BIL-6 in spirit: BDOM, currency, time zone and address are no fields of the form."""
    url = change("account", account.pk)
    form = onboarding.get(url).context["adminform"].form
    assert set(form.fields) == {"name", "language", "billing_name", "billing_address"}
    data = {"name": "Northwind Ltd", "language": "en-us", "bdom": "3", "slug": "x", "currency": "EUR"}
    for inline in ("memberships", "partner_accesses"):
        data |= {f"{inline}-TOTAL_FORMS": "0", f"{inline}-INITIAL_FORMS": "0"}
    assert onboarding.post(url, data).status_code == 302
    account.refresh_from_db()
    assert (account.name, account.bdom, account.slug, account.currency) == (
        "Northwind Ltd",
        10,
        "northwind",
        "USD",
    )
    assert AuditEntry.objects.get(action="edit-account").account == account


def test_account_is_not_deleted(root: Client, account: Account) -> None:
    """An account keeps its invoices and its trail."""
    assert root.post(reverse("admin:accounts_account_delete", args=[account.pk])).status_code == 403


def test_first_owner_is_made_here(onboarding: Client, account: Account) -> None:
    user = factories.UserFactory()
    url = reverse("admin:accounts_membership_add")
    assert onboarding.post(url, {"account": account.pk, "user": user.pk, "role": "owner"}).status_code == 302
    assert Membership.objects.get(user=user).role == Role.OWNER
    assert AuditEntry.objects.get(action="add-membership").account == account


def test_trail_is_read_by_all_staff_and_changed_by_none(root: Client, account: Account) -> None:
    """ACC-5: staff read all; nobody edits or removes an entry."""
    entry = AuditEntry.objects.earliest("id")
    for group in (ONBOARDING, FINANCE, SUPPORT):
        client = client_of(factories.staff(group))
        assert entry.summary in client.get(change("auditentry", entry.pk)).content.decode()
    for client in (root, client_of(factories.staff(ONBOARDING))):
        assert client.post(change("auditentry", entry.pk), {"summary": "x"}).status_code == 403
        assert client.post(reverse("admin:accounts_auditentry_delete", args=[entry.pk])).status_code == 403
        assert client.get(reverse("admin:accounts_auditentry_add")).status_code == 403


@pytest.mark.parametrize("group", [FINANCE, SUPPORT])
def test_other_staff_change_nothing(account: Account, group: str) -> None:
    """ACC-3: the administration is the onboarding team's."""
    client = client_of(factories.staff(group))
    assert client.get(change("brand", account.brand.pk)).status_code == 403
    assert client.get(change("account", account.pk)).status_code == 403


def test_only_superusers_make_staff(onboarding: Client, root: Client, account: Account) -> None:
    """ACC-3: nobody gives themselves more than they have."""
    user = factories.UserFactory(email="ann@example.com")
    url = change("user", user.pk)
    assert onboarding.get(url).status_code == 200
    assert onboarding.post(url, {"email": user.email, "full_name": "X", "is_staff": "on"}).status_code == 403
    typed = {"email": "Ann@Example.com", "full_name": "Ann", "is_staff": "on", "is_active": "on"}
    assert root.post(url, typed).status_code == 302
    user.refresh_from_db()
    assert (user.is_staff, user.email) == (True, "ann@example.com")
    assert AuditEntry.objects.get(action="edit-user").after["is_staff"] == "True"


def test_passwords_are_not_in_the_trail(root: Client) -> None:
    typed = {
        "email": "ann@example.com",
        "full_name": "Ann",
        "usable_password": "true",
        "password1": "a long new password",
        "password2": "a long new password",
    }
    assert root.post(reverse("admin:accounts_user_add"), typed).status_code == 302
    entry = AuditEntry.objects.get(action="add-user")
    assert "password" not in str(entry.after)
    assert User.objects.get(email="ann@example.com").check_password("a long new password")


def test_brand_s_invoice_prefix_stays(root: Client, account: Account) -> None:
    """INV-1: numbers that were given out keep their beginning."""
    url = change("brand", account.brand.pk)
    before = account.brand.invoice_prefix
    root.post(url, sent(root, url, invoice_prefix="ZZ", slug="zz"))
    assert Brand.objects.get(pk=account.brand.pk).invoice_prefix == before


class TestPartners:
    def test_onboarding_adds_one(self, onboarding: Client, account: Account) -> None:
        """ACC-2, ACC-5."""
        typed = {"name": "Reseller", "slug": "reseller", "brand": account.brand.pk, "email": "r@example.com"}
        for inline in ("people", "accesses"):
            typed |= {f"{inline}-TOTAL_FORMS": "0", f"{inline}-INITIAL_FORMS": "0"}
        assert onboarding.post(reverse("admin:accounts_partner_add"), typed).status_code == 302
        assert Partner.objects.get(slug="reseller").brand == account.brand
        assert AuditEntry.objects.get(action="add-partner").by == "olga@provider.example"

    @pytest.mark.parametrize("group", [FINANCE, SUPPORT])
    def test_other_staff_look(self, account: Account, group: str) -> None:
        """ACC-3: with its people and its accounts."""
        person = factories.partner_user(account, full_name="Petra Partner")
        partner = person.partner
        assert partner is not None
        client = client_of(factories.staff(group))
        url = change("partner", partner.pk)
        page = client.get(url).content.decode()
        assert "Petra Partner" in page
        assert "Northwind" in page
        assert client.post(url, {"name": "X", "email": "x@example.com"}).status_code == 403
        assert client.get(reverse("admin:accounts_partner_add")).status_code == 403

    def test_nobody_raises_or_moves_one_here(self, root: Client, account: Account) -> None:
        """ACC-2: the customer decides about the level, and the brand stays."""
        factories.PartnerAccessFactory(account=account)
        access = factories.PartnerAccessFactory(account=account)
        url = change("partner", access.partner.pk)
        typed = sent(root, url, brand=str(factories.BrandFactory().pk), name="Renamed")
        typed |= {"people-TOTAL_FORMS": "0", "people-INITIAL_FORMS": "0"}
        typed |= {"accesses-TOTAL_FORMS": "1", "accesses-INITIAL_FORMS": "1"}
        typed |= {"accesses-0-id": str(access.pk), "accesses-0-level": "full", "accesses-0-DELETE": "on"}
        assert root.post(url, typed).status_code == 302
        access.refresh_from_db()
        assert access.level == PartnerLevel.READ_ONLY
        assert (access.partner.name, access.partner.brand) == ("Renamed", account.brand)
        assert (
            root.post(reverse("admin:accounts_partner_delete", args=[access.partner.pk])).status_code == 403
        )

    def test_account_shows_its_partners(self, onboarding: Client, account: Account) -> None:
        factories.PartnerAccessFactory(account=account, partner__name="First & Co")
        assert "First &amp; Co" in onboarding.get(change("account", account.pk)).content.decode()

    def test_superuser_says_who_works_for_one(self, root: Client, account: Account) -> None:
        """ACC-2, ACC-3: staff cannot."""
        user = factories.UserFactory(email="ann@example.com")
        partner = factories.PartnerFactory(brand=account.brand)
        url = change("user", user.pk)
        typed = {"email": "ann@example.com", "full_name": "Ann", "is_active": "on", "partner": partner.pk}
        answer = root.post(url, typed | {"is_staff": "on"})
        assert "never both" in answer.content.decode()
        assert root.post(url, typed).status_code == 302
        user.refresh_from_db()
        assert user.partner == partner
        assert AuditEntry.objects.get(action="edit-user").after["partner"] == partner.name


@pytest.mark.parametrize("kind", ["brand", "account", "user", "membership", "partner", "auditentry"])
def test_lists_open(root: Client, account: Account, kind: str) -> None:
    factories.member(account)
    assert root.get(reverse(f"admin:accounts_{kind}_changelist"), {"q": "a"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("accounts/account/", {"currency": "a\0b"}),
        ("telephony/contactcenter/", {"edition__exact": "a\0b"}),
        ("accounts/account/", {"a\0b": "1"}),
        ("billing/product/a%00b/change/", {}),
    ],
)
def test_a_nul_in_an_address_is_a_bad_request(onboarding: Client, path: str, query: dict[str, str]) -> None:
    """PostgreSQL refuses one with an error, which Django's own filters let through."""
    response = onboarding.get(f"/admin/{path}", query)
    assert response.status_code == 400
    assert "Nothing was changed" in response.content.decode()


def test_a_nul_in_a_field_is_a_bad_request(onboarding: Client, account: Account) -> None:
    before = Membership.objects.count()
    sent = {"account": "a\0b", "user": "", "role": Role.OWNER}
    assert onboarding.post("/admin/accounts/membership/add/", sent).status_code == 400
    assert Membership.objects.count() == before
