"""ORD-1: a quote on paper."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import typst

from accounts.permissions import SALES
from accounts.trail import Actor
from billing import quote_pdf
from billing.models import Quote
from billing.quote_drafts import Details, compose_quote
from tests.billing.world import price, product
from tests.factories import AT, BrandFactory, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def quote() -> Quote:
    """Five licences and a phone, for a company whose name means something to a typesetter."""
    price("uc-licence", "30.00")
    details = Details(
        brand=BrandFactory(),
        company="Blue *Harbor* #panic() $x$",
        contact_name="Ann Reyes",
        contact_email="ann@blueharbor.example",
        currency="USD",
        timezone="America/New_York",
        language="en-us",
        valid_until=date(2026, 12, 31),
        terms="Net 14 days.\n#read(file)",
    )
    lines = {product("uc-licence"): (5, Decimal(30)), product("phone-desk-basic"): (1, Decimal(89))}
    return compose_quote(details, lines, actor=Actor(user=staff(SALES)), at=AT)


def test_it_is_a_pdf_with_the_totals(quote: Quote, monkeypatch: pytest.MonkeyPatch) -> None:
    """ORD-1: what is set holds the sums and the first invoices, and what people typed is text."""
    given: list[dict[str, str]] = []
    compile_it: Any = typst.compile

    def watched(*args: Any, sys_inputs: dict[str, str], **kwargs: Any) -> Any:
        given.append(sys_inputs)
        return compile_it(*args, sys_inputs=sys_inputs, **kwargs)

    monkeypatch.setattr(typst, "compile", watched)
    assert quote_pdf.quote_pdf(quote, AT).startswith(b"%PDF-")
    (words,) = given
    assert '"begins": "billed after 7 free days"' in words["quote"]
    for told in ('"monthly_sum": "$150.00"', '"once_sum": "$89.00"', "Auto attendant, complimentary"):
        assert told in words["quote"]
    assert words["quote"].count('"total":') == 3
