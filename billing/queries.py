"""What pages read of the ledger, of invoices, and of the next invoice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zlib import crc32

from django.core.cache import cache
from django.db.models import Count, DecimalField, Min, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from accounts.models import Account, AuditEntry
from accounts.queries import day_begins
from billing.engine import Draft, Period, ProductTerms, Section, cut, next_bdom, previous_bdom, prorate
from billing.engine.bridge import Billed, Bridge, Entry, Side, bridge
from billing.engine.figures import Figure
from billing.engine.figures import figures_of as usage_figures
from billing.engine.reasons import Basis
from billing.explain import Trace, label_words
from billing.gather import decimals_of
from billing.models import (
    BillingSchedule,
    Charge,
    ChargeState,
    CreditPolicy,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    InvoiceState,
    Meter,
    Payment,
    Product,
)
from billing.preview import KEPT_FOR_SECONDS, Drawn, draw_with_usage, foreseen
from billing.usage_queries import MeterNames

OVERDUE: Final = "overdue"
FAR_DAY: Final = date(9999, 12, 31)
# Moves of a charge by the daily trigger are not what the charge comes from.
_TRIGGERED: Final = ("begin-charge", "end-charge")


# --- invoices --------------------------------------------------------------------------------


def invoices_of(
    account: Account,
    today: date,
    *,
    search: str = "",
    state: str = "",
    first: date | None = None,
    last: date | None = None,
) -> QuerySet[Invoice]:
    """The account's invoices and credit notes; drafts are nobody's business yet.

    `state`: one of InvoiceState, or OVERDUE as of `today`; `first` and `last`: issued on, both included.
    """
    invoices = Invoice.objects.filter(account=account).exclude(state=InvoiceState.DRAFT)
    if state == OVERDUE:
        invoices = invoices.filter(overdue_on(today))
    elif state:
        invoices = invoices.filter(state=state)
    if first is not None:
        invoices = invoices.filter(issued_on__gte=first)
    if last is not None:
        invoices = invoices.filter(issued_on__lte=last)
    for word in search.split():
        invoices = invoices.filter(number__icontains=word)
    return invoices


def overdue_invoices(account: Account, today: date) -> QuerySet[Invoice]:
    """Issued invoices whose day has passed, the oldest first."""
    return Invoice.objects.filter(overdue_on(today), account=account).order_by("due_on", "id")


def overdue_on(today: date) -> Q:
    """Invoices on which money is still owed after the day they were due."""
    return Q(state=InvoiceState.ISSUED, due_on__lt=today, total__gt=0) & ~Q(kind=InvoiceKind.CREDIT_NOTE)


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account owes: open invoices less its credit; below zero, it has credit.

    `overdue` is the part of the open invoices that is late.
    """

    owed: Decimal
    overdue: Decimal
    open_invoices: int

    @property
    def credit(self) -> Decimal:
        """What the account has paid beyond what it owes."""
        return max(Decimal(0), -self.owed)


def balance_of(account: Account, today: date) -> Balance:
    """The account's balance, in its currency. One query; summed here, as SQLite would sum in floats."""
    nothing = Value(Decimal(0), output_field=DecimalField(max_digits=18, decimal_places=4))
    issued = Invoice.objects.filter(account=account, state=InvoiceState.ISSUED)
    credit = Payment.objects.filter(account=account, left__gt=0)
    rows = (
        issued.order_by()
        .values_list("total", "settled", "due_on")
        .union(credit.order_by().values_list(nothing, "left", "on"), all=True)
    )
    owed, overdue, count = Decimal(0), Decimal(0), 0
    for total, settled, due_on in rows:
        left = total - settled
        owed += left
        if left > 0:
            count += 1
            overdue += left if due_on < today else 0
    return Balance(owed, overdue, count)


def invoice_before(account: Account, on: date) -> Invoice | None:
    """The last monthly invoice that was issued for a day before `on`."""
    return (
        Invoice.objects.filter(account=account, kind=InvoiceKind.BDOM, issued_on__lt=on)
        .exclude(state=InvoiceState.DRAFT)
        .order_by("-issued_on", "-id")
        .first()
    )


