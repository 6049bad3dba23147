"""Forms of finance's pages of rates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from accounts.models import Brand
from billing.models import Meter
from billing.rates import LONGEST_INCREMENT, MOST_DECIMALS, NewRate

MOST_BYTES: Final = 100 * 1024 * 1024
_DATE: Final = "Enter a date, like 2026-12-01."
_EVERY_BRAND: Final = "All brands"


def _currencies() -> list[tuple[str, str]]:
    return [(code, code) for code in settings.CURRENCIES]


def _date_input() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"})


class RateChooser(forms.Form):
    """For whom the rates are shown. What it does not know counts as its first choice."""

    brand = forms.ChoiceField(required=False)
    currency = forms.ChoiceField(required=False, choices=_currencies)

    def __init__(self, data: Any, *, brands: Iterable[Brand]) -> None:
        super().__init__(data)
        self.brands = {brand.slug: brand for brand in brands}
        cast(forms.ChoiceField, self.fields["brand"]).choices = [
            ("", _EVERY_BRAND),
            *((brand.slug, brand.name) for brand in self.brands.values()),
        ]
        self.is_valid()

    @property
    def chosen_brand(self) -> Brand | None:
        """The brand; None for all of them."""
        return self.brands.get(self.cleaned_data.get("brand") or "")

    @property
    def chosen_currency(self) -> str:
        """The currency; the panel's first one unless another is asked for."""
        return self.cleaned_data.get("currency") or settings.CURRENCIES[0]


class RateForm(forms.Form):
    """A rate of a meter from a day on."""

    per_unit = forms.DecimalField(
        min_value=0,
        max_digits=15,
        decimal_places=MOST_DECIMALS,
        widget=forms.NumberInput(attrs={"step": "any", "min": "0"}),
        error_messages={
            "required": "Enter what it costs.",
            "invalid": "Enter an amount, like 0.0125.",
            "min_value": "A rate is zero or more.",
        },
    )
    currency = forms.ChoiceField(choices=_currencies)
    brand = forms.ModelChoiceField(
        Brand.objects.none(),
        required=False,
        empty_label=_EVERY_BRAND,
        to_field_name="slug",
        help_text="A brand's own rate goes before the one for all brands, whichever is later.",
    )
    effective_on = forms.DateField(
        label="From",
        widget=_date_input(),
        help_text="Records from this day on have this rate.",
        error_messages={"required": _DATE, "invalid": _DATE},
    )
    minimum_seconds = forms.IntegerField(
        label="Minimum",
        initial=60,
        min_value=0,
        max_value=LONGEST_INCREMENT,
        help_text="A call is billed for so long at least.",
    )
    increment_seconds = forms.IntegerField(
        label="Step",
        initial=60,
        min_value=1,
        max_value=LONGEST_INCREMENT,
        help_text="Beyond the minimum it is rounded up to whole steps.",
    )

    def __init__(self, *args: Any, meter: Meter, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["per_unit"].label = f"Price of one {meter.unit}"
        cast("forms.ModelChoiceField[Brand]", self.fields["brand"]).queryset = Brand.objects.order_by("name")
        if not meter.is_call:
            del self.fields["minimum_seconds"], self.fields["increment_seconds"]

    def rate(self) -> NewRate:
        """What was asked for; the form is valid."""
        return NewRate(**self.cleaned_data)


class RerateForm(forms.Form):
    """Which records are rated anew."""

    first = forms.DateField(
        label="From", widget=_date_input(), error_messages={"required": _DATE, "invalid": _DATE}
    )
    currency = forms.ChoiceField(required=False)
    brand = forms.ModelChoiceField(
        Brand.objects.none(), required=False, empty_label=_EVERY_BRAND, to_field_name="slug"
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        cast(forms.ChoiceField, self.fields["currency"]).choices = [("", "All currencies"), *_currencies()]
        cast("forms.ModelChoiceField[Brand]", self.fields["brand"]).queryset = Brand.objects.order_by("name")


class DeckFilter(forms.Form):
    """What the rate deck is narrowed to. What it does not know filters nothing."""

    q = forms.CharField(
        label="Search prefixes and destinations",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"placeholder": "Prefix, number or destination"}),
    )
    on = forms.DateField(label="In force on", required=False, widget=_date_input())
    currency = forms.ChoiceField(required=False)
    brand = forms.ChoiceField(required=False)

    def __init__(self, data: Any, *, brands: Iterable[Brand]) -> None:
        super().__init__(data)
        cast(forms.ChoiceField, self.fields["currency"]).choices = [("", "All currencies"), *_currencies()]
        cast(forms.ChoiceField, self.fields["brand"]).choices = [
            ("", "Any"),
            ("-", "For all brands"),
            *((brand.slug, brand.name) for brand in brands),
        ]


class DeckUploadForm(forms.Form):
    """A file of rates."""

    file = forms.FileField(
        label="CSV file",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
        help_text="Up to 100 MB. Nothing is changed before you have seen what would become of each row.",
        error_messages={"required": "Choose a file.", "empty": "The file is empty."},
    )

    def clean_file(self) -> UploadedFile[Any]:
        """Not larger than what can be judged at once."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > MOST_BYTES:
            raise forms.ValidationError("The file is larger than 100 MB. Split it.")
        return file
