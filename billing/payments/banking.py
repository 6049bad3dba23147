"""Files of a bank: every line is judged first, then all that are matched are booked (INV-6).

A line is known by the bank's own id, so the same line counts once in however many files. What nobody can tell
whose it is waits for a person, who assigns it to an account or dismisses it.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from django.conf import settings
from django.db import transaction

from accounts.exporting import Cell
from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.csv_files import cells_of
from billing.explain import whole
from billing.models import BankFile, BankLine, BankLineState, Payment
from billing.payments.bank_matching import Match, Matcher, Transfer
from billing.payments.settling import RULE, Received, amount_words, check_amount, open_books, receive_payment

log = logging.getLogger(__name__)

GATEWAY: Final = "bank"
"""As whose the payments' ids count: a line's payment comes in once."""
TASK: Final = "bank-lines"

COLUMNS: Final = {
    "date": "The day on which it came in, like 2026-02-15",
    "amount": "What came in: 1234.56, 1,234.56 or 1.234,56",
    "currency": "ISO 4217, like USD",
    "payer": "Who paid; may be empty",
    "text": "What the payer wrote; invoice numbers are looked for here",
    "id": "The bank's own id of the transfer, by which it counts once",
}
MOST_ROWS: Final = 5_000
LONGEST: Final[Mapping[str, int]] = {"id": 80, "payer": 140, "text": 300}

_DAY: Final = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
_AMOUNTS: Final = tuple(
    re.compile(
        rf"([+-]?)(\d{{1,12}}|[1-9]\d{{0,2}}(?:{group}\d{{3}}){{1,3}})(?:{point}(\d{{1,2}}))?", re.ASCII
    )
    for group, point in ((",", r"\."), (r"\.", ","), ("'", r"\."), ("[ \u00a0]", "[,.]"))
)


class Kind(StrEnum):
    """What becomes of a line."""

    MATCHED = "matched"
    WAITING = "waiting"
    KNOWN = "known"
    REFUSED = "refused"


class BankRow(NamedTuple):
    """A line that was understood."""

    key: str
    on: date
    amount: Decimal
    currency: str
    payer: str
    text: str

    @property
    def transfer(self) -> Transfer:
        """As it is matched: numbers may stand in the text, or with the payer."""
        return Transfer(self.amount, self.currency, f"{self.text} {self.payer}")


class Verdict(NamedTuple):
    """What becomes of a line of the file, and why. `cells` are the line's, as they came.

    `row` is None where it was not understood, `match` is there where it is matched; `field` names the column
    that is refused.
    """

    line: int
    kind: Kind
    cells: Sequence[str]
    field: str = ""
    reason: str = ""
    row: BankRow | None = None
    match: Match | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A file that was read: a verdict for each line, in the file's order, and what its columns are called."""

    header: Sequence[str]
    verdicts: Sequence[Verdict]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many lines there are of each kind."""
        return Counter(str(verdict.kind) for verdict in self.verdicts)

    @property
    def matched(self) -> Mapping[str, Decimal]:
        """What the matched lines come to, by currency."""
        sums: dict[str, Decimal] = {}
        for verdict in self.verdicts:
            if verdict.kind == Kind.MATCHED and verdict.row is not None:
                row = verdict.row
                sums[row.currency] = sums.get(row.currency, Decimal(0)) + row.amount
        return sums

    @property
    def is_news(self) -> bool:
        """Whether it holds a line that the panel does not have yet."""
        return any(verdict.kind in (Kind.MATCHED, Kind.WAITING) for verdict in self.verdicts)


def judge_file(lines: Iterable[bytes], at: datetime) -> Judged:
    """Read a file's lines and say what would become of each at the instant `at`; nothing is changed.

    Raises Refused, with the line, where the file as a whole cannot be read.
    """
    header, rows = _read(lines)
    understood = [found for _, _, found in rows if isinstance(found, BankRow)]
    known = _known(understood)
    # No zone is more than 14 hours ahead of UTC.
    latest = (at.astimezone(UTC) + timedelta(hours=14)).date()
    matcher = Matcher.over([row.transfer for row in understood if row.key not in known], at)
    seen: dict[str, tuple[int, BankRow]] = {}
    verdicts = []
    for line, cells, found in rows:
        verdict = _refused_or_known(line, cells, found, known, seen, latest)
        if verdict is None and isinstance(found, BankRow):
            seen[found.key] = (line, found)
            verdict = _matched(line, cells, found, matcher.match(found.transfer), at)
        if verdict is not None:
            verdicts.append(verdict)
    return Judged(header, verdicts)


def take_file(lines: Iterable[bytes], *, name: str, actor: Actor, at: datetime) -> BankFile:
    """Take a file in: what it holds of news is kept, to be booked by `book_matched`, or to wait for a person.

    Raises Refused where it cannot be read, or holds nothing new.
    """
    judged = judge_file(lines, at)
    if not judged.is_news:
        raise Refused("The panel has all of these lines already. Nothing was changed.", rule=RULE)
    with transaction.atomic():
        file = BankFile.objects.create(
            name=name[:120],
            taken_at=at,
            taken_by=actor.label[:120],
            rows=len(judged.verdicts),
            refused=[
                [each.line, each.field, each.reason, ", ".join(each.cells)[:300]]
                for each in judged.verdicts
                if each.kind == Kind.REFUSED
            ],
        )
        # Somebody may have taken the same lines in just now: the bank's id decides.
        BankLine.objects.bulk_create(_lines_of(file, judged), batch_size=500, ignore_conflicts=True)
        file.known = file.rows - len(file.refused) - file.lines.count()
        file.save(update_fields=["known"])
        record(
            None,
            "take-bank-file",
            file,
            f"Bank file {file.name}: {file.lines.count()} lines new, {file.known} known, {len(file.refused)} refused",
            actor=actor,
            at=at,
            after={"rows": file.rows, "known": file.known, "refused": len(file.refused)},
        )
    return file


def book_matched(*, file: BankFile | None = None, actor: Actor, at: datetime) -> int:
    """Book the lines that are matched and not booked, of one file or of all; returns how many were.

    Each in a transaction of its own, so that one that is killed goes on where it was. What cannot be booked
    after all is set aside for a person.
    """
    waiting = BankLine.objects.filter(state=BankLineState.MATCHED)
    if file is not None:
        waiting = waiting.filter(file=file)
    booked = 0
    for line in waiting.select_related("account__brand").order_by("pk"):
        if line.account is None:
            continue
        try:
            booked += _book(line, line.account, actor, at) is not None
        except Refused as refusal:
            log.warning("bank line %s cannot be booked: %s", line.key, refusal)
            _set_aside(line, refusal.message)
    return booked


def assign_line(line: BankLine, account: Account, *, actor: Actor, at: datetime) -> Payment:
    """A person says whose a line is: its money comes in for that account. Raises Refused."""
    if line.currency != account.currency:
        raise Refused(
            f"The transfer is in {line.currency}, and {account.name} pays in {account.currency}.",
            rule=RULE,
            field="account",
        )
    payment = _book(line, account, actor, at)
    if payment is None:
        raise Refused("This line has been dealt with already. Nothing was changed.", rule=RULE)
    return payment


def dismiss_line(line: BankLine, why: str, *, actor: Actor, at: datetime) -> None:
    """A line is no payment of an account's, and nobody waits for it any more. Raises Refused."""
    with transaction.atomic():
        locked = _locked(line)
        if locked.state != BankLineState.WAITING:
            raise Refused("This line has been dealt with already. Nothing was changed.", rule=RULE)
        locked.dismiss(why, actor.label, at)
        locked.save()
        _tell(locked, "dismiss-bank-line", f"dismissed: {why}", None, actor, at)


