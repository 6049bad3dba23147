"""Extensions: one space of numbers that an account's end users and services share (NUM-6)."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts.models import Account, EndUser, ExtensionClaim
from accounts.refusals import Refused


class HasExtension(Protocol):
    """What can have an extension: an end user, or a service of telephony's."""

    _meta: ClassVar[Any]
    pk: Any
    account: Any
    extension: Any


def set_extension(holder: HasExtension, extension: str) -> None:
    """Give a saved `holder` this extension in place of the one it has; with "" it has none.

    Sets `holder.extension` and leaves saving it to the caller, in whose transaction this runs.
    Raises Refused where the extension is not of the account's length or somebody has it (NUM-6).
    """
    extension = extension.strip()
    check_extension(holder.account, extension)
    key = holder_key(holder)
    claims = ExtensionClaim.objects.filter(account=holder.account)
    if not extension:
        claims.filter(holder=key).delete()
    else:
        try:
            # The constraints decide between two who ask at once.
            with transaction.atomic():
                claims.update_or_create(account=holder.account, holder=key, defaults={"extension": extension})
        except IntegrityError as error:
            raise _taken(holder.account, extension) from error
    holder.extension = extension


def free_extension(holder: HasExtension) -> None:
    """Give the extension of one who goes back to the account; the holder keeps it in its own record."""
    ExtensionClaim.objects.filter(account=holder.account, holder=holder_key(holder)).delete()


def check_extension(account: Account, extension: str) -> None:
    """Raise Refused unless `extension` is empty or digits of the account's length (NUM-6)."""
    length = account.extension_length
    if extension and not (extension.isascii() and extension.isdigit() and len(extension) == length):
        raise Refused(
            f"Extensions of this account have {length} digits, like {example(account)}.",
            rule="NUM-6",
            field="extension",
        )


def next_free_extension(account: Account) -> str:
    """The extension after the highest one taken, or the first above 100…; "" where the end is reached."""
    highest = (
        ExtensionClaim.objects.filter(account=account)
        .order_by("-extension")
        .values_list("extension", flat=True)
        .first()
    )
    if highest is None:
        return example(account)
    following = str(int(highest) + 1).zfill(account.extension_length)
    return following if len(following) == account.extension_length else ""


def example(account: Account) -> str:
    """An extension of the account's length, for help texts: 1001 where it is 4."""
    return f"1{'1':0>{account.extension_length - 1}}"


def holder_key(holder: HasExtension) -> str:
    """How a claim names whose it is: end-user:12, service:7."""
    return f"{slugify(holder._meta.verbose_name)}:{holder.pk}"


def _taken(account: Account, extension: str) -> Refused:
    claim = ExtensionClaim.objects.filter(account=account, extension=extension).first()
    whose = "somebody else"
    if claim is not None:
        kind, _, pk = claim.holder.partition(":")
        end_user = EndUser.objects.filter(pk=pk).first() if kind == "end-user" else None
        whose = str(end_user) if end_user else f"a {kind.replace('-', ' ')}"
    return Refused(
        f"Extension {extension} is taken by {whose}. Choose another.",
        rule="NUM-6",
        field="extension",
    )
