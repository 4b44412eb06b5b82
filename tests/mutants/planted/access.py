"""Bugs of tokens, sign-in, throttles, staff and requests that are sent again."""

from tests.mutants.mutant import Mutant

TOKENS, AUTHENTICATION, ACCOUNTS = "accounts/tokens.py", "accounts/authentication.py", "accounts/services.py"
STAFF, THROTTLES = "accounts/staff.py", "accounts/throttles.py"
PROVIDERS = "accounts/providers"
IDEMPOTENCY, TRANSACTIONS = "core/api/idempotency.py", "core/db/transactions.py"

MUTANTS = [
    # Refresh tokens
    Mutant(
        name="refresh-of-an-expired-token",
        bug="an expired refresh token is taken",
        file=TOKENS,
        fragment="if token.revoked_at or token.expires_at <= now:",
        replacement="if token.revoked_at:",
        caught_by=("tests/accounts/test_refresh.py::test_an_expired_token_is_refused",),
    ),
    Mutant(
        name="refresh-at-the-moment-of-expiry",
        bug="a refresh token is taken at the moment at which it expires",
        file=TOKENS,
        fragment="if token.revoked_at or token.expires_at <= now:",
        replacement="if token.revoked_at or token.expires_at < now:",
        caught_by=("tests/accounts/test_refresh.py::test_a_token_is_good_until_the_moment_at_which_it_expires",),
    ),
    Mutant(
        name="refresh-of-a-revoked-token",
        bug="a revoked refresh token is taken",
        file=TOKENS,
        fragment="if token.revoked_at or token.expires_at <= now:",
        replacement="if token.expires_at <= now:",
        caught_by=("tests/accounts/test_logout.py::test_logging_out_ends_the_token",),
    ),
    Mutant(
        name="refresh-reuse-revokes-nothing",
        bug="a stolen token is refused, but the tokens of its sign-in stay good",
        file=TOKENS,
        fragment="        revoke_family(user_id=token.user_id, family=token.family, reason=Reason.REUSED, now=now)\n",
        replacement="",
        caught_by=(
            "tests/accounts/test_refresh.py::test_an_old_token_that_comes_back_after_its_successor_was_used_revokes_all_of_the_family",
        ),
    ),
    Mutant(
        name="refresh-reuse-unseen",
        bug="a token whose successor was used is taken again",
        file=TOKENS,
        fragment="        rivals = RefreshToken.objects.filter(parent_id=token.pk)\n",
        replacement="        return False\n",
        caught_by=(
            "tests/accounts/test_refresh.py::test_an_old_token_that_comes_back_after_its_successor_was_used_revokes_all_of_the_family",
        ),
    ),
    Mutant(
        name="refresh-of-a-suspended-user",
        bug="a suspended user gets new tokens",
        file=TOKENS,
        fragment="    if not token.user.is_active:\n        return AccountSuspended()\n",
        replacement="",
        caught_by=(
            "tests/accounts/test_refresh.py::test_a_suspended_user_gets_none_either_with_a_token_that_nobody_revoked",
        ),
    ),
    Mutant(
        name="refresh-locks-no-user",
        bug="two refreshes with one token don't wait for each other",
        file=TOKENS,
        fragment="user = of_token.select_for_update(no_key=True).first()",
        replacement="user = of_token.first()",
        caught_by=(
            "tests/accounts/test_attacks_at_once.py::test_two_refreshes_at_once_with_one_token_both_succeed_and_leave_one_good_successor",
        ),
    ),
    Mutant(
        name="logout-of-one-token",
        bug="logging out leaves the other tokens of the sign-in good",
        file=TOKENS,
        fragment="revoke_family(user_id=token.user_id, family=token.family, reason=Reason.LOGGED_OUT, now=now)",
        replacement="RefreshToken.objects.filter(pk=token.pk, revoked_at=None).update(\n"
        "            revoked_at=now, revoked_reason=Reason.LOGGED_OUT\n        )",
        caught_by=("tests/accounts/test_logout.py::test_logging_out_with_any_token_of_a_sign_in_ends_all_of_them",),
    ),
    # Access tokens
    Mutant(
        name="access-for-a-week",
        bug="access tokens live as long as refresh tokens",
        file=TOKENS,
        fragment="token.set_exp(from_time=now)",
        replacement="token.set_exp(from_time=now, lifetime=settings.REFRESH_TOKEN_LIFETIME)",
        caught_by=("tests/accounts/test_refresh.py::test_lifetimes_are_as_configured",),
    ),
    Mutant(
        name="access-after-sessions-ended",
        bug="access tokens outlive the end of all sessions",
        file=AUTHENTICATION,
        fragment='if token.get("sessionsEnded", 0) != user.sessions_ended:',
        replacement='if token.get("sessionsEnded", 0) > user.sessions_ended:',
        caught_by=(
            "tests/accounts/test_my_sessions.py::TestAccessTokens::test_one_from_before_sessions_were_named_ends_with_all_sessions",
        ),
    ),
    Mutant(
        name="access-after-logout",
        bug="logging out leaves the access tokens of the session good",
        file=AUTHENTICATION,
        fragment='token.get("sid") in map(str, user.ended_sessions)',
        replacement='token.get("sid") in user.ended_sessions',
        caught_by=("tests/accounts/test_my_sessions.py::TestAccessTokens::test_logging_out_ends_them",),
    ),
    Mutant(
        name="access-for-the-leeway-longer",
        bug="an expired access token is good for as long as clocks may differ",
        file=AUTHENTICATION,
        fragment="        if is_expired:\n",
        replacement="        if not is_expired and False:\n",
        caught_by=("tests/accounts/test_my_sessions.py::TestClocks::test_none_lives_longer_for_that",),
    ),
    Mutant(
        name="session-of-another",
        bug="a user ends the session of another",
        file="accounts/sessions.py",
        fragment="newest = RefreshToken.objects.filter(user_id=user_id, first_used_at=None, revoked_at=None)",
        replacement="newest = RefreshToken.objects.filter(first_used_at=None, revoked_at=None)",
        caught_by=("tests/accounts/test_my_sessions.py::TestList::test_nobody_elses_are_listed",),
    ),
    Mutant(
        name="username-held-for-everybody-or-nobody",
        bug="a username that was given up is free at once",
        file="accounts/usernames.py",
        fragment="if held.filter(held_until__gt=now).exclude(user=user).exists():",
        replacement="if held.filter(held_until__lt=now).exclude(user=user).exists():",
        caught_by=("tests/accounts/test_usernames.py::TestHeld::test_nobody_else_gets_it_for_thirty_days",),
    ),
    Mutant(
        name="access-of-a-suspended-user",
        bug="a suspended user goes on with an access token",
        file=AUTHENTICATION,
        fragment="        if not user.is_active:\n            raise AccountSuspended\n",
        replacement="",
        caught_by=("tests/core/test_access_tokens.py::test_a_suspended_user_is_not_let_in",),
    ),
    # Passwords
    Mutant(
        name="password-change-keeps-sessions",
        bug="a new password leaves other devices signed in",
        file=ACCOUNTS,
        fragment="        tokens.revoke_other_sessions(user=held, session_id=session_id, reason=Reason.PASSWORD_CHANGED, now=now)\n",
        replacement="",
        caught_by=("tests/accounts/test_change_password.py::test_all_devices_are_signed_out_but_this_one",),
    ),
    Mutant(
        name="login-with-the-password-of-before",
        bug="a password that changed while it was checked still signs in",
        file=ACCOUNTS,
        fragment="        if held is None or held.password != user.password:\n            raise InvalidCredentials\n",
        replacement="        if held is None:\n            raise InvalidCredentials\n",
        caught_by=(
            "tests/accounts/test_attacks_at_once.py::test_a_login_with_the_old_password_while_it_changes_leaves_only_the_new_token",
        ),
    ),
    Mutant(
        name="login-of-a-suspended-user",
        bug="a suspended user signs in",
        file=TOKENS,
        fragment="if held is None or not held.is_active:",
        replacement="if held is None:",
        caught_by=("tests/accounts/test_login.py::test_a_suspended_user_is_told_so_after_the_right_password_only",),
    ),
    # Throttles
    Mutant(
        name="throttle-lifted-by-any-cookie",
        bug="the cookie of one account lifts the throttle of every other",
        file=THROTTLES,
        fragment='return f"device:{device}" if account == name_of_account(email) else None',
        replacement='return f"device:{device}"',
        caught_by=(
            "tests/accounts/test_throttles.py::TestManyAddresses::test_its_cookie_is_good_for_that_account_alone_and_cannot_be_made_up",
        ),
    ),
    Mutant(
        name="throttle-by-spelling",
        bug="an account has a limit for each spelling of its address",
        file=THROTTLES,
        fragment="return sha256(email.strip().casefold().encode",
        replacement="return sha256(email.encode",
        caught_by=("tests/accounts/test_throttles.py::test_one_account_is_tried_so_often_from_one_address",),
    ),
    Mutant(
        name="throttle-of-the-account-forgotten",
        bug="one account may be tried from many addresses without end",
        file=THROTTLES,
        fragment="LOGIN_THROTTLES = (LoginThrottle, AccountThrottle, AccountTotalThrottle)",
        replacement="LOGIN_THROTTLES = (LoginThrottle, AccountThrottle)",
        caught_by=(
            "tests/staff/test_admin_login.py::test_a_browser_that_was_signed_in_before_gets_in_whatever_others_try",
        ),
    ),
    # Staff
    Mutant(
        name="staff-touch-staff",
        bug="support suspends others of the staff",
        file=STAFF,
        fragment="if (user.is_staff or user.is_superuser) and not by.is_superuser:",
        replacement="if user.is_superuser and not by.is_superuser:",
        caught_by=("tests/staff/test_users_actions.py::test_support_does_not_lock_out_those_of_the_staff",),
    ),
    Mutant(
        name="staff-touch-themselves",
        bug="somebody of the staff gives credits to themselves",
        file=STAFF,
        fragment="    if by.pk == user.pk:\n        raise NotYourself\n",
        replacement="",
        caught_by=(
            "tests/staff/test_adjustments.py::test_nobody_gives_credits_to_themselves_nor_approves_a_gift_to_themselves",
        ),
    ),
    Mutant(
        name="staff-act-though-suspended",
        bug="who was suspended a moment ago still acts",
        file=STAFF,
        fragment="if not (by.is_active and by.is_staff):",
        replacement="if not by.is_staff:",
        caught_by=("tests/staff/test_users_actions.py::test_who_was_suspended_a_moment_ago_acts_no_more",),
    ),
    Mutant(
        name="staff-give-roles",
        bug="anybody of the staff gives roles",
        file=STAFF,
        fragment="    if by.user and not by.user.is_superuser:\n        raise NotAllowed\n",
        replacement="",
        caught_by=("tests/staff/test_roles.py::test_services_ask_by_themselves_whatever_page_calls_them",),
    ),
    Mutant(
        name="staff-action-not-recorded",
        bug="a suspension leaves no record",
        file="accounts/suspension.py",
        fragment="        record_action(action, by=by, target=user, reason=reason, before=before, after=after, now=now)\n",
        replacement="",
        caught_by=(
            "tests/staff/test_users_actions.py::test_a_suspended_user_is_out_at_once_and_stays_signed_out_when_restored",
        ),
    ),
    Mutant(
        name="suspension-keeps-sessions",
        bug="what was signed in before a suspension is signed in again after it",
        file="accounts/suspension.py",
        fragment="        tokens.end_all_sessions(user=user, reason=Reason.SUSPENDED, now=now)\n",
        replacement="",
        caught_by=(
            "tests/staff/test_users_actions.py::test_a_suspended_user_is_out_at_once_and_stays_signed_out_when_restored",
        ),
    ),
    # Signing in with a provider
    Mutant(
        name="provider-state-in-another-browser",
        bug="a callback signs in whoever opens it, in a browser that began nothing",
        file=f"{PROVIDERS}/models.py",
        fragment="return self.user_id is None and is_of(browser, self.browser_hash)",
        replacement="return self.user_id is None",
        caught_by=(
            "tests/accounts/providers/test_state.py::test_another_browsers_callback_signs_nobody_in_and_stays_good_for_its_own",
        ),
    ),
    Mutant(
        name="provider-state-of-another",
        bug="a state that was sent to one provider is taken from another",
        file=f"{PROVIDERS}/models.py",
        fragment="matching = self.filter(state_hash=digest(state), provider=provider, expires_at__gt=now)",
        replacement="matching = self.filter(state_hash=digest(state), expires_at__gt=now)",
        caught_by=("tests/accounts/providers/test_state.py::test_a_state_of_one_provider_is_nothing_to_the_others",),
    ),
    Mutant(
        name="provider-finish-without-the-code",
        bug="what came back in another browser is finished without the code of the start",
        file=f"{PROVIDERS}/models.py",
        fragment="return self.user_id == user_id and is_of(finish_code, self.finish_hash)",
        replacement="return self.user_id == user_id",
        caught_by=(
            "tests/accounts/providers/test_finish.py::test_a_code_of_another_start_an_invented_one_and_none_finish_nothing",
        ),
    ),
    Mutant(
        name="provider-links-to-another-user",
        bug="an account is linked to another user than the one who began",
        file=f"{PROVIDERS}/models.py",
        fragment="return self.user_id == user_id and is_of(finish_code, self.finish_hash)",
        replacement="return is_of(finish_code, self.finish_hash)",
        caught_by=(
            "tests/accounts/providers/test_connections.py::TestLinking::test_a_victim_who_opens_an_attackers_address_links_nothing",
        ),
    ),
    Mutant(
        name="provider-id-token-of-another-sign-in",
        bug="Google's ID token of another sign-in is taken",
        file=f"{PROVIDERS}/protocol.py",
        fragment='if not constant_time_compare(str(claims["nonce"]), nonce_of(verifier)):',
        replacement='if not claims["nonce"]:',
        caught_by=(
            "tests/accounts/providers/test_failures.py::test_an_id_token_that_is_not_of_this_sign_in_signs_nobody_in",
        ),
    ),
    Mutant(
        name="provider-email-not-verified-there",
        bug="an address that its provider hasn't verified becomes a new user's",
        file=f"{PROVIDERS}/profiles.py",
        fragment='return self.email if self.email_verified else ""',
        replacement="return self.email",
        caught_by=("tests/accounts/providers/test_emails.py::test_an_address_that_is_not_verified_there_is_nobodys",),
    ),
    Mutant(
        name="provider-account-counts-again",
        bug="an account at a provider makes a verified user each time that it is unlinked",
        file=f"{PROVIDERS}/sign_in.py",
        fragment="is_verified=profile.is_verified and not former.exists(),",
        replacement="is_verified=profile.is_verified,",
        caught_by=(
            "tests/accounts/providers/test_connections.py::TestUnlinking::test_a_new_user_of_an_account_that_was_unlinked_does_not_count_as_verified",
        ),
    ),
    Mutant(
        name="provider-unlinks-the-last",
        bug="the last way to sign in can be removed",
        file=f"{PROVIDERS}/connections.py",
        fragment="if account and not can_unlink(user, account, accounts):",
        replacement="if account and not accounts:",
        caught_by=("tests/accounts/providers/test_connections.py::TestUnlinking::test_the_last_way_to_sign_in_stays",),
    ),
    # Requests that are sent again
    Mutant(
        name="idempotency-without-the-body",
        bug="another body under the same key gets the first response",
        file=IDEMPOTENCY,
        fragment='asked = f"{request.method} {request.path_info}\\n".encode() + request._request.body',
        replacement='asked = f"{request.method} {request.path_info}\\n".encode()',
        caught_by=("tests/core/test_idempotency.py::test_another_body_under_the_same_key_is_refused",),
    ),
    Mutant(
        name="idempotency-without-the-path",
        bug="another path under the same key gets the first response",
        file=IDEMPOTENCY,
        fragment='asked = f"{request.method} {request.path_info}\\n".encode() + request._request.body',
        replacement='asked = f"{request.method}\\n".encode() + request._request.body',
        caught_by=("tests/core/test_idempotency.py::test_another_path_under_the_same_key_is_refused",),
    ),
    Mutant(
        name="idempotency-keeps-no-response",
        bug="the response isn't kept with the key",
        file=IDEMPOTENCY,
        fragment="    keep(claim, response)\n",
        replacement="",
        caught_by=(
            "tests/core/test_idempotency.py::test_the_same_request_gets_the_first_response_again_byte_for_byte",
        ),
    ),
    Mutant(
        name="idempotency-key-of-all-users",
        bug="a key that somebody used is taken for everybody",
        file=IDEMPOTENCY,
        fragment="SELECT request_hash, status, body FROM idempotency_keys\nWHERE user_id = %(user_id)s AND key = %(key)s",
        replacement="SELECT request_hash, status, body FROM idempotency_keys\nWHERE key = %(key)s",
        caught_by=(
            "tests/core/test_idempotency.py::test_nobody_gets_the_response_to_another_users_key_when_the_upstream_is_away",
        ),
    ),
    Mutant(
        name="retry-inside-the-transaction",
        bug="after a collision the same transaction goes on, which the database has undone",
        file=TRANSACTIONS,
        fragment="            return act()\n\n    return RETRIES.run(attempt, is_retriable=is_collision)",
        replacement="            return RETRIES.run(act, is_retriable=is_collision)\n\n    return attempt()",
        caught_by=("tests/economy/test_concurrency.py::test_a_collision_is_tried_again_a_few_times_then_raised",),
    ),
    Mutant(
        name="retry-of-everything",
        bug="what the database refuses for good is tried again and again",
        file=TRANSACTIONS,
        fragment="return isinstance(exc, OperationalError) and sqlstate_of(exc) in COLLISIONS",
        replacement="return True",
        caught_by=("tests/economy/test_concurrency.py::test_what_is_no_collision_is_not_tried_again",),
    ),
    # Leaving
    Mutant(
        name="leaving-keeps-sessions",
        bug="a user who deleted the account stays signed in",
        file=ACCOUNTS,
        fragment="        tokens.end_all_sessions(user=held, reason=Reason.LEFT, now=now)\n",
        replacement="",
        caught_by=("tests/accounts/test_leaving.py::TestLeaving::test_ends_all_sessions_and_access_tokens_at_once",),
    ),
    Mutant(
        name="leaving-without-the-password",
        bug="an access token alone deletes an account that has a password",
        file=ACCOUNTS,
        fragment="    if not user.has_usable_password():\n        return\n",
        replacement="    if not user.has_usable_password() or password is None:\n        return\n",
        caught_by=("tests/accounts/test_leaving.py::TestLeaving::test_needs_the_password_of_a_user_who_has_one",),
    ),
    Mutant(
        name="leaving-out-of-a-suspension",
        bug="whom staff suspend while they are leaving comes back by signing in",
        file="accounts/suspension.py",
        fragment="user.is_active, user.deletion_due_at = active, None",
        replacement="user.is_active = active",
        caught_by=("tests/accounts/test_leaving.py::TestComingBack::test_a_suspended_user_does_not_come_back_by_it",),
    ),
    Mutant(
        name="leaving-erases-who-came-back",
        bug="who signs in after the job has looked, and before it gets to them, is erased",
        file="ops/personal_data.py",
        fragment="        if user.deletion_due_at is None or user.deletion_due_at > now:\n            return None\n",
        replacement="",
        caught_by=("tests/ops/test_erase_users.py::test_who_comes_back_once_the_job_has_looked_stays",),
    ),
    Mutant(
        name="leaving-is-still-looked-at",
        bug="the public profile of a user who is leaving is shown",
        file="accounts/views.py",
        fragment="        if user is None or user.is_leaving:\n            raise NotFound",
        replacement="        if user is None:\n            raise NotFound",
        caught_by=("tests/accounts/test_leaving.py::TestWhileLeaving::test_nobody_sees_the_user",),
    ),
]
