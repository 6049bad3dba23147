"""The one way in which a rule says no."""

from __future__ import annotations


class Refused(Exception):
    """An action that a rule refuses. Nothing has been changed.

    `message` is a sentence for the person who asked; `rule` the number it follows (`NUM-8`), which
    pages link to its help; `field` the form field it belongs to, or None for the whole form.
    """

    def __init__(self, message: str, *, rule: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.rule = rule
        self.field = field

    def __str__(self) -> str:
        return self.message
