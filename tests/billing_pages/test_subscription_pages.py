"""Subscriptions: the list, each one's page, adding, changing and ending them, and how overage is worked out."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.http.response import HttpResponse, HttpResponseBase
from django.test import Client

from accounts.models import Account, PartnerLevel, Role, User
from billing.engine.calendar import months_after
from billing.licences import add_licences, assign_licence
from billing.models import (
    Charge,
    LicenceMode,
    MeterRate,
    Offer,
    Product,
    Subscription,
    TelephonyOption,
    Tenancy,
)
from billing.subscriptions import Terms, add_subscription, end_subscription, set_commitment
from billing.usage import record_usage
from tests import factories
from tests.billing_pages.conftest import OPENED, TODAY, Story, client_of
from tests.factories import AT, TESTS

PAGE = "/a/acme/subscriptions/"
ADD = f"{PAGE}add/"
OVERAGE = f"{PAGE}overage/"
PRO = "cc-pro-licence"

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def enter(
    account: Account,
    name: str = "Sales",
    starts_on: date = TODAY,
    months: int = 12,
    at: datetime = AT,
    products: dict[str, int] | None = None,
    **fields: Any,
) -> Subscription:
    """A subscription, concurrent with Webex Calling unless it is said otherwise."""
    wanted: dict[str, Any] = {
        "licence_mode": LicenceMode.CONCURRENT,
        "telephony_option": TelephonyOption.WEBEX_CALLING,
        "products": {Product.objects.get(pk=code): units for code, units in (products or {}).items()},
    }
    terms = Terms(
        name=name, starts_on=starts_on, ends_on=months_after(starts_on, months), **(wanted | fields)
    )
    return add_subscription(account, terms, actor=TESTS, at=at)


def noon(account: Account, on: date) -> datetime:
    return datetime.combine(on, time(12), tzinfo=account.zone)


def used(account: Account, of: Subscription | None, meter: str, on: date, units: int) -> None:
    at = noon(account, on)
    record_id = f"{meter}-{of and of.pk}-{on}"
    record_usage(account, record_id, meter, units, occurred_at=at, actor=TESTS, at=at, subscription=of)


def text(response: HttpResponseBase) -> str:
    """The page, white space as a reader sees it."""
    assert isinstance(response, HttpResponse)
    return " ".join(response.content.decode().split())


def page_of(subscription: Subscription, rest: str = "") -> str:
    return f"{PAGE}{subscription.pk}/{rest}"


FORM: dict[str, str | int] = {
    "name": "Sales",
    "offer": "flex-3",
    "starts_on": "2026-03-02",
    "term_months": 12,
    "licence_mode": "concurrent",
    "telephony_option": "webex-calling",
    f"product-{PRO}": 2,
    "commitment-agents": 2,
}


def send(client: Client, address: str, data: dict[str, str | int]) -> HttpResponseBase:
    """Send a form as the page does: with what its cost is of."""
    seen = client.get(address, data).context.get("seen", "")
    return client.post(address, {**data, "seen": seen})


class TestList:
    def test_says_how_to_begin(self, account: Account, owner_client: Client) -> None:
        page = text(owner_client.get(PAGE))
        assert "No subscriptions yet" in page
        assert ADD in page
        assert "The primary" not in page

    def test_the_primary_and_why_and_who_is_next(self, account: Account, owner_client: Client) -> None:
        """SUB-4: stated in words, with the days."""
        enter(account, "Sales", TODAY, 12)
        enter(account, "Service", TODAY + timedelta(days=8), 36)
        answer = owner_client.get(PAGE)
        assert [(row["subscription"].name, row["is_primary"]) for row in answer.context["rows"]] == [
            ("Sales", True),
            ("Service", False),
        ]
        assert answer.context["primary_words"] == [
            "Sales is the primary: oldest active, started 2026-03-02.",
            "When it ends on 2027-03-02, Service is next: started 2026-03-10.",
        ]
        assert [row["status"].label for row in answer.context["rows"]] == ["Active", "Upcoming"]

    def test_who_was_entered_first_where_two_started_together(
        self, account: Account, owner_client: Client
    ) -> None:
        """SUB-4: the tie."""
        enter(account, "Sales", TODAY, 1)
        enter(account, "Service", TODAY, 1)
        words = owner_client.get(PAGE).context["primary_words"]
        assert words[0] == (
            "Sales is the primary: oldest active, started 2026-03-02 like Service, but was entered first."
        )
        assert words[1] == "When it ends on 2026-04-02, no other is active."

    def test_none_is_active(self, account: Account, owner_client: Client) -> None:
        """SUB-4: what comes in then is the last primary's."""
        first = enter(account)
        end_subscription(first, actor=TESTS, at=AT)
        assert "No subscription is active yet" not in text(owner_client.get(PAGE))
        enter(account, "Next", TODAY + timedelta(days=30))
        words = owner_client.get(PAGE).context["primary_words"]
        assert words[-1].endswith("Next, which starts on 2026-04-01.")

    def test_what_all_have_in_common_and_who_can_switch_it(
        self, account: Account, owner_client: Client
    ) -> None:
        """SUB-2, SUB-3."""
        enter(account, licence_mode=LicenceMode.NAMED, telephony_option=TelephonyOption.VPOP)
        page = text(owner_client.get(PAGE))
        assert "Named" in page
        assert "VPOP" in page
        assert "To switch, contact support." in page
        assert "support@brand.example" in page

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("q=quality", ["WFO"]),
            ("status=upcoming", ["WFO"]),
            ("status=active", ["Core"]),
            ("status=ended", []),
            ("offer=flex", ["Core"]),
            ("sort=-name", ["WFO", "Core"]),
            ("sort=end", ["Core", "WFO"]),
            ("status=nonsense&partner=x", ["Core", "WFO"]),
        ],
    )
    def test_search_filter_and_sort(
        self, query: str, names: list[str], account: Account, owner_client: Client
    ) -> None:
        enter(account, "Core", TODAY, 12, offer=Offer.FLEX)
        enter(account, "WFO", TODAY + timedelta(days=1), 24, department="Quality")
        rows = owner_client.get(f"{PAGE}?{query}").context["rows"]
        assert [row["subscription"].name for row in rows] == names

    def test_export(self, account: Account, owner_client: Client) -> None:
        """All of it, what is filtered out left out."""
        enter(account, "Core", products={PRO: 2}, commitments={"agents": 10}, billing_contact="a@b.example")
        enter(account, "=WFO", TODAY + timedelta(days=1))
        answer = owner_client.get("/a/acme/subscriptions.csv")
        lines = b"".join(answer).decode().splitlines()
        assert lines[1].startswith(
            "Core,Flex 3,Active,yes,12,2026-03-02,2027-03-02,2027-03-02,,,a@b.example,"
        )
        assert lines[1].endswith("Concurrent,Webex Calling,Agents 10,158.00,USD")
        assert lines[2].startswith("'=WFO,")
        filtered = b"".join(owner_client.get("/a/acme/subscriptions.csv?q=core")).decode()
        assert len(filtered.splitlines()) == 2

    @pytest.mark.parametrize("times", [1, 20])
    def test_queries(
        self, times: int, account: Account, owner_client: Client, opens_cheaply: OpensCheaply
    ) -> None:
        for number in range(times):
            enter(account, f"S{number}", products={PRO: 1}, commitments={"agents": 1, "ivr-ports": 2})
        opens_cheaply(owner_client, PAGE)
        opens_cheaply(owner_client, page_of(Subscription.objects.latest("pk")))

    def test_readers_change_nothing_and_billing_does_not_look(
        self, account: Account, role_client: Callable[[Role], Client]
    ) -> None:
        """ACC-1: the working of the overage explains an invoice, so the billing role has it."""
        found = enter(account)
        reader, billing = role_client(Role.READ_ONLY), role_client(Role.BILLING)
        assert ADD not in text(reader.get(PAGE))
        assert "End subscription" not in text(reader.get(page_of(found)))
        assert billing.get(PAGE).status_code == 403
        assert billing.get(OVERAGE).status_code == 200
        for name in ("buy/", "give-back/", "commitments/", "end/"):
            assert reader.get(page_of(found, name)).status_code == 403

    def test_a_partner_with_full_administration_adds(self, account: Account) -> None:
        """ACC-2: one that reads does not."""
        full = client_of(factories.partner_user(account, PartnerLevel.FULL))
        reading = client_of(factories.partner_user(account, PartnerLevel.READ_ONLY))
        assert send(full, ADD, FORM).status_code == 302
        assert Subscription.objects.get().name == "Sales"
        assert reading.get(ADD).status_code == 403


