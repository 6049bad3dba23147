"""What customers commit to by themselves: as many agents as the subscription has licences for them (SUB-6)."""

from collections.abc import Callable

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, PartnerLevel, Role
from billing.commitments import give_back_licences, licences_on, set_own_commitments
from billing.licences import add_licences, assign_licence
from billing.models import Meter, Product, Subscription
from billing.subscriptions import open_commitments, set_commitments
from tests import factories
from tests.billing_pages.conftest import client_of
from tests.billing_pages.test_subscription_pages import ADD, FORM, PRO, enter, page_of, send, text
from tests.factories import AT, TESTS

AGREED = ["ivr-ports", "connect-messages", "ai-agent", "ai-assistant", "outbound-ivr"]


def errors_by(answer: HttpResponseBase, field: str) -> tuple[str, str]:
    """The rule and the words of the one error that stands by a field."""
    form = vars(answer)["context"]["form"]
    assert list(form.errors) == [field]
    (error,) = form.errors.as_data()[field]
    return error.code, error.message


class TestAdding:
    """With a new subscription: the licences that are bought together with it."""

    def test_as_many_agents_as_licences_bought_with_it(self, account: Account, owner_client: Client) -> None:
        """All kinds of Contact Center licences count together, UC licences and add-ons do not."""
        bought = {f"product-{PRO}": 2, "product-cc-elite-licence": 3}
        others = {"product-uc-licence": 9, "product-cc-addon-wfo": 9}
        refused = owner_client.post(ADD, {**FORM, **bought, **others, "commitment-agents": 6, "seen": "x"})
        assert refused.status_code == 400
        rule, words = errors_by(refused, "commitment-agents")
        assert (rule, words.split(":")[0]) == ("SUB-6", "At most 5 agents can be committed to here")
        assert 'name="commitment-agents" value="6"' in text(refused)
        assert not Subscription.objects.exists()
        assert send(owner_client, ADD, {**FORM, **bought, "commitment-agents": 5}).status_code == 302
        assert open_commitments(Subscription.objects.get()) == {"agents": 5}

    def test_no_agent_without_a_licence(self, account: Account, owner_client: Client) -> None:
        """A subscription that costs nothing takes no overage away."""
        free = {**FORM, f"product-{PRO}": "", "commitment-agents": 1}
        refused = send(owner_client, ADD, free)
        assert errors_by(refused, "commitment-agents")[1].startswith("No agents can be committed to here")
        assert not Subscription.objects.exists()

    @pytest.mark.parametrize("meter", AGREED)
    def test_the_other_meters_are_refused_also_when_they_are_forged(
        self, meter: str, account: Account, owner_client: Client
    ) -> None:
        """The form has no such field; what is sent all the same is refused by it, seen or not."""
        data = {**FORM, f"commitment-{meter}": 1}
        page = text(owner_client.get(ADD))
        assert f'name="commitment-{meter}"' not in page
        refused = owner_client.post(ADD, {**data, "seen": owner_client.get(ADD, FORM).context["seen"]})
        assert refused.status_code == 400
        rule, words = errors_by(refused, f"commitment-{meter}")
        assert (rule, "agreed with the provider" in words) == ("SUB-6", True)
        assert not Subscription.objects.exists()

    def test_the_page_says_whom_to_ask(self, account: Account, owner_client: Client) -> None:
        page = text(owner_client.get(ADD))
        assert "At most one for each Contact Center licence above." in page
        asked = page.partition('class="agreed"')[2].partition("</dl>")[0]
        assert f"These are agreed with {account.brand.name}" in asked
        assert f"mailto:{account.brand.support_email}" in asked
        assert all(Meter.objects.get(pk=meter).name in asked for meter in AGREED)

    def test_a_full_partner_meets_the_same_limit(self, account: Account) -> None:
        full = client_of(factories.partner_user(account, PartnerLevel.FULL))
        assert send(full, ADD, {**FORM, "commitment-agents": 3}).status_code == 400
        assert send(full, ADD, {**FORM, "commitment-agents": 2}).status_code == 302


