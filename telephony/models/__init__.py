"""Numbers and services, and the contact center with its onboarding."""

from telephony.models.contact_center import ContactCenter, Edition, OnboardingNote, OnboardingState
from telephony.models.numbers import (
    NEEDS_NO_NUMBER,
    InventoryNumber,
    Number,
    NumberHolding,
    NumberKind,
    NumberState,
    Service,
    ServiceKind,
)
from telephony.models.porting import PortDirection, PortNumber, PortRequest, PortState

__all__ = [
    "NEEDS_NO_NUMBER",
    "ContactCenter",
    "Edition",
    "InventoryNumber",
    "Number",
    "NumberHolding",
    "NumberKind",
    "NumberState",
    "OnboardingNote",
    "OnboardingState",
    "PortDirection",
    "PortNumber",
    "PortRequest",
    "PortState",
    "Service",
    "ServiceKind",
]