class TestOne:
    def test_terms_products_and_commitments(self, account: Account, owner_client: Client) -> None:
        """SUB-1: with what is bought, assigned and free on it, and what it costs a month."""
        found = enter(account, products={PRO: 3, "cc-addon-wfo": 1}, commitments={"agents": 10})
        pro = Product.objects.get(pk=PRO)
        person = factories.EndUserFactory(account=account)
        assign_licence(person, pro, subscription=found, actor=TESTS, at=AT)
        add_licences(account, Product.objects.get(pk="uc-licence"), 4, actor=TESTS, at=AT)
        context = owner_client.get(page_of(found)).context
        assert [
            (row["held"].name, row["held"].units, row["held"].assigned, row["held"].free)
            for row in context["products"]
        ] == [("Contact Center Pro licence", 3, 1, 2), ("Workforce optimization add-on", 1, 0, 1)]
        assert context["monthly"] == Decimal("282.00")
        assert [(row["label"], row["quantity"]) for row in context["commitments"]] == [("Agents", 10)]
        assert context["is_primary"]

    def test_usage_is_reported_by_subscription_but_for_messages(
        self, story: Story, owner_client: Client
    ) -> None:
        """SUB-5: all messages are the primary's, and agents that name none too."""
        account = story.account
        at = noon(account, date(2026, 2, 16))
        first = enter(account, "First", date(2026, 2, 16), at=at, commitments={"agents": 10})
        second = enter(account, "Second", date(2026, 2, 16), at=at)
        used(account, first, "agents", date(2026, 2, 20), 7)
        used(account, None, "agents", date(2026, 2, 21), 9)
        used(account, second, "agents", date(2026, 2, 21), 4)
        used(account, first, "connect-messages", date(2026, 2, 20), 100)
        used(account, second, "connect-messages", date(2026, 2, 20), 50)
        told = {
            one: [(row["label"], row["words"]) for row in owner_client.get(page_of(one)).context["used"]]
            for one in (first, second)
        }
        assert told[first] == [("Agents", "at most 9 agents on a day"), ("Connect messages", "150 messages")]
        assert told[second] == [("Agents", "at most 4 agents on a day")]

    def test_what_is_shared_is_whose_it_is_on_the_periods_last_day(
        self, story: Story, owner_client: Client
    ) -> None:
        """SUB-6: as on the invoice; today's primary ends before the period does."""
        account = story.account
        at = noon(account, date(2026, 2, 9))
        ending = enter(account, "Ending", date(2026, 2, 9), months=1, at=at)
        staying = enter(account, "Staying", date(2026, 2, 16), at=at)
        used(account, ending, "connect-messages", date(2026, 2, 20), 100)
        told = {one: owner_client.get(page_of(one)) for one in (ending, staying)}
        assert told[ending].context["is_primary"]
        assert told[ending].context["used"] == []
        assert "Staying is the primary on that last day" in told[ending].content.decode()
        assert [row["words"] for row in told[staying].context["used"]] == ["100 messages"]

    def test_why_it_is_not_the_primary(self, account: Account, owner_client: Client) -> None:
        """SUB-4: older, same day, still to come, over."""
        enter(account, "First", TODAY, 2)
        twin = enter(account, "Twin", TODAY, 3)
        later = enter(account, "Later", TODAY + timedelta(days=1))
        over = enter(account, "Over")
        end_subscription(over, actor=TESTS, at=AT)
        why = {one.name: owner_client.get(page_of(one)).context["why"] for one in (twin, later, over)}
        assert why["Twin"] == [
            "Not the primary: First started on the same day, 2026-03-02, and was entered first.",
            "It is next, on 2026-05-02.",
        ]
        assert why["Later"] == ["Not the primary: it starts on 2026-03-03."]
        assert why["Over"] == ["Not the primary: it has ended."]

    def test_another_accounts_is_not_there(self, other: Account, owner_client: Client) -> None:
        """ACC-4: neither to look at nor to change."""
        theirs = enter(other)
        for rest in ("", "buy/", "give-back/", "commitments/", "end/"):
            assert owner_client.get(page_of(theirs, rest)).status_code == 404
            assert owner_client.post(page_of(theirs, rest)).status_code in {404, 405}


