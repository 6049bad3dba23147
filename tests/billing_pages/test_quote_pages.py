"""ORD-1, ORD-2, ORD-4: quotes composed and sent by sales, answered by the customer, held against the first invoice."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse
from time_machine import travel

from accounts.mail import deliver
from accounts.models import Account, AuditEntry, Brand, Membership, OutgoingMail, Role, User
from accounts.permissions import FINANCE, SALES, SUPPORT
from accounts.trail import Actor
from billing import quotes
from billing.models import Quote, QuoteState
from billing.quote_drafts import Details, compose_quote, copy_quote
from billing.quote_sending import send_quote
from billing.quote_walk import compare
from billing.tasks import expire
from hardware.shipments import Parcel, ship
from tests.billing.world import bill, price, product
from tests.conftest import PAGE_QUERIES
from tests.factories import AT, AccountFactory, BrandFactory, staff

pytestmark = pytest.mark.django_db

TODAY = AT.date()


@pytest.fixture
def brand() -> Brand:
    for code, amount in {"uc-licence": "30.00", "phone-desk-basic": "89.00", "shipping": "15.00"}.items():
        price(code, amount)
    found: Brand = BrandFactory(slug="harborline", accent="#7a3ec8")
    return found


@pytest.fixture
def seller(client: Client) -> User:
    found = staff(SALES)
    client.force_login(found)
    return found


@pytest.fixture
def draft(brand: Brand, seller: User) -> Quote:
    """Five licences and two phones with their way."""
    details = Details(
        brand=brand,
        company="Blue Harbor",
        contact_name="Ann Reyes",
        contact_email="ann@blueharbor.example",
        currency="USD",
        timezone="America/New_York",
        language="en-us",
        valid_until=TODAY + timedelta(days=20),
    )
    wanted = {"uc-licence": (5, "30"), "phone-desk-basic": (2, "89"), "shipping": (1, "15")}
    lines = {product(code): (units, Decimal(amount)) for code, (units, amount) in wanted.items()}
    return compose_quote(details, lines, actor=Actor(user=seller), at=AT)


@pytest.fixture
def sent(draft: Quote, seller: User) -> Quote:
    return send_quote(draft, actor=Actor(user=seller), at=AT)


def fields(**changes: Any) -> dict[str, Any]:
    """What a representative fills in."""
    return {
        "company": "Blue Harbor",
        "contact_name": "Ann Reyes",
        "contact_email": "ann@blueharbor.example",
        "brand": "harborline",
        "currency": "USD",
        "timezone": "America/New_York",
        "language": "en-us",
        "valid_until": (TODAY + timedelta(days=20)).isoformat(),
        "accepted_on": TODAY.isoformat(),
        "shipped_on": TODAY.isoformat(),
        "quantity-uc-licence": "5",
        **changes,
    }


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def of(quote: Quote, name: str = "offer") -> str:
    return reverse(f"offer:{name}", kwargs={"token": quote.token})


class TestSales:
    """The pages of the representative."""

    @pytest.fixture(autouse=True)
    def _now(self) -> Any:
        with travel(AT, tick=False):
            yield

    def test_there_is_a_group_of_its_own(self) -> None:
        assert Group.objects.filter(name=SALES).exists()

    def test_composes_at_the_list_price_or_the_agreed_one(
        self, client: Client, brand: Brand, seller: User
    ) -> None:
        """ORD-1, BIL-6: an empty price is that of the list."""
        sent = fields(**{"quantity-phone-desk-basic": "2", "price-phone-desk-basic": "75.5", "bdom": "28"})
        response = client.post(reverse("quotes:compose"), sent)
        quote = Quote.objects.get()
        assert response.headers["Location"] == reverse("quotes:quote", kwargs={"pk": quote.pk})
        lines = {line.product_id: (line.quantity, line.unit_price) for line in quote.lines.all()}
        assert lines == {"uc-licence": (5, Decimal(30)), "phone-desk-basic": (2, Decimal("75.5"))}
        assert (quote.state, quote.bdom, quote.created_by) == (QuoteState.DRAFT, 28, seller)
        assert AuditEntry.objects.get(target_kind="quote").action == "compose-quote"

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"company": ""}, "Enter the company"),
            ({"contact_email": "nobody"}, "Enter an e-mail address"),
            ({"bdom": "32"}, "Enter a day from 1 to 31"),
            ({"quantity-uc-licence": "-1"}, "Enter a whole number"),
            ({"price-uc-licence": "-1"}, "Enter an amount"),
            ({"brand": "nope"}, "Select a valid choice"),
        ],
    )
    def test_says_what_is_wrong_and_keeps_what_was_typed(
        self, client: Client, brand: Brand, seller: User, changes: dict[str, str], told: str
    ) -> None:
        response = client.post(reverse("quotes:compose"), fields(**changes))
        assert response.status_code == 400
        assert told in response.content.decode()
        assert not Quote.objects.exists()

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_the_first_invoices_stand_beside_the_form(
        self, client: Client, brand: Brand, seller: User, method: str
    ) -> None:
        """BIL-10: with script the fields are sent along, without it by a button; nothing is saved."""
        response = getattr(client, method)(
            reverse("quotes:compose"), fields(company="", forecast="1", contact_email="")
        )
        assert response.status_code == 200
        assert "Invoice 3," in text_of(response)
        assert not Quote.objects.exists()
        assert not Account.objects.exists()

    def test_is_sent_with_its_link(self, client: Client, draft: Quote) -> None:
        """ORD-1: to the contact, by the brand, who has no account yet."""
        client.post(reverse("quotes:send", kwargs={"pk": draft.pk}))
        mail = OutgoingMail.objects.get()
        assert (mail.account, mail.brand, mail.to) == (None, draft.brand, "ann@blueharbor.example")
        assert quotes.url_of(draft) in mail.text
        assert "$150.00 a month and $193.00 once" in mail.text
        assert Quote.objects.get().state == QuoteState.SENT

    def test_is_sent_on_paper_too(self, sent: Quote, mailoutbox: list[EmailMessage]) -> None:
        """ORD-1: as a link and as a PDF, which has the day on which it was sent."""
        assert deliver(OutgoingMail.objects.get().pk, lambda: AT)
        (attached,) = mailoutbox[0].attachments
        name, content, kind = attached
        assert (name, kind) == (f"{sent.number}.pdf", "application/pdf")
        assert bytes(content).startswith(b"%PDF-")

    def test_a_message_says_what_went_with_it(self, sent: Quote) -> None:
        clerk = Client()
        clerk.force_login(staff(SUPPORT))
        pk = OutgoingMail.objects.get().pk
        assert (
            f"{sent.number}.pdf"
            in clerk.get(reverse("staff:mail-message", kwargs={"pk": pk})).content.decode()
        )

    def test_a_day_that_is_over_is_said_by_its_field(
        self, client: Client, brand: Brand, seller: User
    ) -> None:
        """ORD-1: at once, and not when it is sent."""
        for day in (TODAY - timedelta(days=3), TODAY + timedelta(days=3650)):
            answer = client.post(reverse("quotes:compose"), fields(valid_until=day.isoformat()))
            assert answer.status_code == 400
            assert "Enter a day from today on, within two years." in answer.content.decode()

    def test_the_file_asks_no_more_for_more_quotes(
        self, client: Client, sent: Quote, seller: User, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(8):
            copy_quote(sent, actor=Actor(user=seller), at=AT)
        with django_assert_max_num_queries(PAGE_QUERIES):
            assert b"".join(client.get(reverse("quotes:quotes-csv"))).count(b"150.00,193.00") == 9

    def test_sent_it_is_not_edited_and_not_sent_again(self, client: Client, sent: Quote) -> None:
        """ORD-1."""
        for name in ("edit", "send"):
            client.post(reverse(f"quotes:{name}", kwargs={"pk": sent.pk}), fields(company="Other"))
        assert Quote.objects.get().company == "Blue Harbor"
        assert OutgoingMail.objects.count() == 1

    def test_a_draft_is_edited_and_copied(self, client: Client, draft: Quote, seller: User) -> None:
        client.post(reverse("quotes:edit", kwargs={"pk": draft.pk}), fields(company="Bluer Harbor"))
        edited = Quote.objects.get()
        assert (edited.company, edited.lines.count()) == ("Bluer Harbor", 1)
        copied = copy_quote(edited, actor=Actor(user=seller), at=AT)
        assert (copied.company, copied.state, copied.lines.count()) == ("Bluer Harbor", "draft", 1)

    def test_is_found_in_the_list(self, client: Client, sent: Quote) -> None:
        for query, is_there in (("?q=harbor", True), (f"?q={sent.number}", True), ("?state=draft", False)):
            answer = client.get(reverse("quotes:quotes") + query).content.decode()
            assert ("Blue Harbor" in answer) is is_there, query
        file = b"".join(client.get(reverse("quotes:quotes-csv"))).decode()
        assert "150.00,193.00" in file

    def test_an_owner_who_could_not_be_made_is_told(self, client: Client, sent: Quote) -> None:
        """ORD-2: the account is open, and its representative sees what is missing."""
        User.objects.create_user(sent.contact_email, full_name="Ann", is_active=False)
        quotes.accept_quote(sent, by="Ann", actor=Actor.for_task("tests"), at=AT)
        answer = text_of(client.get(reverse("quotes:quote", kwargs={"pk": sent.pk})))
        assert "The account has no owner yet." in answer
        assert "switched off" in answer

    def test_others_of_the_staff_find_nothing(self, sent: Quote) -> None:
        """ACC-3."""
        other = Client()
        other.force_login(staff(FINANCE))
        assert other.get(reverse("quotes:quote", kwargs={"pk": sent.pk})).status_code == 404
        assert other.post(reverse("quotes:send", kwargs={"pk": sent.pk})).status_code == 404


class TestCustomer:
    """The page that opens by its link."""

    @pytest.fixture(autouse=True)
    def _now(self) -> Any:
        with travel(AT, tick=False):
            yield

    def test_says_what_is_offered_and_nobody_lists_it(self, sent: Quote) -> None:
        """ORD-1: without signing in, under the brand, for nobody else's eyes."""
        response = Client().get(of(sent))
        told = text_of(response)
        for words in ("Auto attendant, complimentary", "$150.00 a month", "$193.00 once", "Invoice 1,"):
            assert words in told
        assert "brand/harborline.css" in response.content.decode()
        assert response.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert "no-store" in response.headers["Cache-Control"]
        assert Client().get(of(sent, "pdf")).content.startswith(b"%PDF-")

    def test_what_was_not_sent_is_not_there(self, draft: Quote) -> None:
        """ORD-1: nor is a token that nobody gave out."""
        assert Client().get(of(draft)).status_code == 404
        assert Client().post(of(draft, "accept"), {"by": "Ann"}).status_code == 404
        assert Client().get(of(draft).replace(draft.token, "x" * 32)).status_code == 404

    def test_accepts_and_is_let_in(self, sent: Quote) -> None:
        """ORD-1, ORD-2: the account opens, and a message has the way in."""
        response = Client().post(of(sent, "accept"), {"by": "Ann\r\nReyes"}, follow=True)
        quote = Quote.objects.select_related("account").get()
        assert (quote.state, quote.decided_by) == (QuoteState.ACCEPTED, "Ann Reyes")
        assert "What happens next" in text_of(response)
        assert Membership.objects.get(account=quote.account).role == Role.OWNER
        mail = OutgoingMail.objects.get(kind="quote-accepted")
        link = re.search(r"https?://\S+/set-password/\S+|https?://\S+password\S+", mail.text)
        assert link is not None
        assert mail.to == "ann@blueharbor.example"

    def test_accepts_once(self, sent: Quote) -> None:
        """ORD-1: a second time and from another tab it is said in words, and nothing changes."""
        Client().post(of(sent, "accept"), {"by": "Ann"})
        for name, data in (("accept", {"by": "Bea"}), ("decline", {"decline-by": "Bea"})):
            response = Client().post(of(sent, name), data)
            assert response.status_code == 400
            assert "was accepted before. Nothing was changed." in text_of(response)
        assert Account.objects.count() == 1

    def test_not_without_a_name(self, sent: Quote) -> None:
        for name in ("accept", "decline"):
            assert Client().post(of(sent, name), {"by": " "}).status_code == 400
        assert Quote.objects.get().state == QuoteState.SENT

    def test_declines_with_a_reason(self, sent: Quote) -> None:
        Client().post(of(sent, "decline"), {"decline-by": "Ann", "decline-reason": "Too dear"})
        quote = Quote.objects.get()
        assert (quote.state, quote.decided_by, quote.decline_reason) == ("declined", "Ann", "Too dear")

    def test_a_forged_answer_is_refused(self, sent: Quote) -> None:
        """From a page of somebody else nothing is accepted."""
        forger = Client(enforce_csrf_checks=True)
        assert forger.post(of(sent, "accept"), {"by": "Ann"}).status_code == 403
        assert Quote.objects.get().state == QuoteState.SENT

    def test_too_late_it_is_over(self, sent: Quote) -> None:
        """ORD-1: on the page at once, in its state by the task."""
        with travel(AT + timedelta(days=22), tick=False):
            assert "This quote is over." in text_of(Client().get(of(sent)))
            response = Client().post(of(sent, "accept"), {"by": "Ann"})
            assert "Ask for a new one. Nothing was changed." in text_of(response)
            expire()
            assert Quote.objects.get().state == QuoteState.EXPIRED