def take_up_line(line: BankLine, *, actor: Actor, at: datetime) -> None:
    """A line that was dismissed waits for a person again. Raises Refused."""
    with transaction.atomic():
        locked = _locked(line)
        if locked.state != BankLineState.DISMISSED:
            raise Refused("This line is not dismissed. Nothing was changed.", rule=RULE)
        locked.take_up(actor.label, at)
        locked.save()
        _tell(locked, "take-up-bank-line", "waits to be assigned again", None, actor, at)


def verdict_rows(judged: Judged, kind: str = "") -> Iterator[list[Cell]]:
    """A row for each line of a file, its cells as they came, then the line, the verdict, the account, the reason."""
    width = len(judged.header)
    for each in judged.verdicts:
        if not kind or each.kind == kind:
            cells: list[Cell] = [*each.cells[:width], *[""] * (width - len(each.cells))]
            account = each.match.account.slug if each.match and each.match.account else ""
            yield [*cells, each.line, str(each.kind), each.field, account, each.reason]


LINE_COLUMNS: Final = ("file", "line", *COLUMNS, "state", "account", "payment", "why", "decided_by")


def line_rows(lines: Iterable[BankLine]) -> Iterator[list[Cell]]:
    """A row for each line in the order of LINE_COLUMNS."""
    for line in lines:
        yield [
            line.file.name,
            line.line,
            line.on,
            whole(line.amount, line.currency),
            line.currency,
            line.payer,
            line.text,
            line.key,
            line.state,
            line.account.slug if line.account else "",
            line.payment_id,
            line.why,
            line.decided_by,
        ]


