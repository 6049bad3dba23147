"""ORD-1, ORD-2, ORD-4: quotes are offered, decided on once, and cost what they said they would."""

import threading
from collections.abc import Iterable
from dataclasses import fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from time_machine import travel

from accounts.models import Account, AuditEntry, Membership, Role, User
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import quotes
from billing.engine.reasons import Basis
from billing.models import Charge, InvoiceLine, Order, OrderState, Quote, QuoteLine, QuoteState
from billing.quote_drafts import Details, copy_quote, edit_quote
from billing.quote_sending import send_quote
from billing.quote_walk import compare
from hardware.shipments import ship_all
from telephony.models import ContactCenter, Service
from tests.billing.crowd import crowd
from tests.billing.engine_facts import day
from tests.billing.world import ACTOR, bill, price, product
from tests.factories import BrandFactory, staff

pytestmark = pytest.mark.django_db

PRICES = {"uc-licence": "30.00", "phone-desk-basic": "89.00", "toll-free-500": "12.00", "shipping": "15.00"}


@pytest.fixture
def quote() -> Quote:
    """Five licences, two phones and their way, in a draft; valid until January 31."""
    for code, amount in PRICES.items():
        price(code, amount)
    made = Quote.objects.create(
        brand=BrandFactory(),
        company="Blue Harbor",
        contact_name="Ann Reyes",
        contact_email="ann@blueharbor.example",
        valid_until=date(2026, 1, 31),
        created_by=staff("Support"),
        created_at=at("01-02"),
    )
    put(made, ("uc-licence", 5), ("phone-desk-basic", 2), ("shipping", 1))
    return made


def put(quote: Quote, *items: tuple[str, int], **prices: str) -> None:
    """The lines of a draft, at the prices of the catalogue unless it is said otherwise."""
    wanted = {
        product(code): (quantity, Decimal(prices.get(code.replace("-", "_"), PRICES.get(code, "10.00"))))
        for code, quantity in items
    }
    quotes.set_lines(quote, wanted)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}T12:00:00-05:00")


def send(quote: Quote, text: str = "01-03") -> Quote:
    return send_quote(quote, actor=ACTOR, at=at(text))


def accept(quote: Quote, text: str = "01-10") -> Quote:
    return quotes.accept_quote(quote, by="Ann Reyes", actor=ACTOR, at=at(text))


def opened(quote: Quote, text: str = "01-10") -> tuple[Account, Order]:
    """The account and the order of a quote that is accepted."""
    accepted = accept(send(quote), text)
    assert accepted.account is not None
    assert accepted.order is not None
    return accepted.account, accepted.order


def everything() -> list[Any]:
    return [
        list(model.objects.order_by("pk").values())
        for model in (Account, Charge, Order, Service, Membership, Quote, QuoteLine)
    ]


def totals(forecast: quotes.Forecast) -> list[Decimal]:
    return [draft.total for draft in forecast.invoices]


def test_nothing_is_processed_before_acceptance(quote: Quote) -> None:
    """ORD-1: composing, forecasting and sending open nothing."""
    quotes.forecast(quote, accepted_on=day("01-10"), shipped_on=day("01-12"))
    send(quote)
    assert not Account.objects.exists()
    assert not Charge.objects.exists()


def test_acceptance_opens_the_account_on_its_day(quote: Quote) -> None:
    """ORD-1, ORD-2: BDOM, owner, complimentary auto attendant, licences; hardware waits."""
    account, order = opened(quote)
    assert (account.bdom, account.opened_on, account.slug) == (10, date(2026, 1, 10), "blue-harbor")
    assert Membership.objects.get(account=account).role == Role.OWNER
    assert [service.kind for service in Service.objects.filter(account=account)] == ["auto-attendant"]
    assert order.state == OrderState.PROCESSING
    assert sorted(Charge.objects.filter(account=account).values_list("product", "quantity")) == [
        ("phone-desk-basic", 2),
        ("shipping", 1),
        ("uc-licence", 5),
    ]


def test_the_quote_may_name_the_billing_day(quote: Quote) -> None:
    """ORD-2."""
    quote.bdom = 28
    quote.save()
    assert opened(quote)[0].bdom == 28


def test_the_forecast_is_what_is_billed(quote: Quote) -> None:
    """BIL-10: the first three invoices, accepted on one day and shipped on another, are those that come."""
    foretold = quotes.forecast(quote, accepted_on=day("01-10"), shipped_on=day("01-20"))
    account, order = opened(quote)
    ship_all(order, ACTOR, at("01-20"))
    for text in ("02-10", "03-10", "04-10"):
        bill(account, text)
    billed = [invoice.total for invoice in account.invoices.order_by("issued_on")]
    assert totals(foretold) == billed
    # 5 × 30.00 from January 17 (24 of 31 days) and the month ahead, 2 × 89.00, 15.00.
    assert billed[0] == Decimal("116.13") + 150 + 178 + 15


