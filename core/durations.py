"""Lengths of time as operators write them: `7d`, `12h`, `15m`, `90s`, or a plain number of seconds."""

import re
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured

LONGEST = timedelta(days=3_650)
UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str, *, name: str) -> timedelta:
    """Raises ImproperlyConfigured, with the setting's name, for what isn't a time above zero and within ten years."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text.strip())
    length = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta() < length <= LONGEST:
        raise ImproperlyConfigured(f"{name} is {text!r}: give a time such as 7d, 12h, 15m or 900 (seconds).")
    return length
