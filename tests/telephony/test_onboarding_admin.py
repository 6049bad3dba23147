"""The onboarding team's queue in the administration: who finds it, what it shows, and the one way to activate."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.end_users import add_end_user
from accounts.models import Account, AuditEntry, Brand, Role, User
from accounts.permissions import FINANCE, ONBOARDING, SUPPORT
from billing.explain import money_words
from billing.licences import add_licences, assign_licence
from billing.models import Charge, Limit, Price, Product
from billing.preview import next_invoice
from telephony.contact_center import add_items, confirm_test_call, install, request_activation
from telephony.models import ContactCenter, Edition, OnboardingNote
from tests import factories
from tests.conftest import PAGE_QUERIES
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, text

LIST = "/admin/telephony/contactcenter/"
INSTALL = f"{LIST}install/"
QUEUE_QUERIES = PAGE_QUERIES
PRICED_QUERIES = 60


@pytest.fixture
def onboarding(db: None) -> Client:
    return client_of(factories.staff(ONBOARDING, email="olga@provider.example"))


@pytest.fixture
def center(account: Account) -> ContactCenter:
    """Elite, installed on March 2, with two licences and a channel."""
    installed = install(account, Edition.ELITE, actor=TESTS, at=AT)
    add_licences(account, Product.objects.get(pk="cc-elite-licence"), 2, actor=TESTS, at=AT)
    channel = Product.objects.filter(pk__startswith="cc-channel-").order_by("rank")[0]
    add_items(account, channel, 1, actor=TESTS, at=AT)
    return installed


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_of(center: ContactCenter, page: str = "change") -> str:
    return f"{LIST}{center.pk}/{page}/"


def confirmed(account: Account, **changes: str) -> dict[str, str]:
    return {"reason": "The customer called", "confirm_name": account.name} | changes


def shown(answer: str, element: str) -> str:
    """What stands in the element of that id."""
    found = re.search(rf'id="{element}"[^>]*>([^<]*)<', answer)
    assert found is not None
    return found[1].replace("&nbsp;", "\u00a0")


# The queue


def test_queue_shows_what_the_team_needs(onboarding: Client, account: Account, center: ContactCenter) -> None:
    """Account, brand, edition, age, checklist, asked for since, and the day of automatic activation (ONB-9)."""
    confirm_test_call(center, actor=TESTS, at=AT)
    request_activation(center, actor=TESTS, at=AT + timedelta(days=1))
    Brand.objects.update(auto_activate_after_days=60)
    with time_machine.travel(AT + timedelta(days=10), tick=False):
        answer = text(onboarding.get(LIST))
    for words in (
        "Northwind",
        account.brand.name,
        "Contact Center Elite",
        "Day 11",
        "2 of 6",
        "Assign phone numbers",
        "March 3, 2026",
        "May 1, 2026",
    ):
        assert words in answer, words
    assert "Confirm a test call" not in answer


def test_queue_holds_those_in_onboarding_unless_asked(
    onboarding: Client, account: Account, elsewhere: Account, center: ContactCenter
) -> None:
    install(elsewhere, Edition.EXPRESS, actor=TESTS, at=AT)
    for query, here, there in (("", True, False), ("?state=active", False, True), ("?state=all", True, True)):
        answer = text(onboarding.get(LIST + query))
        assert ("Northwind" in answer, "Elsewhere" in answer) == (here, there), query


@pytest.mark.parametrize(
    ("query", "is_there"),
    [
        ("asked=yes", False),
        ("asked=no", True),
        ("edition__exact=elite", True),
        ("edition__exact=pro", False),
        ("q=northw", True),
        ("q=nobody", False),
        ("state=%27", True),
    ],
)
def test_queue_is_filtered_and_searched(
    onboarding: Client, center: ContactCenter, query: str, is_there: bool
) -> None:
    answer = text(onboarding.get(f"{LIST}?{query}", follow=True))
    assert ("Northwind" in answer) == is_there


@pytest.mark.parametrize("send", ["query", "form"])
def test_what_no_text_holds_is_a_bad_request(
    onboarding: Client, account: Account, center: ContactCenter, send: str, everything: Snapshot
) -> None:
    """A NUL: PostgreSQL takes none."""
    before = everything()
    if send == "query":
        assert onboarding.get(f"{LIST}?asked=%00").status_code == 400
    else:
        assert onboarding.post(INSTALL, {"account": "\x00", "edition": "pro"}).status_code == 400
    assert everything() == before


def test_queue_puts_first_who_asked(
    onboarding: Client, account: Account, elsewhere: Account, center: ContactCenter
) -> None:
    later = install(elsewhere, Edition.PRO, actor=TESTS, at=AT + timedelta(days=2))
    request_activation(later, actor=TESTS, at=AT + timedelta(days=3))
    answer = text(onboarding.get(LIST))
    assert answer.index("Elsewhere") < answer.index("Northwind")


def test_queue_costs_the_same_for_many(
    onboarding: Client, account: Account, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """No query a row."""
    for place in range(8):
        other = factories.AccountFactory(slug=f"other-{place}", brand=account.brand)
        install(other, Edition.PRO, actor=TESTS, at=AT)
    with django_assert_max_num_queries(QUEUE_QUERIES):
        assert text(onboarding.get(LIST)).count("0 of 6") == 8


def test_simulated_accounts_are_not_in_it(onboarding: Client, center: ContactCenter) -> None:
    Account.objects.filter(pk=center.account.pk).update(is_simulation=True)
    assert "Northwind" not in text(onboarding.get(LIST))
    assert onboarding.get(page_of(center)).status_code == 404


# Who


@pytest.fixture(params=[FINANCE, SUPPORT, Role.OWNER, Role.ADMIN, "permitted"])
def outsider(request: pytest.FixtureRequest, account: Account) -> Client:
    """Staff of the other groups, customers, and support with each of Django's own permissions for the model."""
    if request.param in set(Role):
        return client_of(factories.member(account, request.param))
    user = factories.staff(SUPPORT if request.param == "permitted" else request.param)
    if request.param == "permitted":
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="telephony"))
    return client_of(user)