class Earlier(NamedTuple):
    """A monthly invoice as far as the next one is compared with it; `names` are its products' names by code."""

    number: str
    on: date
    side: Side
    names: dict[str, str]


_ENTRY_FIELDS: Final = (
    "section",
    "product",
    "subscription",
    "subject",
    "quantity",
    "unit_price",
    "starts_on",
    "amount",
)


def earlier_invoice(account: Account, on: date) -> Earlier | None:
    """The last monthly invoice that was issued for a day before `on`, with its lines. One query."""
    # The invoice's number and day come with each line, which saves a query of its own.
    found = (
        Invoice.objects.filter(account=account, kind=InvoiceKind.BDOM, issued_on__lt=on)
        .exclude(state=InvoiceState.DRAFT)
        .order_by("-issued_on", "-id")
    )
    rows = list(
        InvoiceLine.objects.filter(invoice=Subquery(found.values("pk")[:1]))
        .order_by("position")
        .values_list("invoice__number", "invoice__issued_on", "description", *_ENTRY_FIELDS)
    )
    if not rows:
        return None
    number, issued_on, *_ = rows[0]
    names = {product: description for _, _, description, _, product, *_ in rows}
    entries = [Entry(Section(section), *rest) for _, _, _, section, *rest in rows]
    return Earlier(number, issued_on, Side(issued_on, entries), names)


class Whole(NamedTuple):
    """All lines of an invoice in brief: what sums, the bridge and the products' names are made of."""

    entries: list[Entry]
    names: dict[str, str]

    @property
    def subtotals(self) -> dict[str, Decimal]:
        """The sum of each section that has lines, in the invoice's order."""
        return subtotals_of(self.entries)


def whole_invoice(invoice: Invoice) -> Whole:
    """All lines of an invoice in brief. One query, and a tenth of what the rows themselves would take."""
    rows = list(
        InvoiceLine.objects.filter(invoice=invoice)
        .order_by("position")
        .values_list("description", "charges", *_ENTRY_FIELDS)
    )
    names = {product: description for description, _, _, product, *_ in rows}
    return Whole(
        [Entry._make((Section(section), *rest, tuple(charges))) for _, charges, section, *rest in rows], names
    )


def subtotals_of(lines: Iterable[Billed]) -> dict[str, Decimal]:
    """The sum of each section, in the order in which the sections come."""
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line.section] = sums.get(line.section, Decimal(0)) + line.amount
    return sums


def bridge_between(before: Side, after: Side, currency: str) -> Bridge:
    """The bridge between two invoices; asks the ledger only where a price may have been changed (BIL-6)."""
    return bridge(before, after, decimals_of(currency), _repriced)


def _repriced(asked: frozenset[int]) -> frozenset[int]:
    """Which of these charges succeeded one at another price."""
    found = Charge.objects.filter(pk__in=asked, basis=Basis.REPRICED)
    return frozenset(found.values_list("pk", flat=True))


def product_names() -> dict[str, str]:
    """The names of products and meters by code: what a line may be of. One query."""
    products = Product.objects.order_by().values_list("code", "name")
    return dict(products.union(Meter.objects.order_by().values_list("code", "name")))


class Catalogue(NamedTuple):
    """All products by code: how the engine reads them, and what they and the meters are called."""

    terms: dict[str, ProductTerms]
    names: dict[str, str]
    meters: dict[str, MeterNames]


def catalogue() -> Catalogue:
    """The products for pages that need both, and what meters are called. One query."""
    products = Product.objects.order_by().values_list(
        "code", "section", "is_recurring", "credit_policy", "rank", "name", Value("")
    )
    meters = Meter.objects.order_by().values_list(
        "code", Value(Section.USAGE.value), "is_call", Value(""), "rank", "name", "unit"
    )
    found = Catalogue({}, {}, {})
    for code, section, is_recurring, policy, rank, name, unit in products.union(meters):
        found.names[code] = name
        if unit:
            found.meters[code] = MeterNames(name, unit)
        else:
            is_credited = policy == CreditPolicy.CREDIT
            found.terms[code] = ProductTerms(code, Section(section), is_recurring, is_credited, rank)
    return found


