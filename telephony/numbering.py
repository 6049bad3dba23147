"""Reads phone numbers: the E.164 form, the kind, the country and the region of a number (NUM-1)."""

from __future__ import annotations

from typing import NamedTuple

import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)

from accounts.refusals import Refused
from telephony.models import NumberKind
from telephony.nanp import REGIONS, TOLL_FREE


class Numbering(NamedTuple):
    """What a number says of itself. `area_code` and `region` are empty outside North America."""

    e164: str
    kind: NumberKind
    country: str
    region: str
    area_code: str


def read_number(typed: str, *, country: str = "US") -> Numbering:
    """The number that a person typed, in national form (of `country`) or international form.

    Raises Refused where it is no phone number.
    """
    try:
        parsed = phonenumbers.parse(typed, country)
    except NumberParseException:
        parsed = None
    if parsed is None or parsed.extension or not _is_whole(parsed):
        raise Refused(
            f"“{typed}” is not a phone number. Use a form like +1 212 555 0100.",
            rule="NUM-1",
            field="number",
        )
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if parsed.country_code == 1:
        area_code = e164[2:5]
        region_country, region = REGIONS.get(area_code, ("", ""))
        kind = NumberKind.TOLL_FREE if area_code in TOLL_FREE else NumberKind.LOCAL
        found = region_country or phonenumbers.region_code_for_number(parsed) or country
        return Numbering(e164, kind, found, region, area_code)
    is_free = phonenumbers.number_type(parsed) == PhoneNumberType.TOLL_FREE
    region_code = phonenumbers.region_code_for_number(parsed)
    # Numbers of no country, such as +800, are of a region that is called 001.
    found = region_code if region_code and region_code.isalpha() else ""
    return Numbering(e164, NumberKind.TOLL_FREE if is_free else NumberKind.LOCAL, found, "", "")


def _is_whole(number: PhoneNumber) -> bool:
    """Whether it could ring from anywhere: with its area code, which in North America begins with 2 to 9."""
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return False
    return number.country_code != 1 or str(number.national_number)[0] not in "01"
