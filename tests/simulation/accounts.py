"""Signing up and in, refreshing, signing out, changing a password; and what comes back with tokens that aren't good."""

from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation import service
from tests.simulation.actions import STATUSES, Call, expect, number
from tests.simulation.model.ledger import User
from tests.simulation.model.world import World
from tests.simulation.service import Response

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

AUTH = "/api/v1/auth"
WEAK = ("12345678", "password", "short")


def check_me(me: dict[str, Any], user: User) -> None:
    """Check what users see of themselves."""
    for name, expected in {
        "id": user.id,
        "username": user.username,
        "creditBalance": user.balance,
        "availableCredits": user.available,
        "lockedCredits": user.locked,
        "expendedCredits": user.expended,
        "totalVolume": user.volume,
        "overallPnL": user.profit,
        "consecutiveDaysOnline": user.streak,
        "emailVerified": user.is_verified,
        "referralCount": user.referral_count,
        "referralCreditsEarned": user.referral_earned,
    }.items():
        expect(f"{name} of user {user.number}", me[name], expected)


class SignUp(Call):
    success = 201
    is_retried = False

    def __init__(self, number_: int, username: str, email: str, password: str, code: str | None) -> None:
        body = {"username": username, "email": email, "password": password, "name": f"Person {number_}"}
        super().__init__(None, f"{AUTH}/signup", body | ({} if code is None else {"referralCode": code}))
        self.number, self.code = number_, code or ""

    def refusals(self, world: World, now: datetime) -> set[str]:
        if self.body["password"] in WEAK:
            return {"validation_error"}
        codes = set()
        if world.email_taken(self.body["email"]):
            codes.add("email_taken")
        if world.username_taken(self.body["username"]):
            codes.add("username_taken")
        if self.code.strip() and world.by_referral_code(self.code) is None:
            codes.add("invalid_referral_code")
        return codes

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        me = body["user"]
        user = User(
            id=me["id"],
            number=self.number,
            username=self.body["username"],
            email=self.body["email"],
            password=self.body["password"],
            referral_code=me["referralCode"],
            created_at=now,
        )
        referrer = sim.world.by_referral_code(self.code) if self.code.strip() else None
        sim.world.register(user, referrer=referrer, now=now)
        self.users |= {user.id} | ({referrer.id} if referrer else set())
        check_me(me, user)
        signed_in(sim, user, body, now)

    def __str__(self) -> str:
        by = " with a code" if self.code else ""
        return f"u{self.number} signs up as {self.body['username']}, {self.body['email']}{by}"


def signed_in(sim: "Simulation", user: User, body: Any, now: datetime) -> None:
    user.note_sign_in(now)
    sim.world.sessions.sign_in(
        user.id, body["refreshToken"], body["accessToken"], sessions_ended=user.sessions_ended, now=now
    )
    sim.holds(user.id, body["refreshToken"])


class VerifyEmail(Call):
    is_retried = False
    # Of a token that was mailed; an access token is another.
    statuses = STATUSES | {"invalid_token": 400}

    def __init__(self, of: User, token: str) -> None:
        super().__init__(None, f"{AUTH}/email/verify", {"token": token})
        self.of, self.number = of.id, of.number
        self.users = {of.id} | ({of.referrer} if of.referrer else set())

    def refusals(self, world: World, now: datetime) -> set[str]:
        user = world.users[self.of]
        if user.erased or user.is_verified:
            return {"invalid_token"}
        if user.deletion_due_at:
            return {"account_leaving"}
        return set() if user.is_active else {"account_suspended"}

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        sim.world.verify(sim.world.users[self.of], now=now)

    def __str__(self) -> str:
        return f"u{self.number} verifies the e-mail address"


class LogIn(Call):
    is_retried = False

    def __init__(self, user: User, email: str, password: str) -> None:
        super().__init__(None, f"{AUTH}/login", {"email": email, "password": password})
        self.of, self.number, self.users = user.id, user.number, {user.id}

    def refusals(self, world: World, now: datetime) -> set[str]:
        user = world.users[self.of]
        if user.erased or self.body["email"].lower() != user.email.lower() or self.body["password"] != user.password:
            return {"invalid_credentials"}
        return set() if user.is_active or user.deletion_due_at else {"account_suspended"}

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        user = sim.world.users[self.of]
        expect("who was leaving is told that the account is restored", body["restored"], sim.world.come_back(user))
        check_me(body["user"], user)
        signed_in(sim, user, body, now)

    def __str__(self) -> str:
        return f"u{self.number} logs in with {self.body['password']!r}"