class TestAdd:
    def test_the_cost_is_shown_before(self, story: Story, owner_client: Client) -> None:
        """SUB-10, BIL-10: from when, a month, the next invoice with and without; nothing is done yet."""
        story.play()
        answer = owner_client.get(ADD, {**FORM, "name": "", "starts_on": "2026-03-10"})
        cost = answer.context["cost"]
        assert (cost["monthly"], cost["begins_on"], cost["rule"]) == (
            Decimal("158.00"),
            date(2026, 3, 10),
            "SUB-10",
        )
        # 5 of 28 days, and the month ahead.
        assert (cost["next_now"], cost["next_then"]) == (Decimal(0), Decimal("186.21"))
        assert answer.context["ends_on"] == date(2027, 3, 10)
        assert "when the subscription starts" in text(answer)
        assert not Subscription.objects.exists()
        assert not Tenancy.objects.exists()

    def test_what_was_seen_is_added(self, account: Account, owner_client: Client) -> None:
        partner = factories.PartnerFactory(brand=account.brand, name="Beacon")
        data = {**FORM, "partner": partner.pk, "department": "Sales", "billing_contact": "sales@acme.example"}
        answer = send(owner_client, ADD, data)
        found = Subscription.objects.get()
        assert (answer.status_code, answer.headers["Location"]) == (302, page_of(found))
        assert (found.ends_on, found.partner, found.department) == (date(2027, 3, 2), partner, "Sales")
        assert [(one.meter, one.quantity) for one in found.commitments.all()] == [("agents", 2)]
        assert [(one.product_id, one.quantity) for one in Charge.objects.all()] == [(PRO, 2)]
        assert "Billing begins on Mar 2, 2026." in text(owner_client.get(page_of(found)))

    def test_what_was_not_seen_is_asked_again(self, account: Account, owner_client: Client) -> None:
        """Without script a page with the terms and the cost comes between."""
        review = owner_client.post(ADD, FORM)
        assert review.status_code == 200
        assert "Nothing has been changed yet" in text(review)
        assert "Agents 2" in text(review)
        assert not Subscription.objects.exists()
        assert owner_client.post(ADD, {**FORM, "seen": review.context["seen"]}).status_code == 302
        assert Subscription.objects.count() == 1

    @pytest.mark.parametrize(
        ("changed", "field", "rule", "says"),
        [
            ({"licence_mode": "named"}, "licence_mode", "SUB-2", "named ones cannot stand beside them"),
            ({"telephony_option": "vpop"}, "telephony_option", "SUB-3", "a tenant has only one"),
            ({"starts_on": "2026-03-01"}, "starts_on", "SUB-1", "starts today at the earliest"),
            ({"name": "First"}, "name", "SUB-1", "already"),
        ],
    )
    def test_a_rule_refuses_by_its_field(
        self,
        changed: dict[str, str],
        field: str,
        rule: str,
        says: str,
        account: Account,
        owner_client: Client,
    ) -> None:
        """SUB-1 to SUB-3: in words, what was typed is kept, and nothing is changed."""
        enter(account, "First")
        answer = owner_client.post(ADD, {**FORM, **changed, "seen": "x"})
        assert answer.status_code == 400
        (error,) = answer.context["form"].errors.as_data()[field]
        assert error.code == rule
        assert says in error.message
        assert 'name="commitment-agents" value="2"' in text(answer)
        assert Subscription.objects.count() == 1

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"name": ""}, "name"),
            ({"term_months": "0"}, "term_months"),
            ({"term_months": "61"}, "term_months"),
            ({"term_months": "x"}, "term_months"),
            ({"starts_on": "2026-02-30"}, "starts_on"),
            ({"starts_on": "9999-12-01"}, "starts_on"),
            ({"commitment-agents": "-1"}, "commitment-agents"),
            ({"commitment-agents": "9" * 30}, "commitment-agents"),
            ({f"product-{PRO}": "1.5"}, f"product-{PRO}"),
            ({"billing_contact": "nobody"}, "billing_contact"),
            ({"partner": "999999"}, "partner"),
            ({"licence_mode": "both"}, "licence_mode"),
            ({"offer": ""}, "offer"),
        ],
    )
    def test_bad_input_is_told_by_its_field(
        self, changed: dict[str, str], field: str, account: Account, owner_client: Client
    ) -> None:
        answer = owner_client.post(ADD, {**FORM, **changed})
        assert answer.status_code == 400
        assert list(answer.context["form"].errors) == [field]
        assert owner_client.get(ADD, {**FORM, **changed}).status_code == 200
        assert not Subscription.objects.exists()

    def test_another_mode_cannot_be_chosen_after_the_first(
        self, account: Account, owner_client: Client
    ) -> None:
        """SUB-2, SUB-3: the form shows what was decided, with the others switched off."""
        assert (
            "disabled"
            not in text(owner_client.get(ADD)).partition("licence_mode")[2].partition("</select>")[0]
        )
        enter(account, licence_mode=LicenceMode.NAMED, telephony_option=TelephonyOption.VPOP)
        page = text(owner_client.get(ADD))
        assert '<option value="concurrent" disabled>' in page
        assert '<option value="named" selected>' in page
        assert '<option value="vpop" selected>' in page

    def test_partners_of_another_brand_are_not_offered(self, account: Account, owner_client: Client) -> None:
        """ACC-2."""
        factories.PartnerFactory(name="Elsewhere Telecom")
        factories.PartnerFactory(name="Gone Telecom", brand=account.brand, is_active=False)
        page = text(owner_client.get(ADD))
        assert "Elsewhere Telecom" not in page
        assert "Gone Telecom" not in page


