"""BIL-8 over whole stories: whatever happens during an outage, the invoices are those of a panel that never stopped."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.simulate import as_json, simulate
from billing.stories import read
from tests.properties import examples
from tests.stories.test_naive import stories, stories_of_usage


@st.composite
def stories_with_outages(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A story, and the same with an outage or two that are over when it ends."""
    told = draw(st.one_of(stories(), stories_of_usage()))
    length = (told["until"] - told["account"]["opened"]).days
    outages = []
    for _ in range(draw(st.integers(1, 2))):
        begins = draw(st.integers(0, length))
        ends = draw(st.integers(begins, length))
        opened = told["account"]["opened"]
        outages.append(
            {"do": "outage", "on": opened + timedelta(days=begins), "until": opened + timedelta(days=ends)}
        )
    return told, told | {"events": told["events"] + outages}


@pytest.mark.django_db
@examples(20)
@given(stories_with_outages())
def test_an_outage_changes_no_invoice(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """BIL-8: same dates, same lines, same reasons, and the same refusals."""
    without, with_outage = (as_json(simulate(read(told))) for told in pair)
    assert with_outage == without
