"""The contact center's pages: installing, the checklist, the subscription, the toll-free package."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse
from time_machine import travel

from accounts.models import Account, Role, User
from accounts.permissions import ONBOARDING
from accounts.trail import Actor
from billing.licences import add_licences, holdings
from billing.models import Charge, Product
from billing.packages import package_charge, set_package
from telephony.contact_center import (
    activate,
    add_items,
    change_storage,
    contact_center_of,
    install,
    request_activation,
)
from telephony.models import ContactCenter, Edition, OnboardingState
from tests import factories
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, last_action, page, text

Opens = Callable[[Client, str], HttpResponseBase]


@pytest.fixture
def pro(account: Account) -> ContactCenter:
    """A Contact Center Pro in onboarding since today."""
    return install(account, Edition.PRO, actor=TESTS, at=AT)


@pytest.fixture
def live(pro: ContactCenter) -> ContactCenter:
    """The same, activated."""
    return activate(pro, reason="Set up and tested", actor=TESTS, at=AT)


def product(code: str) -> Product:
    return Product.objects.get(pk=code)


def licences(account: Account, quantity: int) -> None:
    add_licences(account, product("cc-pro-licence"), quantity, actor=TESTS, at=AT)


def held(account: Account, code: str) -> int:
    charges = Charge.objects.filter(account=account, product=code, ended_on=None)
    return sum(charges.values_list("quantity", flat=True))


class TestInstall:
    def test_not_installed(self, client: Client, account: Account) -> None:
        """The way in is where the pages will be; the other pages lead there."""
        assert page("contact-center-install") in text(client.get(page("contact-center")))
        for name in ("subscription", "users", "numbers", "toll-free", "add", "remove", "storage"):
            response = client.get(page(f"contact-center-{name}"))
            assert response.status_code == 302, name
            assert response.headers["Location"] == page("contact-center"), name
            assert client.post(page(f"contact-center-{name}")).status_code in (404, 405), name

    def test_shows_editions_with_prices(self, client: Client, account: Account) -> None:
        """ONB-1, ONB-3, ONB-10: what each costs, and what onboarding means."""
        shown = text(client.get(page("contact-center-install")))
        for words in ("$39.00", "$79.00", "$109.00", "$50.00", "At most 2 concurrent-user licences"):
            assert words in shown

    @pytest.mark.parametrize(
        ("edition", "state"), [("pro", "onboarding"), ("elite", "onboarding"), ("express", "active")]
    )
    def test_installs(self, client: Client, account: Account, edition: str, state: str) -> None:
        """ONB-1: Pro and Elite are in onboarding at once, Express is active."""
        response = client.post(page("contact-center-install"), {"edition": edition}, follow=True)
        installed = contact_center_of(account)
        assert installed is not None
        assert (installed.edition, installed.state) == (edition, state)
        assert "is installed" in text(response)
        assert last_action() == "install-contact-center"
        assert ('aria-label="Onboarding"' in text(response)) == (state == "onboarding")

    @pytest.mark.parametrize("edition", ["", "gold", "PRO"])
    def test_refuses_what_is_no_edition(
        self, client: Client, account: Account, edition: str, everything: Snapshot
    ) -> None:
        before = everything()
        response = client.post(page("contact-center-install"), {"edition": edition})
        assert response.status_code == 400
        assert response.context["form"].errors["edition"]
        assert everything() == before

    def test_refuses_a_second(self, client: Client, pro: ContactCenter, everything: Snapshot) -> None:
        """ONB-1: in plain words by its field, and nothing changes."""
        before = everything()
        response = client.post(page("contact-center-install"), {"edition": "elite"})
        assert response.status_code == 400
        assert "installed in this account already" in str(response.context["form"].errors["edition"])
        assert everything() == before


class TestOverview:
    def test_checklist(self, client: Client, account: Account, pro: ContactCenter) -> None:
        """ONB-2: what is done and what is left."""
        add_items(account, product("cc-channel-chat"), 1, actor=TESTS, at=AT)
        checklist = client.get(page("contact-center")).context["checklist"]
        assert [step.key for step, _ in checklist if step.is_done] == ["channels"]
        assert [bool(url) for _, url in checklist] == [True] * 5 + [False]

    def test_confirms_the_test_call(self, client: Client, pro: ContactCenter) -> None:
        response = client.post(page("contact-center-test-call"), follow=True)
        assert "Test call confirmed." in text(response)
        assert last_action() == "confirm-test-call"
        assert [step.key for step, _ in response.context["checklist"] if step.is_done] == ["test-call"]

    def test_asks_to_go_live(self, client: Client, pro: ContactCenter) -> None:
        """ONB-7: it is asked for, not done; from then on the banner says since when."""
        response = client.post(page("contact-center-ready"), follow=True)
        pro = ContactCenter.objects.get(pk=pro.pk)
        assert pro.requested_at == AT
        assert pro.state == OnboardingState.ONBOARDING
        assert "Ready to go live" not in text(response)
        assert "Mar 2, 2026" in text(response)

    @pytest.mark.parametrize("name", ["contact-center-ready", "contact-center-test-call"])
    def test_refuses_once_active(
        self, client: Client, live: ContactCenter, name: str, everything: Snapshot
    ) -> None:
        """ONB-8: 4xx with the rule, and nothing changes."""
        before = everything()
        response = client.post(page(name))
        assert response.status_code == 400
        assert "is active already" in text(response)
        assert everything() == before

    def test_active(self, client: Client, live: ContactCenter) -> None:
        shown = text(client.get(page("contact-center")))
        assert "Set up and tested" in shown
        assert "Set-up checklist" not in shown

    def test_express_has_no_onboarding(self, client: Client, account: Account) -> None:
        """ONB-1"""
        install(account, Edition.EXPRESS, actor=TESTS, at=AT)
        shown = text(client.get(page("contact-center")))
        assert "Express has none" in shown
        assert "Ready to go live" not in shown


class TestBanner:
    """ONB-2: on every page of the account, until activation."""

    NAMES = (
        "home",
        "accounts:end-users",
        "telephony:numbers",
        "telephony:contact-center-users",
        "billing:overview",
        "billing:invoices",
        "accounts:activity",
    )

    @pytest.mark.parametrize("name", NAMES)
    def test_stands_on_every_page(
        self, client: Client, pro: ContactCenter, name: str, opens_cheaply: Opens
    ) -> None:
        with travel(AT + timedelta(days=11), tick=False):
            shown = text(opens_cheaply(client, reverse(name, args=["northwind"])))
        assert 'aria-label="Onboarding"' in shown
        assert "day 12" in shown
        assert "0 of 6 steps done" in shown
        assert "at most 2 concurrent-user licences, no upgrade of the toll-free package" in shown
        assert "onboarding@brand.example" in shown
        assert "goes live by itself" not in shown

    @pytest.mark.parametrize("name", NAMES)
    def test_is_gone_after_activation(self, client: Client, live: ContactCenter, name: str) -> None:
        assert 'aria-label="Onboarding"' not in text(client.get(reverse(name, args=["northwind"])))

    def test_is_of_the_account(
        self, client: Client, pro: ContactCenter, owner: User, elsewhere: Account
    ) -> None:
        factories.MembershipFactory(account=elsewhere, user=owner)
        assert 'aria-label="Onboarding"' not in text(client.get(reverse("home", args=["elsewhere"])))

    def test_says_what_the_brand_allows(self, client: Client, account: Account, pro: ContactCenter) -> None:
        """ONB-5, ONB-9"""
        brand = account.brand
        brand.toll_free_upgrade_in_onboarding = True
        brand.auto_activate_after_days = 60
        brand.save()
        shown = text(client.get(page("contact-center")))
        assert "no upgrade of the toll-free package" not in shown
        assert "goes live by itself on" in shown
        assert "May 1, 2026" in shown
        assert "onboarding-near" not in shown

    @pytest.mark.parametrize(
        ("days", "words"), [(45, None), (46, "in 14 days"), (59, "tomorrow"), (60, "today"), (63, "today")]
    )
    def test_warns_before_it_goes_live_by_itself(
        self, client: Client, account: Account, pro: ContactCenter, days: int, words: str | None
    ) -> None:
        """ONB-9: on every page, from 14 days before; where beat is late, it is due today."""
        account.brand.auto_activate_after_days = 60
        account.brand.save()
        ContactCenter.objects.update(installed_on=pro.installed_on - timedelta(days=days))
        shown = text(client.get(reverse("accounts:end-users", args=["northwind"])))
        assert ("onboarding-near" in shown) == (words is not None)
        if words:
            assert f">{words}<" in shown.partition("Goes live by itself")[2]

    @pytest.mark.parametrize(
        ("role", "asks", "links"),
        [(Role.ADMIN, True, True), (Role.BILLING, False, False), (Role.READ_ONLY, False, True)],
    )
    def test_by_role(self, account: Account, pro: ContactCenter, role: Role, asks: bool, links: bool) -> None:
        """ONB-7, ACC-1: on billing pages too, where the checklist is out of reach of the billing role."""
        client = Client()
        client.force_login(factories.member(account, role))
        shown = text(client.get(reverse("billing:overview", args=["northwind"])))
        assert "0 of 6 steps done" in shown
        assert ("Ready to go live" in shown) == asks
        assert (page("contact-center") in shown) == links

    def test_staff_looks_on(self, pro: ContactCenter) -> None:
        """ACC-3"""
        client = Client()
        client.force_login(factories.staff(ONBOARDING))
        shown = text(client.get(page("contact-center")))
        assert 'aria-label="Onboarding"' in shown
        assert "Ready to go live" not in shown
        assert client.post(page("contact-center-ready")).status_code == 403


class TestSubscription:
    def test_shows_what_there_is(self, client: Client, account: Account, pro: ContactCenter) -> None:
        """BIL-3, ONB-3, ONB-6: prices, how many, and that nothing is billed yet."""
        licences(account, 2)
        response = client.get(page("contact-center-subscription"))
        found = response.context["subscription"]
        assert [item.pk for item in found.licences] == ["cc-pro-licence"]
        assert (found.licences[0].held, found.licences[0].waiting, str(found.monthly)) == (
            2,
            2,
            "158.00000000",
        )
        shown = text(response)
        for words in ("2 of at most 2 in onboarding", "Not billed until activated", "$50.00", "$299.00"):
            assert words in shown

    def test_says_since_when_it_is_billed(
        self, client: Client, account: Account, live: ContactCenter
    ) -> None:
        """BIL-3"""
        licences(account, 3)
        shown = text(client.get(page("contact-center-subscription")))
        assert "Mar 2, 2026" in shown
        assert "Not billed until activated" not in shown
        assert "in onboarding" not in shown

    def test_adds_two_and_is_stopped_at_the_third(
        self, client: Client, account: Account, pro: ContactCenter, everything: Snapshot
    ) -> None:
        """ONB-3: with the reason, the contact and the rule by its field."""
        sent = {"product": "cc-pro-licence", "quantity": "2"}
        assert client.post(page("contact-center-add"), sent).status_code == 302
        assert held(account, "cc-pro-licence") == 2
        before = everything()
        response = client.post(page("contact-center-add"), sent | {"quantity": "1"})
        error = response.context["form"].errors.as_data()["quantity"][0]
        assert response.status_code == 400
        assert error.code == "ONB-3"
        assert "at most 2" in error.message
        assert "onboarding@brand.example" in error.message
        assert everything() == before

    def test_refusal_writes_the_phone_as_people_do(self, client: Client, account: Account) -> None:
        """ONB-3: whom to call, as the banner writes it too."""
        account.brand.onboarding_phone = "+18005550199"
        account.brand.save()
        install(account, Edition.PRO, actor=TESTS, at=AT)
        sent = {"product": "cc-pro-licence", "quantity": "3"}
        errors = client.post(page("contact-center-add"), sent).context["form"].errors
        assert "or (800) 555-0199." in str(errors["quantity"])

    def test_third_licence_once_active(self, client: Client, account: Account, live: ContactCenter) -> None:
        """ONB-3, ONB-10: no limit, and one fee a licence."""
        sent = {"product": "cc-pro-licence", "quantity": "3"}
        box = client.get(page("contact-center-add"), sent).context["cost"].box
        assert (str(box["monthly"]), str(box["once"]), str(box["begins_on"])) == (
            "237.00",
            "150.00",
            "2026-03-02",
        )
        assert client.post(page("contact-center-add"), sent).status_code == 302
        assert held(account, "cc-pro-licence") == 3

    def test_says_that_it_is_not_billed_yet(
        self, client: Client, pro: ContactCenter, everything: Snapshot
    ) -> None:
        """BIL-3, ONB-6: the next invoice stays as it is, and looking changes nothing."""
        before = everything()
        sent = {"product": "cc-channel-sms", "quantity": "4"}
        response = client.get(page("contact-center-add"), sent)
        box = response.context["cost"].box
        assert (str(box["monthly"]), box["begins_on"], box["rule"]) == ("72.00", None, "BIL-3")
        assert box["next_now"] == box["next_then"]
        assert "when it is activated" in text(response)
        assert everything() == before

    def test_enables_without_limit(self, client: Client, account: Account, pro: ContactCenter) -> None:
        """ONB-4"""
        for code in ("cc-channel-chat", "cc-addon-quality"):
            sent = {"product": code, "quantity": "40"}
            assert client.post(page("contact-center-add"), sent).status_code == 302
            assert held(account, code) == 40

    def test_removes(self, client: Client, account: Account, pro: ContactCenter) -> None:
        """ONB-10: what goes before activation is never charged, nor its fee."""
        licences(account, 2)
        add_items(account, product("cc-channel-chat"), 2, actor=TESTS, at=AT)
        for code in ("cc-pro-licence", "cc-channel-chat"):
            client.post(page("contact-center-remove"), {"product": code, "quantity": "1"})
            assert held(account, code) == 1
        assert held(account, "cc-activation-fee") == 1

    @pytest.mark.parametrize(
        ("name", "sent", "field"),
        [
            ("add", {"product": "cc-channel-chat", "quantity": "0"}, "quantity"),
            ("add", {"product": "cc-channel-chat", "quantity": "1.5"}, "quantity"),
            ("add", {"product": "cc-channel-chat", "quantity": "999999999"}, "quantity"),
            ("add", {"product": "uc-licence", "quantity": "1"}, "product"),
            ("add", {"product": "cc-elite-licence", "quantity": "1"}, "product"),
            ("add", {"product": "cc-recording-10", "quantity": "1"}, "product"),
            ("add", {"product": "cc-activation-fee", "quantity": "1"}, "product"),
            ("remove", {"product": "cc-channel-chat", "quantity": "2"}, "quantity"),
            ("remove", {"product": "cc-channel-sms", "quantity": "1"}, "product"),
            ("storage", {"product": "cc-channel-sms"}, "product"),
            ("storage", {"product": ""}, "product"),
        ],
    )
    def test_bad_input(
        self,
        client: Client,
        account: Account,
        pro: ContactCenter,
        name: str,
        sent: dict[str, str],
        field: str,
        everything: Snapshot,
    ) -> None:
        add_items(account, product("cc-channel-chat"), 1, actor=TESTS, at=AT)
        before = everything()
        response = client.post(page(f"contact-center-{name}"), sent)
        assert response.status_code == 400
        assert field in response.context["form"].errors
        assert everything() == before

    def test_changes_storage(self, client: Client, account: Account, pro: ContactCenter) -> None:
        """ONB-4: up and down, one package at a time."""
        for code in ("cc-recording-10", "cc-recording-1000", "cc-recording-100"):
            assert client.post(page("contact-center-storage"), {"product": code}).status_code == 302
            open_now = Charge.objects.filter(product__code__startswith="cc-recording", ended_on=None)
            assert list(open_now.values_list("product", flat=True)) == [code]

    def test_cost_of_changing_storage(self, client: Client, account: Account, live: ContactCenter) -> None:
        change_storage(account, product("cc-recording-10"), actor=TESTS, at=AT)
        with travel(AT + timedelta(days=2), tick=False):
            response = client.get(page("contact-center-storage"), {"product": "cc-recording-100"})
        assert str(response.context["cost"].box["monthly"]) == "40.00"


class TestTollFree:
    def test_pay_per_use_by_default(self, client: Client, account: Account, pro: ContactCenter) -> None:
        """ONB-5: packages from 500 to 225,000 are shown, and blocked with the reason."""
        response = client.get(page("contact-center-toll-free"))
        offers = response.context["offers"]
        assert response.context["current"] == "pay-per-use"
        assert (offers[0][0].minutes, offers[-1][0].minutes) == (500, 225_000)
        assert all(is_barred for _, is_barred, _ in offers)
        assert "cannot be upgraded" in text(response)

    def test_refuses_an_upgrade(
        self, client: Client, account: Account, pro: ContactCenter, everything: Snapshot
    ) -> None:
        """ONB-5: also where the form is forged."""
        before = everything()
        response = client.post(page("contact-center-toll-free"), {"package": "toll-free-500"})
        error = response.context["form"].errors.as_data()["package"][0]
        assert (response.status_code, error.code) == (400, "ONB-5")
        assert everything() == before

    def test_keeping_pay_per_use_is_a_choice(
        self, client: Client, account: Account, pro: ContactCenter
    ) -> None:
        """ONB-2: it ticks off the step."""
        assert "Keeping it counts" in text(client.get(page("contact-center-toll-free")))
        response = client.post(page("contact-center-toll-free"), {"package": "pay-per-use"}, follow=True)
        assert "Keeping it counts" not in text(response)
        checklist = client.get(page("contact-center")).context["checklist"]
        assert [step.key for step, _ in checklist if step.is_done] == ["toll-free"]

    def test_a_package_that_is_there_was_chosen(
        self, client: Client, account: Account, pro: ContactCenter
    ) -> None:
        """ONB-2, ONB-5: one of the initial order ticks off the step, and is no default to be kept."""
        set_package(account, "toll-free-500", actor=TESTS, at=AT)
        assert "Keeping it counts" not in text(client.get(page("contact-center-toll-free")))
        checklist = client.get(page("contact-center")).context["checklist"]
        assert [step.key for step, _ in checklist if step.is_done] == ["toll-free"]

    def test_brand_that_allows_it(self, client: Client, account: Account, pro: ContactCenter) -> None:
        """ONB-5, ONB-6: and then it is billed as usual, from today."""
        account.brand.toll_free_upgrade_in_onboarding = True
        account.brand.save()
        response = client.get(page("contact-center-toll-free"), {"package": "toll-free-500"})
        assert not any(is_barred for _, is_barred, _ in response.context["offers"])
        assert str(response.context["cost"].box["begins_on"]) == "2026-03-02"
        client.post(page("contact-center-toll-free"), {"package": "toll-free-500"})
        charge = package_charge(account)
        assert charge is not None
        assert charge.product_id == "toll-free-500"

    def test_upgrade_once_active(self, client: Client, account: Account, live: ContactCenter) -> None:
        """ONB-5, USE-6"""
        response = client.post(page("contact-center-toll-free"), {"package": "toll-free-225000"}, follow=True)
        assert response.context["current"] == "toll-free-225000"
        assert last_action() == "set-toll-free-package"

    @pytest.mark.parametrize("code", ["", "toll-free-7", "uc-licence", "x" * 99])
    def test_bad_input(self, client: Client, live: ContactCenter, code: str, everything: Snapshot) -> None:
        before = everything()
        response = client.post(page("contact-center-toll-free"), {"package": code})
        assert response.status_code == 400
        assert "package" in response.context["form"].errors
        assert everything() == before

    def test_reader_sees_no_cost(self, reader: Client, live: ContactCenter) -> None:
        """ACC-4"""
        response = reader.get(page("contact-center-toll-free"), {"package": "toll-free-500"})
        assert response.status_code == 200
        assert response.context["cost"].box is None
        assert reader.post(page("contact-center-toll-free"), {"package": "toll-free-500"}).status_code == 403


class TestLicencesPage:
    """The page of all licences knows those of the contact center."""

    def test_not_on_offer_before_it_is_installed(self, client: Client, account: Account) -> None:
        address = reverse("billing:licences", args=["northwind"])
        assert "Contact Center Pro licence" not in text(client.get(address))
        install(account, Edition.PRO, actor=TESTS, at=AT)
        assert "Contact Center Pro licence" in text(client.get(address))

    def test_more_assigned_than_bought(self, client: Client, account: Account, pro: ContactCenter) -> None:
        """ONB-4: none is free, and none less than none."""
        end_user = factories.EndUserFactory(account=account)
        client.post(page("contact-center-users"), {"action": "assign", "selected": end_user.pk})
        own = next(each for each in holdings(account) if each.product.pk == "cc-pro-licence")
        assert (own.bought, own.assigned, own.free) == (0, 1, 0)


def test_asked_for_by(client: Client, owner: User, pro: ContactCenter) -> None:
    """ONB-7: the overview says who asked, and when."""
    request_activation(pro, actor=Actor(user=owner), at=AT)
    assert "Olivia Owner" in text(client.get(page("contact-center")))