class TestChange:
    def test_licences_are_bought_on_it(self, account: Account, owner_client: Client) -> None:
        """SUB-10: none of the account's own is touched."""
        found = enter(account, products={PRO: 1})
        answer = send(owner_client, page_of(found, "buy/"), {"product": PRO, "quantity": 2})
        assert (answer.status_code, answer.headers["Location"]) == (302, page_of(found))
        assert [(one.quantity, one.subscription) for one in Charge.objects.all()] == [(1, found), (2, found)]

    def test_free_ones_are_given_back(self, account: Account, owner_client: Client) -> None:
        """LIC-1: of this subscription alone, and only those that nobody holds."""
        found, second = enter(account, products={PRO: 3}), enter(account, "Second", products={PRO: 5})
        person = factories.EndUserFactory(account=account)
        assign_licence(person, Product.objects.get(pk=PRO), subscription=found, actor=TESTS, at=AT)
        address = page_of(found, "give-back/")
        refused = owner_client.post(address, {"product": PRO, "quantity": 3, "seen": "x"})
        assert refused.status_code == 400
        assert "only 2 are unassigned" in text(refused)
        assert send(owner_client, address, {"product": PRO, "quantity": 2}).status_code == 302
        held = Charge.objects.filter(ended_on=None)
        assert [(one.subscription, one.quantity) for one in held.order_by("subscription")] == [
            (found, 1),
            (second, 5),
        ]

    def test_a_commitment_is_changed_from_today(self, account: Account, owner_client: Client) -> None:
        """SUB-6: what is left empty is committed to no longer; nothing changed is nothing done."""
        found = enter(account, products={PRO: 12}, commitments={"agents": 10, "ivr-ports": 4})
        address = page_of(found, "commitments/")
        assert 'value="10"' in text(owner_client.get(address))
        data: dict[str, str | int] = {"commitment-agents": 12}
        review = owner_client.post(address, data)
        assert "10 to 12" in text(review)
        assert send(owner_client, address, data).status_code == 302
        rows = owner_client.get(page_of(found)).context["commitments"]
        assert [(row["label"], row["quantity"]) for row in rows] == [("Agents", 12), ("IVR ports", 4)]
        assert owner_client.post(address, data).status_code == 302
        assert account.audit_entries.filter(action="set-commitment").count() == 1
        assert send(owner_client, address, {"commitment-agents": ""}).status_code == 302
        rows = owner_client.get(page_of(found)).context["commitments"]
        assert [(row["label"], row["quantity"]) for row in rows] == [("IVR ports", 4)]

    def test_ending_says_who_loses_access_and_what_is_credited(
        self, account: Account, owner_client: Client
    ) -> None:
        """BIL-5, SUB-4, SUB-8: and does nothing before the name was typed."""
        found = enter(account, products={PRO: 1}, commitments={"agents": 10})
        enter(account, "Service", commitments={"agents": 15})
        person = factories.EndUserFactory(account=account, name="Uma Reyes")
        assign_licence(person, Product.objects.get(pk=PRO), subscription=found, actor=TESTS, at=AT)
        address = page_of(found, "end/")
        page = text(owner_client.get(address))
        assert "Uma Reyes loses access at once." in page
        assert "Its commitments count no more from today on: Agents 10." in page
        assert "Service is the primary" in page
        wrong = owner_client.post(address, {"confirm_name": "sales"})
        assert wrong.status_code == 400
        assert "Type Sales exactly" in text(wrong)
        found.refresh_from_db()
        assert found.ends_on == date(2027, 3, 2)
        assert owner_client.post(address, {"confirm_name": " Sales "}).status_code == 302
        found.refresh_from_db()
        assert found.ends_on == TODAY

    @pytest.mark.parametrize("rest", ["buy/", "give-back/", "commitments/", "end/"])
    def test_what_has_ended_is_changed_no_more(
        self, rest: str, account: Account, owner_client: Client
    ) -> None:
        found = enter(account, products={PRO: 1}, commitments={"agents": 10})
        end_subscription(found, actor=TESTS, at=AT)
        for answer in (owner_client.get(page_of(found, rest)), owner_client.post(page_of(found, rest))):
            assert answer.headers["Location"] == page_of(found)
        assert "ended on Mar 2, 2026: it can no longer be changed." in text(owner_client.get(page_of(found)))