# --- booking -------------------------------------------------------------------------------------


def _locked(line: BankLine) -> BankLine:
    return BankLine.objects.select_for_update(of=("self",)).select_related("file").get(pk=line.pk)


def _book(line: BankLine, account: Account, actor: Actor, at: datetime) -> Payment | None:
    """Take the money of a line in, once; None where it has been dealt with already."""
    with open_books(account):
        locked = _locked(line)
        if locked.state not in (BankLineState.MATCHED, BankLineState.WAITING):
            return None
        received = Received(
            Payment.Kind.TRANSFER,
            locked.amount,
            locked.on,
            reference=locked.text or locked.payer or locked.key,
            gateway=GATEWAY,
            gateway_id=locked.key,
        )
        payment = receive_payment(account, received, actor=actor, at=at)
        was_matched = locked.state == BankLineState.MATCHED
        locked.book(account, payment, actor.label, at)
        locked.save()
        if not was_matched:
            _tell(locked, "assign-bank-line", f"assigned to {account.name}", account, actor, at)
    return payment


def _set_aside(line: BankLine, why: str) -> None:
    with transaction.atomic():
        locked = _locked(line)
        if locked.state == BankLineState.MATCHED:
            locked.set_aside(why)
            locked.save()


def _tell(
    line: BankLine, action: str, what: str, account: Account | None, actor: Actor, at: datetime
) -> None:
    record(
        account,
        action,
        line,
        f"Transfer {line.key} of {amount_words(line.amount, line.currency)} {what}"[:300],
        actor=actor,
        at=at,
        after={"state": line.state, "amount": line.amount, "on": line.on},
    )


def _lines_of(file: BankFile, judged: Judged) -> Iterator[BankLine]:
    for each in judged.verdicts:
        row = each.row
        if row is None or each.kind not in (Kind.MATCHED, Kind.WAITING):
            continue
        line = BankLine(
            file=file,
            line=each.line,
            key=row.key,
            on=row.on,
            amount=row.amount,
            currency=row.currency,
            payer=row.payer,
            text=row.text,
            why=each.reason,
        )
        if each.match is not None and each.match.account is not None:
            line.match(each.match.account, each.reason)
        yield line


# --- judging -------------------------------------------------------------------------------------


def _known(rows: Iterable[BankRow]) -> dict[str, BankLine]:
    """The lines that the panel has, by the bank's ids. One query."""
    keys = sorted({row.key for row in rows})
    return {line.key: line for line in BankLine.objects.filter(key__any_of=keys)}


def _refused_or_known(
    line: int,
    cells: Sequence[str],
    found: BankRow | Refused,
    known: Mapping[str, BankLine],
    seen: Mapping[str, tuple[int, BankRow]],
    latest: date,
) -> Verdict | None:
    """The verdict on a line that brings nothing new; None where it may."""
    if isinstance(found, Refused):
        return Verdict(line, Kind.REFUSED, cells, found.field or "", found.message)
    if found.on > latest:
        return Verdict(line, Kind.REFUSED, cells, "date", "This day is still to come.", found)
    before = known.get(found.key)
    if before is not None:
        if (before.on, before.amount, before.currency) != (found.on, found.amount, found.currency):
            return _other(line, cells, found, f"the panel has {_told(before)}")
        state = BankLineState(before.state).label.lower()
        return Verdict(line, Kind.KNOWN, cells, reason=f"In the panel already: {state}", row=found)
    if found.key in seen:
        place, same = seen[found.key]
        if same != found:
            return _other(line, cells, found, f"line {place} has {_told(same)}")
        return Verdict(line, Kind.KNOWN, cells, reason=f"The same as line {place}", row=found)
    return None


def _other(line: int, cells: Sequence[str], row: BankRow, told: str) -> Verdict:
    reason = f"Under this id {told}. Two transfers never share one: mend the id."
    return Verdict(line, Kind.REFUSED, cells, "id", reason, row)