def traces_of(account: Account, lines: Sequence[InvoiceLine]) -> dict[int, Trace]:
    """Who did what each line comes from, and when, by the id of its first charge. Two queries.

    It is the entry of the trail about the charge's thing (a product, a number, a service) on the day
    the charge was added; where there is none, the day alone.
    """
    first = [line.charges[0] for line in lines if line.charges]
    charges = {
        pk: (_target(subject, product), added_on)
        for pk, product, subject, added_on in Charge.objects.filter(
            account=account, pk__in=first
        ).values_list("pk", "product_id", "subject", "added_on")
    }
    if not charges:
        return {}
    days = {added_on for _, added_on in charges.values()}
    entries = (
        AuditEntry.objects.filter(
            account=account,
            target_id__in={target[1] for target, _ in charges.values()},
            at__gte=day_begins(account, min(days)),
            at__lt=day_begins(account, max(days) + timedelta(days=1)),
        )
        .exclude(action__in=_TRIGGERED)
        .order_by("id")
        .values_list("target_kind", "target_id", "at", "summary", "by", "user__full_name")
    )
    # Of several entries about a thing on one day the last one is what it was left as.
    found = {
        ((kind, target), account.local_date(at)): Trace(_localised(summary), name or by, at)
        for kind, target, at, summary, by, name in entries
    }
    return {
        pk: found.get((target, added_on), Trace("Added", "", added_on))
        for pk, (target, added_on) in charges.items()
    }


def _target(subject: str, product: str) -> tuple[str, str]:
    """How the trail names what a charge is for: number:12 is the number 12, a licence its product."""
    kind, _, key = subject.partition(":")
    return (kind, key) if key else ("product", product)


def _localised(summary: str) -> str:
    """A sentence of the trail with its phone numbers as people write them."""
    return " ".join(label_words(word) for word in summary.split(" "))


# --- the ledger ------------------------------------------------------------------------------


def charges_of(account: Account, *, search: str = "", state: str = "", product: str = "") -> QuerySet[Charge]:
    """The account's charges with their products; each carries `begins`, a day also where none is known yet.

    Every word of `search` is looked for in what a charge is for, whom it serves, and its product; the
    figures of a phone number may be written in any way.
    """
    charges = (
        Charge.objects.filter(account=account)
        .select_related("product")
        .annotate(
            begins=Coalesce("billing_starts_on", Value(FAR_DAY)),
            price=Coalesce("unit_price", Value(Decimal(0))),
        )
    )
    if state:
        charges = charges.filter(state=state)
    if product:
        charges = charges.filter(product=product)
    figures = "".join(character for character in search if character.isdigit())
    if len(figures) >= 4 and not any(character.isalpha() for character in search):
        return charges.filter(subject_label__contains=figures)
    for word in search.split():
        charges = charges.filter(
            Q(subject_label__icontains=word) | Q(holder__icontains=word) | Q(product__name__icontains=word)
        )
    return charges


def products_in_ledger(account: Account) -> dict[str, str]:
    """The products of which the account has or had a charge, by code, in the catalogue's order."""
    rows = Charge.objects.filter(account=account).order_by("product__rank", "product")
    return dict(rows.values_list("product", "product__name").distinct())


@dataclass(frozen=True, slots=True)
class Pending:
    """Charges of one product that are alike: not billed yet, and when they will be (BIL-11).

    `begins_on` is None while a condition is not met. `monthly` and `first_amount` (what the first invoice
    with it will hold: the days until then and the month ahead) are None without a price or a day.
    """

    product: str
    name: str
    is_licence: bool
    is_recurring: bool
    units: int
    charges: int
    label: str
    subject: str
    basis: str
    basis_days: int
    begins_on: date | None
    has_begun: bool
    monthly: Decimal | None
    first_on: date | None
    first_amount: Decimal | None


