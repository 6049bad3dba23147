"""Usage in words and rows: what a meter's figures, its chart and a share of them look like on a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from billing import explain
from billing.engine import MeterTerms, Period, Pooling, Usage, UsageFacts
from billing.engine.figures import Figure, UsedPart, divisor_of, used_of
from billing.engine.usage import days_of_peaks, quantity_of
from billing.usage_queries import MeterNames, Meters, PeriodUsage

_DAY: Final = timedelta(days=1)
_RULES: Final = {
    Pooling.NONE: "USE-3",
    Pooling.PACKAGE: "USE-4",
    Pooling.AGENTS: "SUB-6",
    Pooling.PEAKS: "SUB-6",
    Pooling.TENANT: "SUB-7",
    Pooling.PRIMARY: "SUB-5",
}


def quantity_words(meter: MeterTerms, units: int) -> str:
    """Units as a bare figure: seconds as minutes."""
    return explain.quantity_words(quantity_of(units, divisor_of(meter)))


def used_words(meter: MeterTerms, names: MeterNames, units: int) -> str:
    """Units with what they are: 1,204 min, 25 agents."""
    figure = quantity_words(meter, units)
    if meter.is_call:
        return f"{figure} min"
    return f"{figure} {names.unit}{'' if units == 1 else 's'}"


def of_words(meter: MeterTerms, names: MeterNames, used: int, included: int) -> str:
    """What is used of what is included: 1,204 of 2,500 min."""
    return f"{quantity_words(meter, used)} of {used_words(meter, names, included)}"


def period_words(period: Period) -> str:
    """The first and the last day of a period: Jan 15, 2026 to Feb 14, 2026."""
    return f"{explain.day_words(period.start)} to {explain.day_words(period.end - _DAY)}"


class Bar(NamedTuple):
    """How much of an allowance is used, for components/meter.html."""

    label: str
    value: int
    max: int
    text: str
    tone: str


def bar_of(figure: Figure, names: MeterNames, expected: Figure | None = None) -> Bar | None:
    """A meter's bar, None where nothing is included. It warns where more than that is expected."""
    if not figure.included:
        return None
    tone = "bad" if figure.above else "warn" if expected is not None and expected.above else ""
    return Bar(
        names.name,
        figure.used,
        figure.included,
        of_words(figure.meter, names, figure.used, figure.included),
        tone,
    )


def bars_of(figures: Sequence[Figure], names: Mapping[str, MeterNames]) -> list[Bar]:
    """The bars of the meters of which something is included."""
    return [bar for figure in figures if (bar := bar_of(figure, names[figure.meter.code])) is not None]


def meter_rows(found: PeriodUsage, meters: Meters) -> list[dict[str, Any]]:
    """The meters of a period as the usage page shows them."""
    return [_meter_row(figure, found, meters) for figure in found.figures]


def _meter_row(figure: Figure, found: PeriodUsage, meters: Meters) -> dict[str, Any]:
    meter, code = figure.meter, figure.meter.code
    names = meters.names[code]
    expected = found.expected.get(code) if found.expected else None
    return {
        "code": code,
        "name": names.name,
        "bar": bar_of(figure, names, expected),
        "used": used_words(meter, names, figure.used),
        "records": figure.records,
        "above": used_words(meter, names, figure.above) if figure.included and figure.above else "",
        "notes": list(_notes(figure, names, found.usage)),
        "rule": _RULES[meter.pooling],
        "late": found.late.get(code, 0),
        "is_unrated": code in found.cost.unrated,
        "cost": found.cost_of(code),
        "expected": used_words(meter, names, _whole(meter, expected.used)) if expected else "",
        "expected_cost": found.expected_cost.of(code) if found.expected_cost else None,
    }


def _whole(meter: MeterTerms, units: int) -> int:
    """An estimate in whole minutes: its seconds would say more than is known."""
    divisor = divisor_of(meter)
    return (units + divisor // 2) // divisor * divisor


def _notes(figure: Figure, names: MeterNames, usage: Usage) -> Sequence[str]:
    """What has to be known to understand a meter's figure; dates are ISO, for a template to localise."""
    if figure.parts:
        is_cut = len(figure.parts) > 1
        return [_part_words(part, is_cut=is_cut) for part in figure.parts if part.part.package or is_cut]
    if figure.peak is not None:
        return [f"The day that decides is {figure.peak.on.isoformat()}"] if figure.peak.used else []
    if figure.meter.pooling == Pooling.AGENTS and usage.is_named:
        return ["Different agents of the period"]
    return []


def _part_words(part: UsedPart, *, is_cut: bool) -> str:
    package = part.part.package
    dates = explain.days_words(part.part.starts_on, part.part.ends_on)
    minutes = explain.quantity_words(quantity_of(part.used, 60))
    if package is None:
        return f"{dates}: {minutes} min without a package"
    included = explain.quantity_words(part.part.included)
    return f"{dates}: {minutes} of {included} min" if is_cut else f"Package of {included} min"


# --- charts ----------------------------------------------------------------------------------


def charts_of(found: PeriodUsage, meters: Meters) -> list[dict[str, Any]]:
    """A chart of the calls by day, all kinds on one another, and one of each other meter by itself."""
    days = [found.period.start + _DAY * number for number in range(found.period.days)]
    daily = _daily(found)
    calls = [code for code in daily if meters.terms[code].is_call]
    charts = []
    if calls:
        series = [
            {
                "label": meters.names[code].name,
                "values": [Decimal(daily[code].get(on, 0)) / divisor_of(meters.terms[code]) for on in days],
            }
            for code in calls
        ]
        charts.append({"title": "Minutes by day", "unit": "min", "days": days, "series": series})
    others = (code for code in daily if code not in calls)
    return [*charts, *(_chart(code, found, meters, days, daily[code]) for code in others)]


def _chart(
    code: str, found: PeriodUsage, meters: Meters, days: Sequence[date], values: Mapping[date, int]
) -> dict[str, Any]:
    names = meters.names[code]
    series = [{"label": names.name, "values": [Decimal(values.get(on, 0)) for on in days]}]
    chart: dict[str, Any] = {
        "title": f"{names.name} by day",
        "unit": f"{names.unit}s",
        "days": days,
        "series": series,
    }
    if meters.terms[code].pooling in (Pooling.AGENTS, Pooling.PEAKS):
        included = [day.included for day in days_of_peaks(code, found.usage, found.period, ())]
        if any(included):
            chart["limit"] = {"label": "Committed", "values": [Decimal(value) for value in included]}
    return chart


def _daily(found: PeriodUsage) -> dict[str, dict[date, int]]:
    """What each meter used on each day, in the meters' order; of a daily pool the peaks of all together."""
    usage = found.usage
    daily: dict[str, dict[date, int]] = {}
    for figure in found.figures:
        meter = figure.meter
        own = [fact for fact in usage.facts if fact.meter == meter.code]
        if not own:
            continue
        is_pool = meter.pooling == Pooling.PEAKS or (meter.pooling == Pooling.AGENTS and not usage.is_named)
        if is_pool:
            days = days_of_peaks(meter.code, usage, found.period, own)
            daily[meter.code] = {day.on: day.used for day in days}
            continue
        by_day: dict[date, list[UsageFacts]] = defaultdict(list)
        for fact in own:
            by_day[fact.on].append(fact)
        daily[meter.code] = {
            on: used_of(meter, facts, is_named=usage.is_named) for on, facts in by_day.items()
        }
    return daily