class TestOverage:
    """The page that shows the working: subscriptions of 10 and 15 agents since February 15."""

    @pytest.fixture
    def tenant(self, story: Story) -> tuple[Account, Subscription, Subscription]:
        began = date(2026, 2, 15)
        story.play(began)
        at = noon(story.account, began)
        first = enter(story.account, "First", began, at=at, department="Sales", commitments={"agents": 10})
        second = enter(
            story.account, "Second", began, at=at, department="Service", commitments={"agents": 15}
        )
        return story.account, first, second

    @pytest.mark.parametrize(("peaks", "above"), [((8, 17), 0), ((10, 15), 0), ((10, 16), 1)])
    def test_25_are_free_and_26_are_one(
        self,
        peaks: tuple[int, int],
        above: int,
        tenant: tuple[Account, Subscription, Subscription],
        owner_client: Client,
    ) -> None:
        """SUB-6, the seed's example: the page says what the next invoice has."""
        account, *both = tenant
        for subscription, peak in zip(both, peaks, strict=True):
            used(account, subscription, "agents", date(2026, 2, 20), peak)
        answer = owner_client.get(OVERAGE)
        (shown,) = answer.context["workings"]
        assert shown["working"].pool.above == above
        draft = owner_client.get("/a/acme/billing/next/").context["draft"]
        assert (
            [line["amount"] for line in shown["lines"]]
            == [line.amount for line in draft.lines]
            == [95] * above
        )
        if above:
            assert shown["result"] == "2026-02-20 set the overage: 26 used, 25 included, 1 above."
            assert "First bears what is above: it is the primary on Mar 14, 2026" in text(answer).replace(
                "</time>", ""
            ).replace('<time datetime="2026-03-14">', "")
            assert [day["on"] for day in shown["days"] if day["is_decisive"]] == [date(2026, 2, 20)]
        else:
            assert shown["result"].startswith("No day was above its commitments.")
            assert not any(day["is_decisive"] for day in shown["days"])
            assert not any(row["is_payer"] for row in shown["rows"])

    def test_how_it_would_split(
        self, tenant: tuple[Account, Subscription, Subscription], owner_client: Client
    ) -> None:
        """The parts sum to the whole."""
        account, first, second = tenant
        used(account, first, "agents", date(2026, 2, 20), 12)
        used(account, second, "agents", date(2026, 2, 20), 18)
        (shown,) = owner_client.get(OVERAGE).context["workings"]
        assert [(one.department, one.amount) for one in shown["shares"]] == [
            ("Sales", Decimal(190)),
            ("Service", Decimal(285)),
        ]

    def test_an_earlier_period_has_its_invoice(
        self,
        tenant: tuple[Account, Subscription, Subscription],
        story: Story,
        owner: User,
    ) -> None:
        """USE-5: the line of the very invoice, linked; nonsense for a period is this one."""
        account, first, _ = tenant
        used(account, first, "agents", date(2026, 2, 20), 30)
        story.play(date(2026, 3, 16))
        with time_machine.travel(datetime(2026, 3, 16, 15, tzinfo=AT.tzinfo), tick=False):
            owner_client = client_of(owner)
            answer = owner_client.get(f"{OVERAGE}?period=2026-02-15")
            (shown,) = answer.context["workings"]
            invoice = account.invoices.latest("issued_on")
            assert [(line["number"], line["amount"]) for line in shown["lines"]] == [(invoice.number, 475)]
            assert f"/a/acme/billing/invoices/{invoice.number}/" in text(answer)
            assert owner_client.get(f"{OVERAGE}?period=nonsense").context["period"].start == date(2026, 3, 15)

    def test_who_has_had_a_meter_longest(
        self, tenant: tuple[Account, Subscription, Subscription], owner_client: Client
    ) -> None:
        """SUB-7: who bears it, and why."""
        account, first, second = tenant
        by: dict[str, Any] = {"actor": TESTS, "at": noon(account, date(2026, 2, 16))}
        set_commitment(second, "ai-agent", 30, **by)
        used(account, first, "ai-agent", date(2026, 2, 20), 40)
        shown = owner_client.get(OVERAGE).context["workings"][-1]
        assert shown["payer"] == (
            "Second bears what is above: of the subscriptions active on 2026-03-14 it has had AI agent the "
            "longest, since 2026-02-16."
        )
        assert shown["lines"][0]["subscription"] == "Second"

    def test_nothing_to_work_out(self, account: Account, owner_client: Client) -> None:
        assert "Nothing to work out" in text(owner_client.get(OVERAGE))
        assert OPENED.isoformat()[:4] in text(owner_client.get(OVERAGE))

    def test_a_missing_rate_is_told_and_the_working_is_there(
        self, tenant: tuple[Account, Subscription, Subscription], owner_client: Client
    ) -> None:
        """What cannot be priced is worked out all the same."""
        account, first, _ = tenant
        MeterRate.objects.filter(meter="agents").delete()
        used(account, first, "agents", date(2026, 2, 20), 30)
        answer = owner_client.get(OVERAGE)
        (shown,) = answer.context["workings"]
        assert (shown["working"].pool.above, shown["lines"]) == (5, [])
        assert "fault" in answer.context
