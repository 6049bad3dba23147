"""What the warehouse tells: a parcel typed by hand, or a file of what has left (ORD-5, ORD-6).

A file is CSV in UTF-8 of up to 1,000 rows. Its first line names the columns, in any order. Each row is judged
first; all of them are recorded, or none.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import transaction

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.charges import open_ledger
from billing.models import Family, Order, OrderLine, OrderLineState, Product
from hardware.macs import written_mac
from hardware.models import Device, ProductFamily, Shipment, ShippedUnits
from hardware.shipments import Parcel, Unit, ship

COLUMNS: Final = ("order", "product", "quantity", "mac", "serial", "carrier", "tracking")
OWN_COLUMNS: Final = ("line", "reason")
MOST_ROWS: Final = 1_000
MOST_BYTES: Final = 1024 * 1024
LONGEST: Final = {"mac": 40, "serial": 40, "carrier": 60, "tracking": 80}

_NEEDED: Final = ("order", "product")
_SEPARATORS: Final = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the file: its line, and its cells by column, "" where there is none."""

    line: int
    cells: Mapping[str, str]


@dataclass(slots=True)
class Verdict:
    """What becomes of a row: units of order lines, or the reasons why not."""

    row: Row
    order: Order | None = None
    parts: list[tuple[OrderLine, int]] = field(default_factory=list)
    unit: Unit | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether the row keeps the file back."""
        return bool(self.faults)

    @property
    def reason(self) -> str:
        """Why it is refused, in one line."""
        return " ".join(self.faults)

    @property
    def quantity(self) -> int:
        """How many units leave with it."""
        return sum(units for _, units in self.parts)


@dataclass(frozen=True, slots=True)
class Plan:
    """A file, judged. `seen`: one text for all that somebody was shown."""

    verdicts: Sequence[Verdict]
    seen: str

    @property
    def refused(self) -> list[Verdict]:
        """The rows that keep it back."""
        return [verdict for verdict in self.verdicts if verdict.is_refused]


class Changed(Exception):
    """Something has happened since somebody looked: the plan as it is now."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("Something has happened since this was shown.")
        self.plan = plan


# --- the file --------------------------------------------------------------------------------


def read_rows(content: bytes) -> list[Row]:
    """The rows of a file. Raises Refused, by the field `file`, where the file as a whole cannot be taken."""
    if len(content) > MOST_BYTES:
        raise _refused(
            f"The file has {len(content):,} bytes. At most {MOST_BYTES:,} (1 MB) are taken at once."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused("The file is not UTF-8. Save it as “CSV UTF-8” and choose it again.") from error
    if "\0" in text:
        raise _refused("The file is no text. Save it as “CSV UTF-8” and choose it again.")
    first = text.split("\n", 1)[0]
    lines = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(_SEPARATORS, key=first.count), strict=True
    )
    try:
        columns = _columns(next(lines, []))
        rows = []
        for cells in lines:
            if any(cell.strip() for cell in cells):
                rows.append(Row(lines.line_num, _cells(columns, cells)))
            if len(rows) > MOST_ROWS:
                raise _refused(f"The file has more than {MOST_ROWS:,} rows. Split it into several files.")
    except csv.Error as error:
        raise _refused(f"Line {lines.line_num} is not CSV: {error}.") from error
    if not rows:
        raise _refused("The file has no rows below its first line.")
    return rows


def _columns(header: Sequence[str]) -> list[str]:
    names = [" ".join(name.split()).lower() for name in header]
    for place, name in enumerate(names):
        if name not in COLUMNS and name not in OWN_COLUMNS:
            raise _refused(f"There is no column “{header[place][:60]}”. A file has: {', '.join(COLUMNS)}.")
        if name in names[:place]:
            raise _refused(f"The column “{name}” is there twice.")
    for name in _NEEDED:
        if name not in names:
            raise _refused(f"The first line has to name the columns, and one of them is “{name}”.")
    return names


