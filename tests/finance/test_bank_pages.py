"""INV-6: the bank's file on finance's pages: a look at each line, booking, and the lines that wait for a person."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, AuditEntry
from billing.models import BankFile, BankLine, Invoice, Payment
from tests.finance.conftest import Rows

UPLOAD = "/finance/bank/import/"
HEADER = "date,amount,currency,payer,text,id"
ROWS = (
    "2026-02-20,185.00,USD,Northwind,Invoice CP-000001,b-1",
    "2026-02-21,185.00,USD,Northwind,CP-000001 again,b-2",
    "2026-02-21,9.99,USD,Somebody,thank you,b-3",
    "2026-02-21,x,USD,Somebody,thank you,b-4",
)

OpensCheaply = Callable[[Client, str], HttpResponseBase]


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 3, 2, 15, tzinfo=UTC), tick=False):
        yield


def text(response: Any) -> str:
    return str(response.content.decode())


def send(client: Client, *rows: str) -> str:
    """Choose a file; the address of the look at it."""
    content = "\n".join([HEADER, *rows]).encode()
    answer = client.post(UPLOAD, {"file": SimpleUploadedFile("march.csv", content)})
    assert answer.status_code == 302
    return answer.headers["Location"]


@pytest.fixture
def taken(finance: Client, account: Account) -> BankFile:
    """The file of ROWS, taken in."""
    finance.post(send(finance, *ROWS))
    return BankFile.objects.get()


def test_each_line_is_looked_at_before_anything_is_booked(finance: Client, account: Account) -> None:
    review = send(finance, *ROWS)
    page = finance.get(review)
    assert page.context["counts"] == {"matched": 1, "waiting": 2, "known": 0, "refused": 1}
    for words in (
        "Book 1 transfer",
        "By CP-000001 and what is open of it",
        "paid by a line above",
        "not an amount",
    ):
        assert words in text(page)
    assert not Payment.objects.exists()
    assert not BankLine.objects.exists()
    shown = finance.get(review, {"kind": "refused"}).context["rows"]
    assert [verdict.line for verdict, *_ in shown] == [5]


def test_booking_takes_what_is_matched_and_keeps_the_rest(finance: Client, taken: BankFile) -> None:
    assert [(line.key, line.state) for line in taken.lines.order_by("line")] == [
        ("b-1", "booked"),
        ("b-2", "waiting"),
        ("b-3", "waiting"),
    ]
    assert Invoice.objects.get(number="CP-000001").state == "paid"
    entry = AuditEntry.objects.get(action="receive-payment")
    assert entry.by == "fiona@provider.example"
    page = text(finance.get(f"/finance/bank/files/{taken.pk}/"))
    assert "Refused lines" in page
    assert "2 transfers wait" in text(finance.get("/finance/bank/"))


def test_the_same_file_again_books_nothing(finance: Client, taken: BankFile) -> None:
    review = send(finance, *ROWS[:3])
    assert "The panel has all of these transfers already" in text(finance.get(review))
    answer = finance.post(review)
    assert answer.status_code == 400
    assert "all of these lines already" in text(answer)
    assert (BankFile.objects.count(), Payment.objects.count()) == (1, 1)


def test_a_file_that_cannot_be_read_says_why(finance: Client, account: Account) -> None:
    answer = finance.post(UPLOAD, {"file": SimpleUploadedFile("x.csv", b"a,b\n1,2\n")})
    page = finance.get(answer.headers["Location"])
    assert page.status_code == 400
    assert "no column date" in text(page)
    assert "Choose a file" in text(finance.post(UPLOAD, {}))
    assert "is empty" in text(finance.post(UPLOAD, {"file": SimpleUploadedFile("x.csv", b"")}))


def test_a_file_of_somebody_else_or_gone_is_asked_for_again(
    finance: Client, support: Client, account: Account
) -> None:
    review = send(finance, *ROWS)
    assert support.get(review).status_code == 404
    digest = review.rstrip("/").rpartition("/")[2]
    gone = finance.get(review.replace(digest, "0" * 64))
    assert gone.headers["Location"] == UPLOAD


def test_the_look_at_a_file_as_a_file(finance: Client, account: Account) -> None:
    review = send(finance, *ROWS)
    answer: Any = finance.get(f"{review}lines.csv", {"kind": "matched"})
    found = b"".join(answer.streaming_content).decode().splitlines()
    assert found[0] == f"{HEADER},line,verdict,field,account,reason"
    assert "2,matched,,northwind,By CP-000001" in found[1]
    sample: Any = finance.get("/finance/bank/sample.csv")
    assert b"".join(sample.streaming_content).decode().splitlines()[0] == HEADER


def test_unmatched_ones_are_listed_searched_and_exported(
    finance: Client, taken: BankFile, file_of: Callable[..., Rows]
) -> None:
    def keys(**query: str) -> list[str]:
        return [line.key for line, _ in finance.get("/finance/bank/lines/", query).context["rows"]]

    assert keys() == ["b-3", "b-2"]
    assert keys(q="somebody") == ["b-3"]
    assert keys(state="booked") == ["b-1"]
    assert keys(state="all", sort="amount") == ["b-3", "b-1", "b-2"]
    assert keys(first="2026-02-22") == []
    assert [row["id"] for row in file_of("bank/lines")] == ["b-3", "b-2"]


def test_a_line_is_assigned_after_a_look_at_what_it_settles(
    finance: Client, taken: BankFile, account: Account, elsewhere: Account
) -> None:
    line = BankLine.objects.get(key="b-2")
    page = finance.get(f"/finance/bank/lines/{line.pk}/", {"q": "north"})
    assert [each.account for each, _ in page.context["accounts"]] == [account]
    url = f"/finance/bank/lines/{line.pk}/assign/northwind/"
    look = finance.get(url)
    assert [(str(share.invoice), share.amount) for share in look.context["foreseen"].shares] == [
        ("CP-000002", 155)
    ]
    assert look.context["foreseen"].credit == 30
    wrong = finance.post(f"/finance/bank/lines/{line.pk}/assign/praha/")
    assert (wrong.status_code, "pays in EUR" in text(wrong)) == (400, True)
    done = finance.post(url)
    payment = Payment.objects.latest("pk")
    assert done.headers["Location"] == f"/finance/payments/{payment.pk}/"
    assert (payment.amount, payment.left) == (Decimal(185), Decimal(30))
    assert finance.post(url).status_code == 400
    assert Payment.objects.count() == 2


def test_accounts_with_an_invoice_of_that_amount_are_offered(finance: Client, account: Account) -> None:
    finance.post(send(finance, "2026-02-21,155.00,USD,Somebody,no number,b-9"))
    line = BankLine.objects.get()
    (found,) = finance.get(f"/finance/bank/lines/{line.pk}/").context["accounts"]
    assert (found[0].account, found[0].is_equal) == (account, True)


def test_a_line_is_dismissed_with_a_reason_and_taken_up_again(finance: Client, taken: BankFile) -> None:
    line = BankLine.objects.get(key="b-3")
    url = f"/finance/bank/lines/{line.pk}/dismiss/"
    assert "Say why" in text(finance.post(url, {"reason": ""}))
    finance.post(url, {"reason": "Interest"})
    assert BankLine.objects.get(key="b-3").state == "dismissed"
    assert "dealt with already" in text(finance.post(url, {"reason": "Again"}))
    finance.post(f"/finance/bank/lines/{line.pk}/take-up/")
    assert BankLine.objects.get(key="b-3").state == "waiting"
    entry = AuditEntry.objects.get(action="dismiss-bank-line")
    assert "Interest" in entry.summary


def test_pages_of_many_lines_cost_no_more_queries(
    finance: Client, account: Account, opens_cheaply: OpensCheaply
) -> None:
    rows = [f"2026-02-21,{place}.00,USD,Somebody,CP {place % 3},b-{place}" for place in range(1, 300)]
    review = send(finance, *rows)
    opens_cheaply(finance, review)
    finance.post(review)
    file = BankFile.objects.get()
    opens_cheaply(finance, "/finance/bank/")
    opens_cheaply(finance, f"/finance/bank/files/{file.pk}/")
    opens_cheaply(finance, "/finance/bank/lines/")
    opens_cheaply(finance, f"/finance/bank/lines/{BankLine.objects.latest('pk').pk}/")


def test_thousands_of_lines_are_judged_in_seconds(finance: Client, account: Account) -> None:
    rows = [f"2026-02-21,{place}.00,USD,Somebody,CP {place},k-{place}" for place in range(1, 5001)]
    review = send(finance, *rows)
    page = finance.get(review)
    assert page.context["total"] == 5000
    assert sum(page.context["counts"].values()) == 5000
    assert page.context["counts"]["matched"] == 0, "no line is of what is open of the invoice that it names"
