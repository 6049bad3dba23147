"""The token in a link with which a person chooses a password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth.tokens import PasswordResetTokenGenerator

if TYPE_CHECKING:
    from accounts.models import User


class LinkTokens(PasswordResetTokenGenerator):
    """Tokens that work once, for as long as the person signs in to no more than when the link was made.

    Whoever made the link may know it. One that is still unused when the person becomes a member of another
    account, gets another role, joins the staff or a partner would open what its maker may not, so it works no more.
    """

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        person: User = user
        places = sorted(person.memberships.values_list("account_id", "role"))
        staff = person.is_staff, person.is_superuser
        return f"{super()._make_hash_value(person, timestamp)}{staff}{person.partner_id}{places}"


link_tokens: Final = LinkTokens()
