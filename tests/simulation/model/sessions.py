"""Tokens: which are good, and what becomes of a sign-in whose tokens two hold (docs/architecture.md, "Signing in").

Each refresh issues a successor. The predecessor stays good until its successor is first used; a successor that was
never used is replaced. A predecessor that comes back after its successor was used revokes the whole family.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class Token:
    """A refresh token. `value`: None where its response was lost. `end`: why it isn't good any more."""

    value: str | None
    family: "Family"
    parent: "Token | None"
    expires_at: datetime
    was_used: bool = False
    end: str = ""
    successors: list["Token"] = field(default_factory=list)


@dataclass(slots=True)
class Family:
    """The tokens of one sign-in."""

    user: str
    tokens: list[Token] = field(default_factory=list)
    has_ended: bool = False

    def revoke(self, why: str) -> None:
        self.has_ended = True
        for token in self.tokens:
            token.end = token.end or why


@dataclass(slots=True)
class Access:
    """An access token: good until it expires, while its session goes on and its user's weren't all ended."""

    value: str
    user: str
    expires_at: datetime
    sessions_ended: int
    family: "Family"


@dataclass(slots=True)
class Sessions:
    """All tokens that were issued, by what they are."""

    refresh_days: int
    access_minutes: int
    by_value: dict[str, Token] = field(default_factory=dict)
    by_user: dict[str, list[Family]] = field(default_factory=dict)
    access: dict[str, Access] = field(default_factory=dict)

    def sign_in(self, user: str, refresh: str, access: str, *, sessions_ended: int, now: datetime) -> None:
        family = Family(user)
        self.by_user.setdefault(user, []).append(family)
        self._issue(family, None, refresh, now)
        self.grant(family, access, sessions_ended=sessions_ended, now=now)

    def grant(self, family: Family, access: str, *, sessions_ended: int, now: datetime) -> None:
        """Note an access token, in place of the user's last one."""
        expires_at = now + timedelta(minutes=self.access_minutes)
        self.access[family.user] = Access(access, family.user, expires_at, sessions_ended, family)

    def _issue(self, family: Family, parent: Token | None, value: str | None, now: datetime) -> Token:
        token = Token(value, family, parent, now + timedelta(days=self.refresh_days))
        family.tokens.append(token)
        if parent:
            parent.successors.append(token)
        if value:
            self.by_value[value] = token
        return token

    def known(self, values: Iterable[str]) -> list[Token]:
        """Return those of the tokens that were issued and not dropped."""
        return [self.by_value[value] for value in values if value in self.by_value]

    def judge(self, value: str, *, is_active: bool, now: datetime) -> str:
        """Return the code with which a refresh must be refused, or nothing."""
        token = self.by_value.get(value)
        if token is None:
            return "invalid_refresh_token"
        if self._came_back(token):
            return "token_reused"
        if token.end or token.expires_at <= now:
            return "invalid_refresh_token"
        return "" if is_active else "account_suspended"

    @staticmethod
    def _came_back(token: Token) -> bool:
        """Return whether a successor was used, of this token or of the one that it was to follow."""
        if token.end == "replaced" and token.parent:
            return any(other.was_used and not other.end for other in token.parent.successors)
        if token.end or not token.was_used:
            return False
        return any(other.was_used for other in token.successors)

    def refresh(self, value: str, successor: str | None, *, now: datetime) -> None:
        """Follow a refresh that was not refused. `successor`: None where the response was lost."""
        token = self.by_value[value]
        if token.was_used:
            for other in token.successors:
                if not other.was_used and not other.end:
                    other.end = "replaced"
        token.was_used = True
        self._issue(token.family, token, successor, now)

    def revoke_family_of(self, value: str, why: str) -> None:
        token = self.by_value.get(value)
        if token:
            token.family.revoke(why)

    def revoke_all(self, user: str, why: str) -> None:
        """Revoke all refresh tokens of a user."""
        for family in self.by_user.get(user, []):
            family.revoke(why)

    def revoke_others(self, kept: Family, why: str) -> None:
        """Revoke all refresh tokens of a user's sessions but one."""
        for family in self.by_user.get(kept.user, []):
            if family is not kept:
                family.revoke(why)

    def renew(self, family: Family, successor: str, *, now: datetime) -> bool:
        """Follow a renewal of a session; return whether there was a token to succeed, for a session that goes on."""
        newest = [token for token in family.tokens if not token.was_used and not token.end and token.expires_at > now]
        if not newest:
            return False
        newest[0].was_used = True
        self._issue(family, newest[0], successor, now)
        return True

    def drop(self, user: str) -> None:
        """Drop the tokens of a user who is erased: unknown from now on."""
        for family in self.by_user.pop(user, []):
            self._drop(family)
        self.access.pop(user, None)

    def drop_expired(self, now: datetime) -> None:
        """Drop tokens that the nightly job deletes."""
        for user, families in list(self.by_user.items()):
            for family in families:
                for token in family.tokens:
                    if token.expires_at <= now and token.value:
                        self.by_value.pop(token.value, None)
                family.tokens = [token for token in family.tokens if token.expires_at > now]
            self.by_user[user] = [family for family in families if family.tokens]

    def _drop(self, family: Family) -> None:
        for token in family.tokens:
            if token.value:
                self.by_value.pop(token.value, None)