class Refresh(Call):
    is_retried = False

    def __init__(self, of: User, token: str) -> None:
        super().__init__(None, f"{AUTH}/refresh", {"refreshToken": token})
        self.of, self.number, self.users = of.id, of.number, {of.id}

    def refusals(self, world: World, now: datetime) -> set[str]:
        code = world.sessions.judge(self.body["refreshToken"], is_active=world.users[self.of].is_active, now=now)
        return {code} if code else set()

    def refused(self, sim: "Simulation", result: Response) -> None:
        if result.code == "token_reused":
            sim.world.sessions.revoke_family_of(self.body["refreshToken"], "reused")
        sim.lets_go(self.of, self.body["refreshToken"])

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        user, sent = sim.world.users[self.of], self.body["refreshToken"]
        sim.world.sessions.refresh(sent, body["refreshToken"], now=now)
        family = sim.world.sessions.by_value[sent].family
        sim.world.sessions.grant(family, body["accessToken"], sessions_ended=user.sessions_ended, now=now)
        sim.holds(user.id, body["refreshToken"])

    def __str__(self) -> str:
        return f"u{self.number} refreshes a token"


class LogOut(Call):
    is_retried = False

    def __init__(self, of: User, token: str) -> None:
        super().__init__(None, f"{AUTH}/logout", {"refreshToken": token})
        self.of, self.number, self.users = of.id, of.number, {of.id}

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        sim.world.sessions.revoke_family_of(self.body["refreshToken"], "logged out")

    def __str__(self) -> str:
        return f"u{self.number} logs out"


class ChangePassword(Call):
    is_retried = False

    def __init__(self, user: User, current: str, new: str) -> None:
        body = {"currentPassword": current, "newPassword": new}
        super().__init__(user, "/api/v1/auth/password/change", body)
        self.number = user.number

    def refusals(self, world: World, now: datetime) -> set[str]:
        user = world.users[str(self.user)]
        if self.body["currentPassword"] != user.password:
            return {"wrong_password"}
        if self.body["newPassword"] in WEAK:
            return {"validation_error"}
        # Let in before the user left at the same moment.
        return {"account_leaving"} if user.deletion_due_at else set()

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        user = sim.world.users[str(self.user)]
        user.password = self.body["newPassword"]
        sessions = sim.world.sessions
        family = sessions.access[user.id].family
        sessions.revoke_others(family, "password changed")
        check_me(body["user"], user)
        if sessions.renew(family, body["refreshToken"], now=now):
            sessions.grant(family, body["accessToken"], sessions_ended=user.sessions_ended, now=now)
            sim.holds(user.id, body["refreshToken"])
        else:
            signed_in(sim, user, body, now)

    def __str__(self) -> str:
        return f"u{self.number} changes the password"


class Leave(Call):
    method = "DELETE"
    is_retried = False

    def __init__(self, user: User, password: str | None) -> None:
        super().__init__(user, "/api/v1/users/me", {} if password is None else {"password": password})
        self.number = user.number

    def refusals(self, world: World, now: datetime) -> set[str]:
        if "password" not in self.body:
            return {"validation_error"}
        return {"wrong_password"} if self.body["password"] != world.users[str(self.user)].password else set()

    def refusals_of_racers(self, codes: set[str]) -> set[str]:
        return {"account_suspended"}

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        user = sim.world.users[str(self.user)]
        # Who left at the same moment by another request keeps the date.
        if user.deletion_due_at is None:
            sim.world.leave(user, now)
        assert user.deletion_due_at
        said = f"{user.deletion_due_at:%Y-%m-%dT%H:%M:%S}.{user.deletion_due_at.microsecond // 1000:03}Z"
        expect("who leaves is told until when they may come back", body["deletionDueAt"], said)

    def __str__(self) -> str:
        return f"u{self.number} deletes the account"