def test_the_agreed_prices_hold(quote: Quote) -> None:
    """BIL-6, ORD-1: what was quoted is billed, whatever the catalogue says by then."""
    put(quote, ("uc-licence", 5), ("phone-desk-basic", 1), uc_licence="25.50")
    send(quote)
    price("uc-licence", "35.00", since="2026-01-05")
    accepted = accept(quote)
    prices = dict(Charge.objects.filter(account=accepted.account).values_list("product", "unit_price"))
    assert prices == {"uc-licence": Decimal("25.5"), "phone-desk-basic": Decimal(89)}
    assert accepted.order is not None
    assert accepted.order.lines.get(product="uc-licence").unit_price == Decimal("25.5")


def test_a_quote_with_a_contact_center_installs_it(quote: Quote) -> None:
    """ONB-1, ONB-5: in onboarding at once, with a package whatever the switch of the brand says."""
    quote.edition = "pro"
    quote.save()
    put(quote, ("cc-pro-licence", 2), ("cc-channel-chat", 1), ("toll-free-500", 1), ("resource-line", 2))
    account = accept(send(quote)).account
    assert ContactCenter.objects.get(account=account).is_onboarding
    assert set(Service.objects.filter(account=account).values_list("kind", "name")) == {
        ("auto-attendant", "Main menu"),
        ("contact-center", "Contact Center Pro"),
        ("resource-line", "Resource line 1"),
        ("resource-line", "Resource line 2"),
    }
    assert Charge.objects.filter(account=account, product="toll-free-500", ended_on=None).exists()


def test_a_third_licence_is_refused_before_it_is_sent(quote: Quote) -> None:
    """ONB-3: whatever the way in; the representative is told, not the customer."""
    quote.edition = "pro"
    quote.save()
    put(quote, ("cc-pro-licence", 3))
    before = everything()
    with pytest.raises(Refused) as refusal:
        send(quote)
    assert refusal.value.rule == "ONB-3"
    assert everything() == before


@pytest.mark.parametrize("text", ["01-31", "02-01"])
def test_it_can_be_accepted_on_its_last_day_and_not_after(quote: Quote, text: str) -> None:
    """ORD-1: it expires, in its own time zone."""
    send(quote)
    if text == "01-31":
        assert accept(quote, text).state == QuoteState.ACCEPTED
        return
    before = everything()
    with pytest.raises(Refused) as refusal:
        accept(quote, text)
    assert "valid until January 31, 2026" in refusal.value.message
    assert everything() == before


def test_a_decision_is_made_once(quote: Quote) -> None:
    """ORD-1: accepted twice opens one account; declined is declined."""
    accept(send(quote))
    for again in (
        lambda: accept(quote),
        lambda: quotes.decline_quote(quote, by="Ann", reason="", actor=ACTOR, at=at("01-11")),
    ):
        before = everything()
        with pytest.raises(Refused):
            again()
        assert everything() == before
    assert Account.objects.count() == 1


def test_it_can_be_declined(quote: Quote) -> None:
    """ORD-1: with a reason, and nothing is opened."""
    declined = quotes.decline_quote(send(quote), by="Ann", reason="Too dear", actor=ACTOR, at=at("01-05"))
    assert (declined.state, declined.decline_reason) == (QuoteState.DECLINED, "Too dear")
    assert not Account.objects.exists()


def test_what_is_over_expires_by_itself(quote: Quote) -> None:
    """ORD-1: by the daily task, whose name the trail keeps."""
    send(quote)
    assert quotes.expire_quotes(at("01-31") + timedelta(hours=11)) == 0
    assert quotes.expire_quotes(at("01-31") + timedelta(hours=13)) == 1
    assert Quote.objects.get().state == QuoteState.EXPIRED
    assert AuditEntry.objects.latest("pk").by == "expire-quotes"


def test_sent_it_does_not_change(quote: Quote) -> None:
    """ORD-1: what the customer has in hand is what is accepted."""
    send(quote)
    with pytest.raises(Refused):
        put(quote, ("uc-licence", 1))
    assert quote.lines.count() == 3


@pytest.mark.parametrize("items", [[], [("plan-contact-center-1", 1)]])
def test_an_empty_quote_and_what_is_not_quoted_are_refused(
    quote: Quote, items: Iterable[tuple[str, int]]
) -> None:
    """ORD-1."""
    if items:
        with pytest.raises(Refused):
            put(quote, *items)
        return
    put(quote)
    with pytest.raises(Refused):
        send(quote)


def test_lines_of_the_first_invoice(quote: Quote) -> None:
    """ORD-5: shipping is charged with the first parcel, once."""
    account, order = opened(quote)
    bill(account, "02-10")
    ship_all(order, ACTOR, at("02-12"))
    bill(account, "03-10")
    sections = {"hardware", "one-time"}
    lines = InvoiceLine.objects.filter(invoice__account=account, section__in=sections)
    assert list(lines.values_list("product", "invoice__issued_on")) == [
        ("shipping", date(2026, 3, 10)),
        ("phone-desk-basic", date(2026, 3, 10)),
    ]


FEE = "cc-activation-fee"


