"""Names for the people of the demo, in an order that is the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from unicodedata import normalize
from zlib import crc32

FIRST: Final = (
    "Amara Ben Carla Dmitri Elena Farid Grace Hugo Imani Jonas Keiko Liam Mei Noor Oscar Paula Quentin "
    "Rosa Samir Tessa Ugo Vera Wesley Ximena Yusuf Zoe Anders Bianca Caleb Dalia Ewan Fatima Gabriel "
    "Hannah Ivan Jasmine Kofi Leila Marcus Naomi Omar Petra Ruben Sofia Tomas Uma Victor Willa Yara Zane "
    "Aiden Beatriz Cyrus Delphine Emeka Freya Gwen Hector Isla Javier Kira Lorenzo Maya Nils Odette Pavel "
    "Renee Stellan Thandi Valeria"
)
LAST: Final = (
    "Abbott Becker Castillo Drummond Ellison Farrow Grant Haddad Ibarra Jansen Keller Lindqvist Moreau "
    "Nakamura Okafor Park Quigley Rahman Silva Thornton Ueda Varga Whitaker Xu Yilmaz Zeller Ashby Bianchi "
    "Cho Delgado Eriksen Fontaine Greer Holloway Ivers Joshi Kowalski Lambert Mbeki Novak Osborne Pereira "
    "Reyes Sato Tran Underwood Vance Weiss Yates Zamora Archer Bose Crowley Dvorak Espinoza Fischer Galvin "
    "Hale Iqbal Jensen Kaplan Lowell Marsh Nolan Ortega Pryce Rossi Sandoval Talbot"
)
# A prime that divides no number of pairs, so that the walk meets each pair once.
STRIDE: Final = 1733


def names(seed: str) -> Iterator[str]:
    """Some thousand full names, no two the same; each seed begins elsewhere."""
    first, last = FIRST.split(), LAST.split()
    pairs = len(first) * len(last)
    begin = crc32(seed.encode())
    for step in range(pairs):
        place = (begin + step * STRIDE) % pairs
        yield f"{first[place // len(last)]} {last[place % len(last)]}"


def address_of(name: str, domain: str) -> str:
    """The e-mail address that a person of this name has at a domain."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode()
    return f"{plain.lower().replace(' ', '.')}@{domain}"
