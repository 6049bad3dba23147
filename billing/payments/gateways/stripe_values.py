"""What Stripe's values are in the panel's: amounts, card brands, reasons of declines. Nothing is asked here."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from billing.payments.gateways.base import GatewayRefused

# Stripe counts in these steps, which are not those of ISO 4217 everywhere: krónur and Ugandan shillings are sent
# as hundredths that are always whole ones, and ariary as they are. https://docs.stripe.com/currencies
_WITHOUT_DECIMALS: Final = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)
_WITH_THREE: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
_WHOLE_HUNDREDTHS: Final = frozenset({"ISK", "UGX"})

_BRANDS: Final = {
    "american_express": "American Express",
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "diners_club": "Diners Club",
    "discover": "Discover",
    "eftpos_au": "Eftpos Australia",
    "eftpos_australia": "Eftpos Australia",
    "interac": "Interac",
    "jcb": "JCB",
    "link": "Link",
    "mastercard": "Mastercard",
    "union_pay": "UnionPay",
    "unionpay": "UnionPay",
    "visa": "Visa",
}
_BANK_BUSY: Final = "The bank could not answer. Nothing was charged. Try again in a few minutes."
_NOT_THIS: Final = "The card does not allow this payment. Use another card, or ask the bank that issued it."
_TOO_MUCH: Final = "The card has reached its limit. Use another card, or ask the bank that issued it."
_EXPIRED: Final = "The card has expired. Use another card."
_WORDS: Final = {
    "authentication_required": "The bank wants this payment to be confirmed. Pay it here, where you can do that.",
    "card_declined": "The card was declined. Use another card, or ask the bank that issued it.",
    "card_decline_rate_limit_exceeded": "The card was declined too often. Use another card, or try tomorrow.",
    "card_not_supported": _NOT_THIS,
    "card_velocity_exceeded": _TOO_MUCH,
    "currency_not_supported": _NOT_THIS,
    "expired_card": _EXPIRED,
    "insufficient_funds": "The card was declined: there is too little money on it. Use another card.",
    "issuer_not_available": _BANK_BUSY,
    "payment_intent_authentication_failure": "The payment was not confirmed. Pay again, or use another card.",
    "processing_error": _BANK_BUSY,
    "reenter_transaction": _BANK_BUSY,
    "transaction_not_allowed": _NOT_THIS,
    "try_again_later": _BANK_BUSY,
    "withdrawal_count_limit_exceeded": _TOO_MUCH,
}
# Of a card that is lost, stolen or watched, whoever holds it is told no more than of any other.
_OTHERWISE: Final = "The payment was declined. Use another card, or ask the bank that issued this one."


def decline_words(code: str) -> str:
    """A sentence for the person, for Stripe's code of a decline."""
    return _WORDS.get(code, _OTHERWISE)


def brand_name(brand: str) -> str:
    """A card's brand as it is written, for Stripe's word for it."""
    return _BRANDS.get(brand, "Card")


def to_minor(amount: Decimal, currency: str) -> int:
    """An amount as Stripe counts it: 29.99 USD is 2999, 500 JPY is 500.

    Raises GatewayRefused for one that Stripe cannot take, such as half a króna.
    """
    minor = amount.scaleb(_decimals(currency))
    step = 100 if currency in _WHOLE_HUNDREDTHS else 10 if currency in _WITH_THREE else 1
    if minor != minor.to_integral_value() or int(minor) % step:
        raise GatewayRefused(f"{amount} {currency} is no amount that Stripe takes")
    return int(minor)


def to_major(minor: int, currency: str) -> Decimal:
    """An amount as it is counted here: 2999 of USD are 29.99."""
    return Decimal(minor).scaleb(-_decimals(currency))


def _decimals(currency: str) -> int:
    if currency in _WITHOUT_DECIMALS:
        return 0
    return 3 if currency in _WITH_THREE else 2