class Me(Call):
    method = "GET"

    def __init__(self, user: User) -> None:
        super().__init__(user, f"{AUTH}/me")
        self.number = user.number

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        check_me(body["user"], sim.world.users[str(self.user)])

    def __str__(self) -> str:
        return f"u{self.number} looks at /auth/me"


class MyTransactions(Call):
    method = "GET"

    def __init__(self, user: User) -> None:
        super().__init__(user, "/api/v1/transactions/me?limit=1")
        self.number = user.number

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        user = sim.world.users[str(self.user)]
        expect("all ledger entries are listed", body["total"], user.entries)
        if user.entries:
            expect("the newest entry has the balance", number(body["transactions"][0]["balanceAfter"]), user.balance)

    def __str__(self) -> str:
        return f"u{self.number} looks at the ledger entries"


class MyReferrals(Call):
    method = "GET"

    def __init__(self, user: User) -> None:
        super().__init__(user, "/api/v1/referrals/me")
        self.number = user.number

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        user = sim.world.users[str(self.user)]
        expect("referrals are counted", body["referralCount"], user.referral_count)
        expect("referral bonuses are counted", number(body["referralCreditsEarned"]), user.referral_earned)

    def __str__(self) -> str:
        return f"u{self.number} looks at the referrals"


# -- Drawing


def draw_sign_up(sim: "Simulation", random: Random) -> Call:
    number_ = sim.number
    username, email = f"user_{number_}", f"user_{number_}@example.com"
    others = sim.present()
    if others and random.random() < 0.1:
        email = random.choice(others).email.replace("example", "EXAMPLE")
    if others and random.random() < 0.1:
        username = random.choice(others).username.upper()
    code = None
    if others and random.random() < 0.6:
        # A few bring most, so that caps are reached.
        referrer = others[min(len(others) - 1, int(random.expovariate(0.5)))]
        code = referrer.referral_code if random.random() < 0.95 else "NOSUCH22"
        code = f" {code.lower()} " if random.random() < 0.3 else code
    password = random.choice(WEAK) if random.random() < 0.03 else f"correct horse {number_}"
    return SignUp(number_, username, email, password, code or None)


def draw_verify_email(sim: "Simulation", random: Random) -> Call | None:
    """Mostly of somebody who isn't verified; now and then with a token of somebody who is."""
    waiting = [user for user in sim.present() if not user.is_verified]
    user = sim.pick(random, waiting) if random.random() < 0.9 else sim.anybody(random)
    return VerifyEmail(user, service.verification_token(user.id, sim.time.now)) if user else None


def draw_log_in(sim: "Simulation", random: Random) -> Call | None:
    user = sim.anybody(random)
    if user is None:
        return None
    password = "wrong horse" if random.random() < 0.15 else user.password
    return LogIn(user, user.email.upper() if random.random() < 0.2 else user.email, password)


def draw_refresh(sim: "Simulation", random: Random) -> Call | None:
    user = sim.somebody(random)
    if user is None:
        return None
    held = sim.held_tokens(user.id)
    if not held or random.random() < 0.02:
        return Refresh(user, f"forged-{random.random()}")
    # Mostly the newest; now and then one that comes back.
    return Refresh(user, held[-1] if random.random() < 0.6 else random.choice(held))


def draw_log_out(sim: "Simulation", random: Random) -> Call | None:
    user = sim.somebody(random)
    if user is None:
        return None
    held = sim.held_tokens(user.id)
    return LogOut(user, random.choice(held) if held else "unknown")


def draw_change_password(sim: "Simulation", random: Random) -> Call | None:
    user = sim.somebody(random)
    if user is None:
        return None
    current = "wrong horse" if random.random() < 0.2 else user.password
    return ChangePassword(user, current, "12345678" if random.random() < 0.1 else f"battery staple {sim.number}")


def draw_leave(sim: "Simulation", random: Random) -> Call | None:
    user = sim.somebody(random)
    if user is None:
        return None
    draw = random.random()
    return Leave(user, None if draw < 0.1 else "wrong horse" if draw < 0.25 else user.password)


def draw_look(sim: "Simulation", random: Random) -> Call | None:
    user = sim.somebody(random)
    if user is None:
        return None
    return random.choice((Me, MyTransactions, MyReferrals))(user)