class LedgerGroup(NamedTuple):
    """Charges of one product, price, day and state, added up by the database."""

    product: str
    name: str
    is_licence: bool
    is_recurring: bool
    price: Decimal | None
    state: str
    begins_on: date | None
    recorded_on: date | None
    basis: str
    basis_days: int
    units: int
    charges: int
    label: str
    subject: str
    since: date


def ledger_groups(
    account: Account, last_bdom_on: date | None, *, licences: bool = False, own: bool = False
) -> list[LedgerGroup]:
    """The open charges that no invoice has billed yet, with `licences` also all licences. One query.

    With `own` those of subscriptions are left out.

    A charge has been billed when it had begun, and was known to, before the last BDOM (BIL-7).
    """
    wanted = Q(state=ChargeState.WAITING)
    if last_bdom_on is None:
        wanted |= Q(state=ChargeState.BILLING)
    else:
        wanted |= Q(state=ChargeState.BILLING, billing_starts_on__gt=last_bdom_on)
        wanted |= Q(state=ChargeState.BILLING, start_recorded_on__gte=last_bdom_on)
    if licences:
        wanted |= Q(product__is_licence=True)
    if own:
        wanted &= Q(subscription=None)
    rows = (
        Charge.objects.filter(wanted, account=account, ended_on=None)
        .exclude(state=ChargeState.ENDED)
        .order_by("product__rank", "product")
        .values_list(
            "product",
            "product__name",
            "product__is_licence",
            "product__is_recurring",
            "unit_price",
            "state",
            "billing_starts_on",
            "start_recorded_on",
            "basis",
            "basis_days",
        )
        .annotate(
            units=Sum("quantity"),
            charges=Count("id"),
            label=Min("subject_label"),
            about=Min("subject"),
            since=Min("added_on"),
        )
    )
    return [LedgerGroup._make(row) for row in rows]


def not_billed_yet(
    account: Account, schedule: BillingSchedule, groups: Iterable[LedgerGroup]
) -> list[Pending]:
    """Of these groups what is not billed yet, by the day on which billing begins; what has no day comes last."""
    merged: dict[tuple[str, date | None, bool], Pending] = {}
    for group in groups:
        if not is_pending(group, schedule.last_bdom_on):
            continue
        pending = _pending(account, schedule, group)
        key = (group.product, group.begins_on, pending.has_begun)
        merged[key] = _together(merged[key], pending) if key in merged else pending
    return sorted(merged.values(), key=lambda pending: (pending.begins_on or FAR_DAY, pending.name))


def is_pending(group: LedgerGroup, last_bdom_on: date | None) -> bool:
    """Whether no invoice has billed the group yet."""
    if group.state == ChargeState.WAITING or last_bdom_on is None:
        return True
    if group.begins_on is None or group.recorded_on is None:
        return True
    return group.begins_on > last_bdom_on or group.recorded_on >= last_bdom_on


def _pending(account: Account, schedule: BillingSchedule, group: LedgerGroup) -> Pending:
    decimals = decimals_of(account.currency)
    first_on = first_amount = monthly = None
    # Units with a subject have a line each, and each is rounded for itself (BIL-4).
    lines = group.charges if group.subject else 1
    units = group.units // lines if group.units % lines == 0 else 1
    lines = group.units // units
    if group.price is not None:
        monthly = prorate(group.price, units, 1, 1, decimals) * lines
    if group.begins_on is not None:
        first_on = max(next_bdom(account.bdom, group.begins_on - timedelta(days=1)), schedule.next_bdom_on)
        if group.price is not None:
            first_amount = _first_amount(account.bdom, group, units, first_on, decimals) * lines
    return Pending(
        product=group.product,
        name=group.name,
        is_licence=group.is_licence,
        is_recurring=group.is_recurring,
        units=group.units,
        charges=group.charges,
        label=group.label if group.charges == 1 else "",
        subject=group.subject if group.charges == 1 else "",
        basis=group.basis,
        basis_days=group.basis_days,
        begins_on=group.begins_on,
        has_begun=group.state == ChargeState.BILLING,
        monthly=monthly,
        first_on=first_on,
        first_amount=first_amount,
    )