def test_nobody_else_finds_it(
    outsider: Client, account: Account, center: ContactCenter, everything: Snapshot
) -> None:
    """ACC-3, ONB-7: 404 to look at and to every forged POST, and nothing changes."""
    before = everything()
    sent = confirmed(account) | {
        "account": "northwind",
        "edition": "pro",
        "text": "x",
        "state": "active",
        "action": "delete_selected",
        "_selected_action": str(center.pk),
        "post": "yes",
    }
    names = ("change", "activate", "note", "delete", "history")
    for url in (LIST, INSTALL, f"{LIST}add/", *(page_of(center, name) for name in names)):
        assert outsider.get(url).status_code == 404, url
        assert outsider.post(url, sent).status_code == 404, url
    assert everything() == before


def test_anonymous_people_sign_in_first(center: ContactCenter) -> None:
    for url in (LIST, INSTALL, page_of(center), page_of(center, "activate")):
        assert Client().get(url).headers["Location"].startswith("/sign-in/")


def test_superuser_is_let_in(center: ContactCenter) -> None:
    root = client_of(factories.UserFactory(is_staff=True, is_superuser=True))
    assert root.get(page_of(center, "activate")).status_code == 200


def test_nothing_is_editable_added_or_deleted_even_by_the_team(
    onboarding: Client, center: ContactCenter, everything: Snapshot
) -> None:
    """ONB-8: not by the change form, not by a bulk action, not by the delete page."""
    before = everything()
    sent = {"state": "active", "activated_on": "2026-03-02", "edition": "pro"}
    assert onboarding.post(page_of(center), sent).status_code == 403
    assert onboarding.post(page_of(center, "delete"), {"post": "yes"}).status_code == 403
    assert onboarding.post(f"{LIST}add/", sent).status_code == 403
    for action in ("delete_selected", "activate", "activate_selected"):
        bulk = {"action": action, "_selected_action": str(center.pk), "index": "0", "post": "yes"}
        assert onboarding.post(LIST, bulk).status_code < 500
    assert everything() == before
    answer = text(onboarding.get(page_of(center)))
    assert 'name="state"' not in answer
    assert 'name="_selected_action"' not in text(onboarding.get(LIST))


# One contact center


def test_shows_one_and_keeps_notes(onboarding: Client, center: ContactCenter) -> None:
    sent = {"text": "Waits for <b>porting</b>"}
    answer = text(onboarding.post(page_of(center, "note"), sent, follow=True))
    assert "The note is kept." in answer
    assert "Waits for &lt;b&gt;porting&lt;/b&gt;" in answer
    assert "Contact Center Elite of Northwind" in answer
    note = OnboardingNote.objects.get()
    assert (note.by.email, note.at) == ("olga@provider.example", AT)


@pytest.mark.parametrize("typed", ["", "   ", "x" * 2001])
def test_a_note_has_a_text(onboarding: Client, center: ContactCenter, typed: str) -> None:
    answer = text(onboarding.post(page_of(center, "note"), {"text": typed}, follow=True))
    assert "Nothing was kept." in answer
    assert not OnboardingNote.objects.exists()


def test_a_note_is_not_asked_for_by_its_address(onboarding: Client, center: ContactCenter) -> None:
    assert onboarding.get(page_of(center, "note")).headers["Location"] == page_of(center)


