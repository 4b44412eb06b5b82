"""What people write about themselves: one can see it, it has no control characters, and it can't turn round what stands
beside it."""

import re
import unicodedata

# They change the direction of all that follows, outside the name too.
DIRECTION_CHANGES = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Letters, by their category, that show nothing: the Hangul fillers, and the blank of Braille.
BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
CONTROLS = {"Cc", "Cs", "Zl", "Zp"}


def without_controls(text: str, *, keep: str = "") -> str:
    """Control characters and line breaks, but for those in `keep`, become spaces; trimmed, composed (NFC)."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    kept = (" " if unicodedata.category(letter) in CONTROLS and letter not in keep else letter for letter in text)
    return re.sub(" {2,}", " ", "".join(kept)).strip()


def changes_direction(text: str) -> bool:
    return DIRECTION_CHANGES.search(text) is not None


def can_be_seen(text: str) -> bool:
    return any(unicodedata.category(letter)[0] in "LNPS" and letter not in BLANK_LETTERS for letter in text)