def _cells(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    found = {column: " ".join(cell.split()) for column, cell in zip(columns, cells, strict=False)}
    # The panel's own quote keeps a spreadsheet from running a cell as a formula.
    return {column: found.get(column, "").removeprefix("'") for column in COLUMNS}


def _refused(message: str) -> Refused:
    return Refused(f"{message} Nothing was shipped.", rule="ORD-5", field="file")


# --- its rows, judged ------------------------------------------------------------------------


def judge(rows: Sequence[Row]) -> Plan:
    """What would become of each row, as things stand. Changes nothing; the queries do not grow with the rows."""
    numbers = {int(cell) for row in rows if _is_number(cell := _order_cell(row))}
    orders = {
        order.pk: order
        for order in Order.objects.filter(pk__in=numbers, account__is_simulation=False).select_related(
            "account"
        )
    }
    lines: dict[int, list[OrderLine]] = defaultdict(list)
    for line in OrderLine.objects.filter(order__in=orders).select_related("product").order_by("pk"):
        lines[line.order_id].append(line)
    phones = set(ProductFamily.objects.values_list("product", flat=True))
    left = {line.pk: line.left for found in lines.values() for line in found}
    shipped = set(
        ShippedUnits.objects.filter(shipment__order__in=orders)
        .exclude(shipment__tracking="")
        .values_list("shipment__order", "line__product", "shipment__tracking")
    )
    known = set(Device.objects.filter(retired_on=None, mac__in=_macs(rows)).values_list("mac", flat=True))
    verdicts = []
    named: dict[str, int] = {}
    for row in rows:
        verdict = Verdict(row, orders.get(int(_order_cell(row))) if _is_number(_order_cell(row)) else None)
        _judge_mac(verdict, named, known)
        _judge_line(verdict, lines, left, phones, shipped)
        verdicts.append(verdict)
    told = [
        (
            tuple(verdict.row.cells.values()),
            verdict.reason,
            [(line.pk, left_) for line, left_ in verdict.parts],
        )
        for verdict in verdicts
    ]
    stands = sorted((line.pk, line.left) for found in lines.values() for line in found)
    return Plan(verdicts, hashlib.sha256(repr((told, stands)).encode()).hexdigest())


def _judge_line(
    verdict: Verdict,
    lines: Mapping[int, Sequence[OrderLine]],
    left: dict[int, int],
    phones: set[str],
    shipped: set[tuple[int, str, str]],
) -> None:
    """Which order lines the row's units are of."""
    _judge_lengths(verdict)
    own = _lines_of(verdict, lines)
    quantity = _quantity(verdict) if own else None
    if quantity is None or verdict.order is None:
        return
    product, cells = own[0].product, verdict.row.cells
    _judge_phone(verdict, product, phones)
    if cells["tracking"] and (verdict.order.pk, product.pk, cells["tracking"]) in shipped:
        verdict.faults.append(f"{product.name} with tracking {cells['tracking']} was recorded already.")
    if all(line.state == OrderLineState.CANCELLED for line in own):
        verdict.faults.append(f"{product.name} of {verdict.order} was cancelled.")
    else:
        _allot(verdict, own, left, quantity)


def _judge_lengths(verdict: Verdict) -> None:
    for column, longest in LONGEST.items():
        if len(verdict.row.cells[column]) > longest:
            verdict.faults.append(f"The {column} has more than {longest} characters.")


def _lines_of(verdict: Verdict, lines: Mapping[int, Sequence[OrderLine]]) -> list[OrderLine]:
    """The lines of the row's order that are of its product; a fault where there are none."""
    cells, order = verdict.row.cells, verdict.order
    if order is None:
        verdict.faults.append(f"There is no order “{cells['order']}”.")
        return []
    asked = cells["product"].casefold()
    own = [
        line
        for line in lines[order.pk]
        if line.product.family == Family.HARDWARE and asked in (line.product_id, line.product.name.casefold())
    ]
    if not own:
        verdict.faults.append(f"{order} holds no hardware “{cells['product']}”.")
    return own


def _judge_phone(verdict: Verdict, product: Product, phones: set[str]) -> None:
    """A phone leaves with its MAC, and nothing else does (ORD-6)."""
    if product.pk in phones and not verdict.row.cells["mac"]:
        verdict.faults.append(f"{product.name} has a MAC: give one row for each unit, with its MAC (ORD-6).")
    elif product.pk not in phones and verdict.row.cells["mac"]:
        verdict.faults.append(f"{product.name} is no phone, so its units have no MAC (ORD-6).")


def _allot(verdict: Verdict, own: Sequence[OrderLine], left: dict[int, int], quantity: int) -> None:
    """Take the row's units from what the rows before it have left."""
    waiting = sum(left[line.pk] for line in own)
    if quantity > waiting:
        verdict.faults.append(
            f"{waiting:,} × {own[0].product.name} of {verdict.order} {'is' if waiting == 1 else 'are'} left to ship, "
            f"so {quantity:,} cannot (ORD-5)."
        )
        return
    for line in own:
        units = min(left[line.pk], quantity)
        if units:
            verdict.parts.append((line, units))
            left[line.pk] -= units
            quantity -= units


def _judge_mac(verdict: Verdict, named: dict[str, int], known: set[str]) -> None:
    """The row's unit, where it has a MAC that is nobody's yet."""
    typed = verdict.row.cells["mac"]
    if not typed:
        return
    try:
        mac = written_mac(typed)
    except Refused as refusal:
        verdict.faults.append(refusal.message)
        return
    if mac in named:
        verdict.faults.append(f"{mac} is on line {named[mac]:,} already.")
    elif mac in known:
        verdict.faults.append(f"{mac} is a device already.")
    named.setdefault(mac, verdict.row.line)
    verdict.unit = Unit(mac, verdict.row.cells["serial"])


def _quantity(verdict: Verdict) -> int | None:
    """How many units the row is for; one with a MAC is for that unit."""
    typed, mac = verdict.row.cells["quantity"], verdict.row.cells["mac"]
    if not typed and mac:
        return 1
    if not _is_number(typed) or int(typed) < 1:
        verdict.faults.append("The quantity is a whole number from 1 on.")
        return None
    if mac and int(typed) != 1:
        verdict.faults.append("A row with a MAC is for one unit.")
        return None
    return int(typed)


def _order_cell(row: Row) -> str:
    return row.cells["order"].lower().removeprefix("order").strip().removeprefix("#")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _macs(rows: Sequence[Row]) -> list[str]:
    found = []
    for row in rows:
        try:
            found.append(written_mac(row.cells["mac"]))
        except Refused:
            continue
    return found


# --- recorded --------------------------------------------------------------------------------


def record_file(rows: Sequence[Row], *, seen: str, actor: Actor, at: datetime) -> list[Shipment]:
    """Record all rows of a file: one shipment for each order, carrier and tracking number.

    All or nothing. Raises Changed where something has happened since `seen` was shown, also where this very
    file was recorded meanwhile; Refused where a row is refused.
    """
    numbers = {int(cell) for row in rows if _is_number(cell := _order_cell(row))}
    with transaction.atomic(), ExitStack() as held:
        # In one order, so that two files never wait for each other.
        for account in Account.objects.filter(orders__in=numbers).distinct().order_by("pk"):
            held.enter_context(open_ledger(account, actor=actor, at=at))
        plan = judge(rows)
        if plan.seen != seen:
            raise Changed(plan)
        if plan.refused:
            raise _refused(f"{len(plan.refused):,} of {len(plan.verdicts):,} rows are refused.")
        return [
            ship(order, parcels_of(verdicts), carrier=carrier, tracking=tracking, actor=actor, at=at)
            for (order, carrier, tracking), verdicts in _shipments(plan.verdicts).items()
        ]


def _shipments(verdicts: Sequence[Verdict]) -> dict[tuple[Order, str, str], list[Verdict]]:
    found: dict[tuple[Order, str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.order is not None:
            cells = verdict.row.cells
            found[(verdict.order, cells["carrier"], cells["tracking"])].append(verdict)
    return found


def parcels_of(verdicts: Sequence[Verdict]) -> list[Parcel]:
    """What leaves together, by order line."""
    lines: dict[int, OrderLine] = {}
    counts: dict[int, int] = defaultdict(int)
    units: dict[int, list[Unit]] = defaultdict(list)
    for verdict in verdicts:
        for line, count in verdict.parts:
            lines[line.pk] = line
            counts[line.pk] += count
            if verdict.unit is not None:
                units[line.pk].append(verdict.unit)
    return [Parcel(line, counts[pk], units[pk]) for pk, line in lines.items()]


# --- a parcel typed by hand ------------------------------------------------------------------


def read_units(text: str) -> list[Unit]:
    """Units as they are typed or scanned, one a line: the MAC, and the serial after a space or a comma."""
    units = []
    for typed in text.splitlines():
        mac, _, serial = typed.strip().replace(",", " ").replace(";", " ").partition(" ")
        if mac:
            units.append(Unit(mac, serial.strip()[: LONGEST["serial"]]))
    return units


def ship_by_hand(
    order: Order,
    parcels: Sequence[Parcel],
    *,
    left: Mapping[int, int],
    carrier: str = "",
    tracking: str = "",
    actor: Actor,
    at: datetime,
) -> Shipment:
    """Record a shipment that somebody typed; `left`: how many of each line waited when they looked.

    Raises Refused, by the line's field, where something has happened to it since, fewer wait, or a phone is
    not named by its MAC.
    """
    with open_ledger(order.account, actor=actor, at=at):
        now = {line.pk: line.left for line in order.lines.all()}
        for parcel in parcels:
            pk = parcel.line.pk
            if now[pk] != left[pk]:
                raise Refused(
                    f"{now[pk]:,} of it {'is' if now[pk] == 1 else 'are'} left by now: something was shipped or "
                    "cancelled in the meantime. Look again. Nothing was shipped.",
                    rule="ORD-5",
                    field=f"line-{pk}",
                )
            check_named(parcel)
        return ship(order, parcels, carrier=carrier, tracking=tracking, actor=actor, at=at)


def check_named(parcel: Parcel) -> None:
    """Raise Refused unless each unit of a phone is named by its MAC; what is no phone has none (ORD-6)."""
    product, named = parcel.line.product, len(parcel.units)
    if not ProductFamily.objects.filter(product=product).exists():
        return
    if named != parcel.quantity:
        raise Refused(
            f"{parcel.quantity:,} × {product.name} leave, and {named:,} "
            f"{'MAC is' if named == 1 else 'MACs are'} given. Give each unit's. Nothing was shipped.",
            rule="ORD-6",
            field=f"units-{parcel.line.pk}",
        )