def _told(row: BankRow | BankLine) -> str:
    return f"{amount_words(row.amount, row.currency)} of {row.on.isoformat()}"


def _matched(line: int, cells: Sequence[str], row: BankRow, match: Match, at: datetime) -> Verdict:
    if match.account is None:
        return Verdict(line, Kind.WAITING, cells, reason=match.why, row=row)
    if row.on > match.account.local_date(at):
        why = f"For {match.account.name} this day is still to come."
        return Verdict(line, Kind.WAITING, cells, reason=why, row=row)
    return Verdict(line, Kind.MATCHED, cells, reason=f"By {match.why}", row=row, match=match)


# --- reading -------------------------------------------------------------------------------------


def _read(lines: Iterable[bytes]) -> tuple[Sequence[str], list[tuple[int, Sequence[str], BankRow | Refused]]]:
    """The header, and each line as what it says or why it says nothing."""
    reader = cells_of(lines, _unreadable)
    first = next(reader, None)
    if first is None:
        raise _unreadable("The file is empty.")
    header = [name.strip().casefold() for name in first[1]]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise _unreadable(f"The first line has no column {', '.join(missing)}. It names the columns.")
    if any(header.count(name) > 1 for name in COLUMNS):
        raise _unreadable("The first line names a column twice.")
    rows: list[tuple[int, Sequence[str], BankRow | Refused]] = []
    for line, cells in reader:
        if len(rows) == MOST_ROWS:
            raise _unreadable(f"The file has more than {MOST_ROWS:,} lines. Split it.")
        rows.append((line, cells, _understood(header, cells)))
    if not rows:
        raise _unreadable("The file has a header and no lines.")
    return header, rows


def _understood(header: Sequence[str], cells: Sequence[str]) -> BankRow | Refused:
    try:
        if len(cells) != len(header):
            raise Refused(f"The line has {len(cells)} columns, and the first line names {len(header)}.")
        return _row({name: " ".join(cell.split()) for name, cell in zip(header, cells, strict=True)})
    except Refused as refusal:
        return refusal


def _row(cells: Mapping[str, str]) -> BankRow:
    key = cells["id"]
    if not key:
        raise Refused("The line has no id, so the panel could not tell whether it knows it.", field="id")
    if len(key) > LONGEST["id"]:
        raise Refused(f"An id has at most {LONGEST['id']} characters.", field="id")
    currency = cells["currency"].upper()
    if currency not in settings.CURRENCIES:
        raise Refused(
            f"“{cells['currency'][:20]}” is not one of {', '.join(settings.CURRENCIES)}.", field="currency"
        )
    amount = read_amount(cells["amount"])
    if amount <= 0:
        raise Refused("Nothing came in with this line. Only what is above zero is a payment.", field="amount")
    check_amount(amount, currency)
    return BankRow(
        key,
        read_day(cells["date"]),
        amount,
        currency,
        cells["payer"][: LONGEST["payer"]],
        cells["text"][: LONGEST["text"]],
    )


def read_amount(text: str) -> Decimal:
    """An amount as banks write it, with a point or a comma before one or two decimals. Raises Refused.

    What could be read in two ways, as 1,234, is refused rather than guessed.
    """
    if re.fullmatch(r"[+-]?\d{1,3}[.,]\d{3}", text.strip(), re.ASCII):
        raise Refused(f"“{text[:40]}” can be read in two ways. Write it with its decimals.", field="amount")
    readings = set()
    for pattern in _AMOUNTS:
        found = pattern.fullmatch(text.strip())
        if found is not None:
            sign, units, cents = found.groups()
            digits = re.sub(r"\D", "", units)
            readings.add(Decimal(f"{sign}{digits}.{cents or 0}"))
    if len(readings) == 1:
        return readings.pop()
    raise Refused(f"“{text[:40]}” is not an amount. Write it as 1234.56.", field="amount")


def read_day(text: str) -> date:
    """A day as 2026-02-15 or 20260215. Raises Refused."""
    found = _DAY.fullmatch(text)
    try:
        if found is not None:
            return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        pass
    raise Refused(f"“{text[:40]}” is not a date. Write it as 2026-02-15.", field="date")


def _unreadable(message: str) -> Refused:
    return Refused(f"{message} Nothing was changed.", rule=RULE, field="file")
