"""NUM-1: what a number says of itself."""

import pytest

from accounts.refusals import Refused
from telephony.numbering import read_number


@pytest.mark.parametrize(
    ("typed", "e164", "kind", "country", "region"),
    [
        ("+1 212 555 0100", "+12125550100", "local", "US", "NY"),
        ("(808) 555-0100", "+18085550100", "local", "US", "HI"),
        ("+1 416 555 0100", "+14165550100", "local", "CA", "ON"),
        ("+1 787 555 0100", "+17875550100", "local", "US", "PR"),
        ("+1 800 555 0100", "+18005550100", "toll-free", "US", ""),
        ("1-888-555-0100", "+18885550100", "toll-free", "US", ""),
        ("+44 20 7946 0018", "+442079460018", "local", "GB", ""),
        ("+44 800 123 4567", "+448001234567", "toll-free", "GB", ""),
        ("+31 20 123 4567", "+31201234567", "local", "NL", ""),
        ("+800 1234 5678", "+80012345678", "toll-free", "", ""),
    ],
)
def test_kind_country_and_region_come_from_the_number(
    typed: str, e164: str, kind: str, country: str, region: str
) -> None:
    """NUM-1."""
    found = read_number(typed)
    assert (found.e164, found.kind, found.country) == (e164, kind, country)
    if region:
        assert found.region.startswith(region)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "hello",
        "12",
        "+1",
        "+1212555010",
        "+999 123",
        "212 555 0100 ext. 5",
        "+1212555010000000",
        "٣",
        "555 0100",
        "+1 555 0100",
        "+1 012 555 0100",
        "+1 112 555 0100",
    ],
)
def test_what_is_no_number_is_refused(typed: str) -> None:
    """NUM-1."""
    with pytest.raises(Refused, match="is not a phone number") as refused:
        read_number(typed)
    assert (refused.value.rule, refused.value.field) == ("NUM-1", "number")