@pytest.mark.parametrize("page", ["change", "activate", "note"])
@pytest.mark.parametrize("pk", ["999999", "nonsense"])
def test_unknown_contact_center(onboarding: Client, account: Account, page: str, pk: str) -> None:
    """Not there: 404, never an error of the panel."""
    for asked in (onboarding.get, onboarding.post):
        assert asked(f"{LIST}{pk}/{page}/", follow=True).status_code in {403, 404}


# Activate


def test_page_says_what_begins_and_that_it_is_final(
    onboarding: Client, account: Account, center: ContactCenter
) -> None:
    """ONB-8, ONB-10: prices, a fee for every Elite licence, and the next invoice now and then."""
    answer = text(onboarding.get(page_of(center, "activate")))
    licence, fee = prices("cc-elite-licence", "cc-activation-fee")
    assert "This cannot be undone." in answer
    assert money_words(2 * licence, "USD") in answer.replace("&nbsp;", "\u00a0")
    assert shown(answer, "activation-once") == money_words(2 * fee, "USD")
    recurring = sum(
        (charge.monthly or Decimal(0))
        for charge in Charge.objects.filter(account=account, product__is_recurring=True)
    )
    assert shown(answer, "activation-monthly") == money_words(Decimal(recurring), "USD")
    assert shown(answer, "activation-now") == money_words(next_invoice(account).total, "USD")


@pytest.mark.parametrize("people", [2, 3])
def test_page_warns_of_licences_that_more_hold_than_were_bought(
    onboarding: Client, account: Account, center: ContactCenter, people: int
) -> None:
    """ONB-4, LIC-1: onboarding assigns without limit, a live contact center does not. Two licences are bought."""
    for number in range(people):
        end_user = add_end_user(account, name=f"Person {number}", actor=TESTS, at=AT)
        assign_licence(end_user, Product.objects.get(pk="cc-elite-licence"), actor=TESTS, at=AT)
    answer = text(onboarding.get(page_of(center, "activate")))
    assert ("3 assigned, 2 bought" in answer) == (people == 3)
    assert ("than were bought" in answer) == (people == 3)


def prices(*codes: str) -> list[Decimal]:
    return [
        Price.objects.filter(product=code, amount_currency="USD", brand=None)
        .latest("effective_on")
        .amount.amount
        for code in codes
    ]


def test_looking_changes_nothing(onboarding: Client, center: ContactCenter, everything: Snapshot) -> None:
    """The activation is priced by doing it and taking it back."""
    before = everything()
    assert onboarding.get(page_of(center, "activate")).status_code == 200
    assert everything() == before


def test_activates_and_the_next_invoice_is_the_one_shown(
    onboarding: Client, account: Account, center: ContactCenter
) -> None:
    """ONB-7, ONB-10, BIL-10: for good, with its reason in the trail, and the limit is gone."""
    promised = shown(text(onboarding.get(page_of(center, "activate"))), "activation-then")
    response = onboarding.post(page_of(center, "activate"), confirmed(account, confirm_name=" northwind "))
    assert response.headers["Location"] == page_of(center)
    center = ContactCenter.objects.get(pk=center.pk)
    assert (center.state, center.activated_on, center.activated_by) == (
        "active",
        date(2026, 3, 2),
        "olga@provider.example",
    )
    assert money_words(next_invoice(account).total, "USD") == promised
    assert next_invoice(account).total > 0
    assert not Limit.objects.filter(account=account).exists()
    entry = AuditEntry.objects.get(action="activate-contact-center")
    assert (entry.account, entry.by) == (account, "olga@provider.example")
    assert "The customer called" in entry.summary


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"reason": ""}, "This field is required"),
        ({"reason": "   "}, "This field is required"),
        ({"reason": "x" * 301}, "at most 300 characters"),
        ({"confirm_name": ""}, "This field is required"),
        ({"confirm_name": "Elsewhere"}, "This is not the account&#x27;s name"),
    ],
)
def test_says_what_is_missing(
    onboarding: Client,
    account: Account,
    center: ContactCenter,
    sent: dict[str, str],
    words: str,
    everything: Snapshot,
) -> None:
    before = everything()
    response = onboarding.post(page_of(center, "activate"), confirmed(account, **sent))
    assert response.status_code == 200
    assert words in text(response)
    assert "Nothing was activated." in text(response)
    assert everything() == before


