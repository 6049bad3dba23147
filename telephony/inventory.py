"""Fills a brand's inventory: the numbers that its accounts can pick from by area code (NUM-1)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from accounts.models import Brand
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.explain import label_words
from telephony.models import InventoryNumber, Number, NumberState
from telephony.numbering import read_number

MOST_IN_A_BLOCK = 10_000


class Block(NamedTuple):
    """What came of a block: how many numbers were added, and how many are somewhere already."""

    added: int
    skipped: int


def add_block(brand: Brand, first: str, count: int, *, actor: Actor, at: datetime) -> Block:
    """Put `count` numbers in a row, from `first` on, into a brand's inventory.

    Numbers that lie in an inventory or are in use are left out. Raises Refused where the first is no
    number, the count is not from 1 to 10,000, or the row runs out of its area code.
    """
    if not 1 <= count <= MOST_IN_A_BLOCK:
        raise Refused(f"A block has 1 to {MOST_IN_A_BLOCK:,} numbers.", field="count")
    beginning = read_number(first)
    last = f"+{int(beginning.e164[1:]) + count - 1}"
    ending = read_number(last)
    if (ending.area_code, ending.country) != (beginning.area_code, beginning.country):
        raise Refused(
            f"{count:,} numbers from {label_words(beginning.e164)} on run out of its area code. "
            "Add fewer. Nothing was changed.",
            rule="NUM-1",
            field="count",
        )
    block = [f"+{value}" for value in range(int(beginning.e164[1:]), int(last[1:]) + 1)]
    with transaction.atomic():
        listed = InventoryNumber.objects.filter(e164__gte=block[0], e164__lte=block[-1])
        live = Number.objects.filter(e164__gte=block[0], e164__lte=block[-1], space="").exclude(
            state=NumberState.RELEASED
        )
        taken = {*listed.values_list("e164", flat=True), *live.values_list("e164", flat=True)}
        fresh = [
            InventoryNumber(
                brand=brand,
                e164=e164,
                area_code=beginning.area_code,
                kind=beginning.kind,
                region=beginning.region,
            )
            for e164 in block
            if e164 not in taken
        ]
        InventoryNumber.objects.bulk_create(fresh, batch_size=1000)
        if fresh:
            record(
                None,
                "add-inventory",
                brand,
                f"{len(fresh):,} numbers from {fresh[0].e164} on put into the inventory of {brand}",
                actor=actor,
                at=at,
                after={"first": fresh[0].e164, "last": fresh[-1].e164, "count": len(fresh)},
            )
    return Block(len(fresh), count - len(fresh))