@pytest.fixture
def with_contact_center(quote: Quote) -> Quote:
    """Two Pro licences beside the rest, composed by sales; each brings its activation fee of 50.00."""
    price(FEE, "50.00")
    details = Details(
        **{field.name: getattr(quote, field.name) for field in fields(Details) if field.name != "edition"},
        edition="pro",
    )
    items = {
        product(code): (units, Decimal(10)) for code, units in (("cc-pro-licence", 2), ("uc-licence", 1))
    }
    return edit_quote(quote, details, items, actor=ACTOR, at=at("01-02"))


def test_activation_fees_are_quoted_at_their_price_of_the_day(with_contact_center: Quote) -> None:
    """ONB-10, BIL-6, ORD-1: a fee for each licence is in what is quoted once, and holds when it is accepted."""
    line = with_contact_center.lines.get(product=FEE)
    assert (line.quantity, line.unit_price) == (2, Decimal(50))
    assert quotes.sums_of(with_contact_center) == quotes.Sums(Decimal(30), Decimal(100))
    price(FEE, "75.00", since="2026-01-04")
    account, order = opened(with_contact_center)
    assert Charge.objects.get(account=account, product=FEE).unit_price == 50
    assert not order.lines.filter(product=FEE).exists()
    # It waits, as its licence does, and is no difference that nobody can explain (ORD-4).
    with travel(at("01-11"), tick=False):
        steps = compare(Quote.objects.get(), account).walk.steps
    told = {(str(step.difference), step.product): step.amount for step in steps}
    assert told["condition", FEE] == -100
    assert told["condition", "cc-pro-licence"] == -20


def test_a_forecast_says_what_its_invoices_do_not_hold(with_contact_center: Quote) -> None:
    """ORD-1, BIL-3: what waits for activation or shipment would otherwise look forgotten."""
    said = quotes.forecast(with_contact_center, accepted_on=day("01-10"), shipped_on=None)
    assert said.waits == {Basis.CONDITION: quotes.Sums(Decimal(20), Decimal(100))}
    with_contact_center.brand.auto_activate_after_days = 40
    with_contact_center.brand.save()
    # Activated by itself on February 19, it is on the invoice of March 10.
    assert quotes.forecast(with_contact_center, accepted_on=day("01-10"), shipped_on=None).waits == {}


def test_what_is_not_shipped_is_said(quote: Quote) -> None:
    """ORD-1, ORD-5."""
    said = quotes.forecast(quote, accepted_on=day("01-10"), shipped_on=None)
    assert said.waits == {Basis.SHIPPED: quotes.Sums(Decimal(0), Decimal("193.00"))}
    assert quotes.forecast(quote, accepted_on=day("01-10"), shipped_on=day("01-10")).waits == {}


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([("toll-free-500", 1), ("toll-free-1000", 1)], "one toll-free package"),
        ([("toll-free-500", 2)], "one toll-free package"),
        ([("cc-recording-10", 1), ("cc-recording-100", 1)], "one package of recording storage"),
        ([("cc-elite-licence", 1)], "another edition"),
        ([("uc-licence", 1), ("shipping", 1)], "comes with hardware"),
        ([("resource-line", 201)], "At most 200"),
    ],
)
def test_what_does_not_go_together_is_not_sent(
    quote: Quote, items: list[tuple[str, int]], words: str
) -> None:
    """ORD-1, USE-6, ONB-1: it would be quoted twice and billed once, or wait for ever."""
    for code in ("toll-free-1000", "cc-recording-10", "cc-recording-100", "cc-elite-licence", FEE):
        price(code, "10.00")
    quote.edition = "pro"
    quote.save()
    put(quote, *items)
    before = everything()
    with pytest.raises(Refused) as refusal:
        send(quote)
    assert words in refusal.value.message
    assert everything() == before


def test_the_order_says_who_accepted(quote: Quote) -> None:
    """ORD-2: the person, not the link; the trail keeps the link."""
    assert opened(quote)[1].placed_by == "Ann Reyes"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_accepted_by_many_at_once_it_opens_one_account(quote: Quote) -> None:
    """ORD-1, ORD-2: one is let in, the others are told; no more is opened than one account with its order."""
    send(quote)
    answers = crowd(12, lambda: str(accept(Quote.objects.get()).state))
    assert sorted(answers) == ["ORD-1"] * 11 + ["accepted"]
    assert (Account.objects.count(), Order.objects.count(), Membership.objects.count()) == (1, 1, 1)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_quotes_for_one_company_are_accepted_at_once(quote: Quote) -> None:
    """ORD-2: each opens an account at an address of its own, and their owner is one user."""
    ours = [send(copy_quote(quote, actor=Actor(user=quote.created_by), at=at("01-03"))) for _ in range(4)]
    waiting = iter(ours)
    lock = threading.Lock()

    def act() -> str:
        with lock:
            mine = next(waiting)
        return str(accept(mine).state)

    assert crowd(4, act) == ["accepted"] * 4
    slugs = sorted(Account.objects.values_list("slug", flat=True))
    assert slugs == ["blue-harbor", "blue-harbor-2", "blue-harbor-3", "blue-harbor-4"]
    assert User.objects.filter(email=quote.contact_email).count() == 1