def test_activating_twice_is_refused(
    onboarding: Client, account: Account, center: ContactCenter, everything: Snapshot
) -> None:
    """ONB-8: the second time says since when it is active, and begins nothing anew."""
    onboarding.post(page_of(center, "activate"), confirmed(account))
    before = everything()
    for sent in (confirmed(account), {}):
        response = onboarding.post(page_of(center, "activate"), sent)
        assert response.status_code == 409
        assert "is active already, since March 2, 2026" in text(response)
    answer = text(onboarding.get(page_of(center, "activate")))
    assert "There is nothing left to do here" in answer
    assert "<textarea" not in answer
    assert everything() == before
    assert page_of(center, "activate") not in text(onboarding.get(page_of(center)))


def test_page_tells_when_the_next_invoice_cannot_be_drawn(
    onboarding: Client, account: Account, center: ContactCenter
) -> None:
    """A charge that nobody priced holds the invoice up; the page says so and does not fail."""
    Charge.objects.filter(account=account, product="cc-activation-fee").update(unit_price=None)
    response = onboarding.get(page_of(center, "activate"))
    assert response.status_code == 200
    assert "cannot be drawn" in text(response)


def test_activating_costs_few_queries(
    onboarding: Client, center: ContactCenter, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(PRICED_QUERIES):
        onboarding.get(page_of(center, "activate"))


# Install


@pytest.mark.parametrize("typed", ["northwind", "NORTHWIND", " Northwind "])
def test_installs_for_an_account(onboarding: Client, account: Account, typed: str) -> None:
    """ONB-1: by its address or its name; in onboarding at once."""
    assert 'value="northwind"' in text(onboarding.get(f"{INSTALL}?account=northwind"))
    response = onboarding.post(INSTALL, {"account": typed, "edition": "pro"}, follow=True)
    assert "Contact Center Pro is installed in Northwind, and in onboarding." in text(response)
    entry = AuditEntry.objects.get(action="install-contact-center")
    assert (entry.account, entry.by) == (account, "olga@provider.example")


def test_express_is_active_at_once(onboarding: Client, account: Account) -> None:
    """ONB-1."""
    response = onboarding.post(INSTALL, {"account": "northwind", "edition": "express"}, follow=True)
    assert "installed in Northwind, and active." in text(response)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"edition": "platinum"}, "Select a valid choice"),
        ({"edition": ""}, "This field is required"),
        ({"account": "nobody"}, "There is no account of this name or address."),
        ({"account": ""}, "This field is required"),
    ],
)
def test_install_says_what_is_wrong(
    onboarding: Client, account: Account, sent: dict[str, str], words: str, everything: Snapshot
) -> None:
    before = everything()
    response = onboarding.post(INSTALL, {"account": "northwind", "edition": "pro"} | sent)
    assert response.status_code == 200
    assert words in text(response)
    assert everything() == before


def test_two_accounts_of_one_name_are_told_apart(
    onboarding: Client, account: Account, elsewhere: Account
) -> None:
    Account.objects.filter(pk=elsewhere.pk).update(name="Northwind", slug="other")
    Account.objects.filter(pk=account.pk).update(slug="first")
    response = onboarding.post(INSTALL, {"account": "Northwind", "edition": "pro"})
    assert "Several accounts have this name." in text(response)
    assert not ContactCenter.objects.exists()


def test_second_installation_is_refused(
    onboarding: Client, center: ContactCenter, everything: Snapshot
) -> None:
    before = everything()
    response = onboarding.post(INSTALL, {"account": "northwind", "edition": "pro"})
    assert "installed in this account already" in text(response)
    assert everything() == before


# The brand's policy


def test_new_age_holds_from_today(onboarding: Client, account: Account) -> None:
    """ONB-9: contact centers that are older already are not activated for days that are past."""
    url = reverse("admin:accounts_brand_change", args=[account.brand.pk])

    def save(days: str) -> int:
        return onboarding.post(url, brand_form(onboarding, url, days)).status_code

    for days, since in (("60", date(2026, 3, 2)), ("60", date(2026, 3, 2)), ("", None)):
        assert save(days) == 302
        account.brand.refresh_from_db()
        assert (account.brand.auto_activate_from, account.brand.auto_activate_after_days) == (
            since,
            int(days) if days else None,
        )
    Account.objects.filter(pk=account.pk).update(timezone="Pacific/Auckland")
    assert save("30") == 302
    account.brand.refresh_from_db()
    assert account.brand.auto_activate_from == date(2026, 3, 3)
    with time_machine.travel(AT + timedelta(days=9), tick=False):
        assert save("30") == 302
    account.brand.refresh_from_db()
    assert account.brand.auto_activate_from == date(2026, 3, 3), "nothing was changed, so nothing was decided"


def brand_form(client: Client, url: str, days: str) -> dict[str, str]:
    form = client.get(url).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    return {name: str(value) for name, value in data.items() if value not in (None, False)} | {
        "auto_activate_after_days": days
    }