class TestChanging:
    """From today: the licences that are on the subscription."""

    def test_raised_up_to_the_licences_on_it(self, account: Account, owner_client: Client) -> None:
        """Neither other licences nor those of another subscription count."""
        found = enter(account, products={PRO: 3, "cc-addon-wfo": 5}, commitments={"agents": 2})
        enter(account, "Other", products={PRO: 20})
        add_licences(account, Product.objects.get(pk="uc-licence"), 7, actor=TESTS, at=AT)
        address = page_of(found, "commitments/")
        assert "At most 3: it has 3 Contact Center licences." in text(owner_client.get(address))
        refused = send(owner_client, address, {"commitment-agents": 4})
        assert refused.status_code == 400
        assert errors_by(refused, "commitment-agents")[0] == "SUB-6"
        assert open_commitments(found) == {"agents": 2}
        assert send(owner_client, address, {"commitment-agents": 3}).status_code == 302
        add_licences(
            account, Product.objects.get(pk="cc-elite-licence"), 1, subscription=found, actor=TESTS, at=AT
        )
        assert send(owner_client, address, {"commitment-agents": 4}).status_code == 302
        assert open_commitments(found) == {"agents": 4}

    @pytest.mark.parametrize("meter", AGREED)
    @pytest.mark.parametrize("quantity", ["5", "500", ""])
    def test_what_was_agreed_is_shown_and_stays(
        self, meter: str, quantity: str, account: Account, owner_client: Client
    ) -> None:
        """Raised, lowered and emptied alike: a forged field is refused, and agents sent with it are not changed."""
        found = enter(account, products={PRO: 3}, commitments={meter: 40, "agents": 1})
        address = page_of(found, "commitments/")
        page = text(owner_client.get(address))
        assert f"<dt>{Meter.objects.get(pk=meter).name}</dt><dd>40</dd>" in page
        assert f'name="commitment-{meter}"' not in page
        seen = owner_client.get(address, {"commitment-agents": 2}).context["seen"]
        forged = {"commitment-agents": 2, f"commitment-{meter}": quantity, "seen": seen}
        refused = owner_client.post(address, forged)
        assert refused.status_code == 400
        assert errors_by(refused, f"commitment-{meter}")[0] == "SUB-6"
        assert open_commitments(found) == {meter: 40, "agents": 1}

    def test_agents_that_were_agreed_above_the_licences_stay_until_they_are_changed(
        self, account: Account, owner_client: Client
    ) -> None:
        """Nothing changed is no refusal; the page says that it is a way of no return."""
        found = enter(account, products={PRO: 3}, commitments={"agents": 50})
        address = page_of(found, "commitments/")
        assert "50 were agreed with the provider, and it has 3 Contact Center licences." in text(
            owner_client.get(address)
        )
        assert owner_client.post(address, {"commitment-agents": 50}).status_code == 302
        assert send(owner_client, address, {"commitment-agents": 40}).status_code == 400
        assert open_commitments(found) == {"agents": 50}
        assert send(owner_client, address, {"commitment-agents": 3}).status_code == 302
        assert open_commitments(found) == {"agents": 3}

    def test_who_only_reads_commits_to_nothing(
        self, account: Account, role_client: Callable[[Role], Client]
    ) -> None:
        """ACC-1."""
        found = enter(account, products={PRO: 3})
        for role in (Role.READ_ONLY, Role.BILLING):
            answer = role_client(role).post(page_of(found, "commitments/"), {"commitment-agents": 3})
            assert answer.status_code == 403
        assert open_commitments(found) == {}


class TestGivingBack:
    """Licences that agents are committed to stay on the subscription."""

    def test_only_what_is_above_the_commitment(self, account: Account, owner_client: Client) -> None:
        """Refused by the quantity, with how many there can be; lowering the commitment first is the way."""
        found = enter(account, products={PRO: 5, "cc-elite-licence": 2}, commitments={"agents": 4})
        address = page_of(found, "give-back/")
        refused = send(owner_client, address, {"product": PRO, "quantity": 4})
        assert refused.status_code == 400
        rule, words = errors_by(refused, "quantity")
        assert (rule, "so only 3 can be given back" in words) == ("SUB-6", True)
        assert licences_on(found) == 7
        assert send(owner_client, address, {"product": PRO, "quantity": 3}).status_code == 302
        none = send(owner_client, address, {"product": PRO, "quantity": 1})
        assert "so none can be given back" in errors_by(none, "quantity")[1]
        set_own_commitments(found, {"agents": 3}, actor=TESTS, at=AT)
        assert send(owner_client, address, {"product": PRO, "quantity": 1}).status_code == 302
        assert licences_on(found) == 3

    def test_other_licences_go_back_whatever_is_committed_to(
        self, account: Account, owner_client: Client
    ) -> None:
        uc = Product.objects.get(pk="uc-licence")
        found = enter(account, products={"uc-licence": 2}, commitments={"agents": 4})
        give_back_licences(found, uc, 2, actor=TESTS, at=AT)
        assert not found.charges.filter(ended_on=None).exists()

    def test_what_somebody_holds_is_told_first(self, account: Account, owner_client: Client) -> None:
        """LIC-1."""
        found = enter(account, products={PRO: 2}, commitments={"agents": 2})
        person = factories.EndUserFactory(account=account)
        assign_licence(person, Product.objects.get(pk=PRO), subscription=found, actor=TESTS, at=AT)
        refused = send(owner_client, page_of(found, "give-back/"), {"product": PRO, "quantity": 2})
        assert errors_by(refused, "quantity")[0] == "LIC-1"


def test_staff_and_the_simulator_have_no_such_limit(account: Account) -> None:
    """Commitments without a product are the provider's to give; their reason is in the trail (ACC-5)."""
    found = enter(account, commitments={"agents": 50, "ai-agent": 30})
    set_commitments(found, {"agents": 60, "ai-agent": 30}, reason="Order 7", actor=TESTS, at=AT)
    assert open_commitments(found) == {"agents": 60, "ai-agent": 30}
    (entry,) = account.audit_entries.filter(action="set-commitment")
    assert entry.summary == "Commitment of Sales to agents changed from 50 to 60: Order 7"
