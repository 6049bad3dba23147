"""Emergency (E911) addresses: tidied, and looked through for what a dispatcher could not use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import phonenumbers
from babel import Locale

US_REGIONS: Final = {
    "AL": "Alabama",
    "AK": "Alaska",
    "AZ": "Arizona",
    "AR": "Arkansas",
    "CA": "California",
    "CO": "Colorado",
    "CT": "Connecticut",
    "DE": "Delaware",
    "DC": "District of Columbia",
    "FL": "Florida",
    "GA": "Georgia",
    "HI": "Hawaii",
    "ID": "Idaho",
    "IL": "Illinois",
    "IN": "Indiana",
    "IA": "Iowa",
    "KS": "Kansas",
    "KY": "Kentucky",
    "LA": "Louisiana",
    "ME": "Maine",
    "MD": "Maryland",
    "MA": "Massachusetts",
    "MI": "Michigan",
    "MN": "Minnesota",
    "MS": "Mississippi",
    "MO": "Missouri",
    "MT": "Montana",
    "NE": "Nebraska",
    "NV": "Nevada",
    "NH": "New Hampshire",
    "NJ": "New Jersey",
    "NM": "New Mexico",
    "NY": "New York",
    "NC": "North Carolina",
    "ND": "North Dakota",
    "OH": "Ohio",
    "OK": "Oklahoma",
    "OR": "Oregon",
    "PA": "Pennsylvania",
    "RI": "Rhode Island",
    "SC": "South Carolina",
    "SD": "South Dakota",
    "TN": "Tennessee",
    "TX": "Texas",
    "UT": "Utah",
    "VT": "Vermont",
    "VA": "Virginia",
    "WA": "Washington",
    "WV": "West Virginia",
    "WI": "Wisconsin",
    "WY": "Wyoming",
    "AS": "American Samoa",
    "GU": "Guam",
    "MP": "Northern Mariana Islands",
    "PR": "Puerto Rico",
    "VI": "US Virgin Islands",
}
CA_REGIONS: Final = {
    "AB": "Alberta",
    "BC": "British Columbia",
    "MB": "Manitoba",
    "NB": "New Brunswick",
    "NL": "Newfoundland and Labrador",
    "NS": "Nova Scotia",
    "NT": "Northwest Territories",
    "NU": "Nunavut",
    "ON": "Ontario",
    "PE": "Prince Edward Island",
    "QC": "Quebec",
    "SK": "Saskatchewan",
    "YT": "Yukon",
}
REGIONS: Final = {"US": US_REGIONS, "CA": CA_REGIONS}
# As parts of an address in the United States, not as countries, so that each is written in one way.
_TERRITORIES: Final = frozenset({"AS", "GU", "MP", "PR", "VI"})

_ZIP: Final = re.compile(r"(\d{5})-?(\d{4})?", re.ASCII)
_CANADIAN: Final = re.compile(
    r"([ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z])[ -]?(\d[ABCEGHJ-NPRSTV-Z]\d)", re.ASCII
)
_ANY_CODE: Final = re.compile(r"[A-Z0-9][A-Z0-9 -]{1,14}", re.ASCII)
_BOX: Final = re.compile(r"\b(?:p\.?\s*o\.?\s*box|post\s+office\s+box|postbus|postfach)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Where help is to come. `region` and `country` are two-letter codes where the country is the US or Canada."""

    street: str
    city: str
    region: str
    postal_code: str
    country: str = "US"

    @property
    def words(self) -> str:
        """The address in one line, as far as it is known; the country is named where it is not the US."""
        place = " ".join(filter(None, (self.region, self.postal_code)))
        country = "" if self.country == "US" else country_name(self.country)
        parts = [self.street, self.city, place]
        return ", ".join(filter(None, [*parts, country if any(parts) else ""]))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of an address, in a sentence."""

    field: str
    message: str


@lru_cache(maxsize=1)
def countries() -> dict[str, str]:
    """The countries by code, in the order of their English names."""
    names = Locale("en").territories
    codes = phonenumbers.SUPPORTED_REGIONS - _TERRITORIES
    return dict(sorted(((code, str(names.get(code, code))) for code in codes), key=lambda pair: pair[1]))


def country_name(code: str) -> str:
    """A country's English name, or its code where there is none."""
    return countries().get(code, code)


def tidy(address: Address) -> Address:
    """The address as it is kept: codes in capitals, California as CA, one space between words."""
    country = address.country.strip().upper()
    region = _one_line(address.region)
    known = REGIONS.get(country, {})
    by_name = {name.casefold(): code for code, name in known.items()}
    return Address(
        street=_one_line(address.street),
        city=_one_line(address.city),
        region=by_name.get(region.casefold(), region.upper()) if known else region,
        postal_code=_tidy_code(_one_line(address.postal_code).upper(), country),
        country=country,
    )


def faults_of(address: Address) -> list[Fault]:
    """What keeps a tidied address from being one that help could be sent to; empty where nothing does.

    The United States and Canada have their states and postal codes checked, other countries loosely.
    """
    return [*_faults_of_street(address), *_faults_of_place(address)]


def is_complete(address: Address) -> bool:
    """Whether no part is missing that the country needs."""
    needed = [address.street, address.city, address.country]
    if address.country in REGIONS:
        needed += [address.region, address.postal_code]
    return all(needed)


def _faults_of_street(address: Address) -> Iterator[Fault]:
    if not address.street:
        yield Fault("street", "Enter the street and the house number, where help has to come.")
    elif _BOX.search(address.street):
        yield Fault("street", "Nobody can be found at a post-office box. Enter the street of the building.")
    elif address.country in REGIONS and not re.search(r"\d", address.street):
        yield Fault("street", "Enter the house number too, like 1 Main Street.")
    if not address.city:
        yield Fault("city", "Enter the city.")


def _faults_of_place(address: Address) -> Iterator[Fault]:
    if address.country not in countries():
        yield Fault("country", "Choose a country.")
        return
    known = REGIONS.get(address.country)
    if known is None:
        if address.postal_code and not _ANY_CODE.fullmatch(address.postal_code):
            yield Fault("postal_code", "A postal code has letters, digits, spaces and hyphens.")
        return
    kind, example = ("state", "MA") if address.country == "US" else ("province", "ON")
    if address.region not in known:
        said = f"“{address.region}” is no {kind} here. " if address.region else ""
        yield Fault("region", f"{said}Enter the {kind}, like {example} or {known[example]}.")
    form, code = (_ZIP, "02110 or 02110-1234") if address.country == "US" else (_CANADIAN, "K1A 0B1")
    if not form.fullmatch(address.postal_code):
        yield Fault("postal_code", f"Enter a postal code like {code}.")


def _tidy_code(code: str, country: str) -> str:
    if country == "US" and (found := _ZIP.fullmatch(code)):
        return "-".join(filter(None, found.groups()))
    if country == "CA" and (found := _CANADIAN.fullmatch(code)):
        return " ".join(found.groups())
    return code


def _one_line(text: str) -> str:
    return " ".join(text.split())