class TestWalk:
    """ORD-4: the quote against the first invoice."""

    def test_adds_up_as_a_preview_and_as_issued(self, sent: Quote, seller: User) -> None:
        """ORD-4: a phone that has not shipped and a partial month, named; the same before and after it is issued."""
        actor = Actor.for_task("tests")
        quote = quotes.accept_quote(sent, by="Ann", actor=actor, at=AT)
        assert quote.account is not None
        assert quote.order is not None
        phones = quote.order.lines.select_related("order__account", "product").get(product="phone-desk-basic")
        ship(quote.order, [Parcel(phones, 1)], actor=actor, at=AT + timedelta(days=3))
        with travel(AT + timedelta(days=4), tick=False):
            before = compare(quote, quote.account)
        assert before.invoice is None
        assert before.walk.quoted + sum(step.amount for step in before.walk.steps) == before.walk.invoiced
        told = {(str(step.difference), step.product): step.amount for step in before.walk.steps}
        assert told["not-shipped", "phone-desk-basic"] == -89
        assert told["proration", "uc-licence"] > 0
        assert len(told) == 2
        bill(quote.account, f"{before.on:%m-%d}")
        after = compare(quote, quote.account)
        assert after.invoice is not None
        assert after.walk == before.walk
        # What ships later does not change what the first invoice was.
        ship(quote.order, [Parcel(phones, 1)], actor=actor, at=AT + timedelta(days=45))
        assert compare(quote, quote.account).walk == before.walk

    def test_each_difference_links_to_its_rule(self, sent: Quote, seller: User) -> None:
        """ORD-4: for the account's own people, on a page that Billing leads to."""
        with travel(AT, tick=False):
            quote = quotes.accept_quote(sent, by="Ann", actor=Actor.for_task("tests"), at=AT)
            owner = Client()
            owner.force_login(User.objects.get(email=sent.contact_email))
            assert quote.account is not None
            url = reverse("billing:quote", kwargs={"account": quote.account.slug})
            overview = owner.get(reverse("billing:overview", kwargs={"account": quote.account.slug}))
            assert url in overview.content.decode()
            answer = owner.get(url)
            assert "2 units had not shipped" in text_of(answer)
            assert "/help/billing/#BIL-4" in answer.content.decode()

    def test_an_account_without_a_quote_has_no_such_page(self, seller: User, client: Client) -> None:
        account = AccountFactory()
        assert client.get(reverse("billing:quote", kwargs={"account": account.slug})).status_code == 404