def _first_amount(bdom: int, group: LedgerGroup, units: int, first_on: date, decimals: int) -> Decimal:
    """What the first invoice holds of a group: each period's days, and the month ahead (BIL-2, BIL-4)."""
    price, begins_on = group.price, group.begins_on
    if price is None or begins_on is None:
        return Decimal(0)
    if not group.is_recurring:
        return prorate(price, units, 1, 1, decimals)
    pieces = cut(bdom, begins_on, next_bdom(bdom, first_on))
    return sum(
        (prorate(price, units, (end - start).days, period.days, decimals) for start, end, period in pieces),
        Decimal(0),
    )


def _together(one: Pending, other: Pending) -> Pending:
    """Two groups that differ in price or reason alone, as one."""

    def add(left: Decimal | None, right: Decimal | None) -> Decimal | None:
        return None if left is None or right is None else left + right

    return Pending(
        one.product,
        one.name,
        one.is_licence,
        one.is_recurring,
        one.units + other.units,
        one.charges + other.charges,
        "",
        "",
        one.basis,
        one.basis_days,
        one.begins_on,
        one.has_begun,
        add(one.monthly, other.monthly),
        one.first_on,
        add(one.first_amount, other.first_amount),
    )


# --- the next invoice ------------------------------------------------------------------------


class Ahead(NamedTuple):
    """The next invoice in figures: its day and total, the last one, and what lies between them.

    `usage` is what the period that it closes has used so far, `usage_amount` what of the total that is (INV-7).
    """

    on: date
    total: Decimal
    lines: int
    last_number: str
    last_on: date | None
    bridge: Bridge
    usage: tuple[Figure, ...] = ()
    usage_amount: Decimal = Decimal(0)


def ahead_of(
    account: Account,
    schedule: BillingSchedule,
    products: Mapping[str, ProductTerms],
    last_invoice: int | None,
) -> Ahead:
    """The next invoice in figures, kept until the ledger, a product or the last invoice moves.

    The draft of a large account is thousands of lines; a page that shows its total reads this instead.
    `last_invoice` is the id of the last monthly invoice. Raises BillingFault as the run would.
    """
    terms = crc32(repr((sorted(products.items()), foreseen(account))).encode())
    key = f"ahead:{account.pk}:{schedule.stamp}:{terms}:{schedule.next_bdom_on.isoformat()}:{last_invoice}"
    kept: Ahead | None = cache.get(key)
    if kept is None:
        drawn = draw_with_usage(account, schedule.next_bdom_on, dict(products), schedule)
        kept = _with_usage(account, figures_of(account, drawn.draft), drawn)
        cache.set(key, kept, KEPT_FOR_SECONDS)
    return kept


def _with_usage(account: Account, ahead: Ahead, drawn: Drawn) -> Ahead:
    """The same with what its own period has used so far; what is late of earlier ones is not of it."""
    if drawn.usage is None:
        return ahead
    period = Period(previous_bdom(account.bdom, ahead.on), ahead.on)
    own = [fact for fact in drawn.usage.facts if fact.on in period]
    amounts = (
        line.amount
        for line in drawn.draft.lines
        if line.section == Section.USAGE and line.starts_on in period
    )
    return ahead._replace(
        usage=tuple(usage_figures(drawn.usage._replace(facts=own), period)),
        usage_amount=sum(amounts, Decimal(0)),
    )


def figures_of(account: Account, draft: Draft) -> Ahead:
    """The figures of a draft beside the last monthly invoice."""
    before = earlier_invoice(account, draft.on)
    side = before.side if before else Side(draft.on, [])
    found = bridge_between(side, Side(draft.on, draft.lines), account.currency)
    number, on = (before.number, before.on) if before else ("", None)
    return Ahead(draft.on, draft.total, len(draft.lines), number, on, found)
