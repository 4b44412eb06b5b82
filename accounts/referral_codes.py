"""Referral codes: eight characters that can be read aloud, without 0, 1, I and O."""

import secrets

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LENGTH = 8


def new_referral_code() -> str:
    """One of 32⁸, about 10¹². The table's unique index tells when one is taken."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def normalised(code: str) -> str:
    """Codes are taken in any case."""
    return code.strip().upper()
