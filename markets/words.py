"""One analysis of words, for titles and for what somebody types to find them.

A text is folded (lower case, without accents) and split at all that is no letter or digit. A word with signs inside is
found by its parts in their order, and by its letters without the signs: "F-35" by `f 35` and `f35`, "U.S." by `us`. The
database does that to titles, in `market_search_vector`, of which the column `markets.search` is made; this module does
it to what was typed. The patterns of both are the same; a test compares them over generated titles.

The words that titles have are kept in `market_words`, by triggers: a typed word that begins none of them is replaced by
those that differ from it by one letter. No extension of PostgreSQL is needed for that.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from unicodedata import normalize

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Reverse

# In the notation that Python and PostgreSQL share; not as classes such as \w, which depend on the database's locale.
SPACES = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
SIGNS = (
    r"\u0001-\u0008\u000e-\u001b\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u0084\u0086-\u009f\u00a1-\u00a9"
    r"\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u02c2-\u02df\u055a-\u055f\u0589\u05be\u060c\u061b\u061f"
    r"\u066a-\u066d\u06d4\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2bff\u2e00-\u2e7f\u3001-\u3004\u3008-\u3020"
    r"\u3030\u30fb\ufe00-\ufe6f\ufeff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffff"
    r"\U0001f000-\U0001faff\U000e0000-\U000e0fff"
)
ACCENTS = r"\u0300-\u036f"
SPACE, SIGN, ACCENT = (re.compile(f"[{characters}]+") for characters in (SPACES, SIGNS, ACCENTS))
# Letters that are no other letter with an accent.
PLAIN = dict(zip("łđøıðħŧŋĸſς", "ldoidhtnksσ", strict=True))  # noqa: RUF001
PLAIN_LONG = {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
FOLDED = str.maketrans(PLAIN | PLAIN_LONG)

# What a word that nothing begins with must have, to be taken for a typo; and the longest word that is kept.
TYPO_LETTERS_MIN, WORD_MAX = 4, 40
LAST_CHARACTER = "\U0010ffff"


class MarketWord(models.Model):
    """A word of a market's title or of its event's, as `market_search_vector` has it. Triggers add it; it stays."""

    word = models.CharField(max_length=WORD_MAX, primary_key=True, db_collation="C")

    class Meta:
        db_table = "market_words"
        indexes = [models.Index(Reverse("word"), name="market_words_from_the_end")]

    def __str__(self) -> str:
        return self.word


def fold(text: str) -> str:
    """Return the text in lower case, without accents."""
    plain = ACCENT.sub("", normalize("NFD", text))
    return normalize("NFC", plain).lower().translate(FOLDED)


@dataclass(frozen=True, slots=True)
class Word:
    """What was typed between two spaces: its `parts` between signs, or, for a typo, the words taken `instead`."""

    parts: Sequence[str]
    instead: Sequence[str] = ()

    def query(self, *, prefix: bool, weight: str) -> str:
        """Return a tsquery. It needs no escaping: parts have no sign."""
        whole = f":{weight}" if weight else ""
        if self.instead:
            return "(" + " | ".join(f"'{word}'{whole}" for word in self.instead) + ")"
        beginning = f":*{weight}" if prefix else whole
        *first, last = self.parts
        in_order = " <-> ".join([*(f"'{part}'{whole}" for part in first), f"'{last}'{beginning}"])
        joined = "".join(self.parts)
        return f"({in_order} | '{joined}'{whole})" if first else in_order


@dataclass(frozen=True, slots=True)
class Words:
    """Words that somebody typed; none where it was signs alone.

    The last may be the beginning of a word, `all_begin` if each may be. Of whole words PostgreSQL looks up the rarest
    first; for a beginning it reads all that begin so.
    """

    words: Sequence[Word]
    all_begin: bool = False

    def __bool__(self) -> bool:
        return bool(self.words)

    @property
    def anywhere(self) -> str:
        """The tsquery for markets that have the words, in their title or their event's."""
        return self.query(prefix=True)

    def query(self, *, prefix: bool, weight: str = "") -> str:
        """Return a tsquery for all words. `prefix`: as beginnings, where they may be; `weight`: "A" for the title's."""
        last = len(self.words) - 1
        return " & ".join(
            word.query(prefix=prefix and (self.all_begin or number == last), weight=weight)
            for number, word in enumerate(self.words)
        )

    @property
    def parameters(self) -> dict[str, str]:
        """What MATCH and FOUND of the SQL take."""
        return {
            "words": self.anywhere,
            "title_words": self.query(prefix=True, weight="A"),
            "whole_words": self.query(prefix=False, weight="A"),
        }


FOUND = "market.search @@ to_tsquery('simple', %(words)s)"
# How well a market that was found matches: whole words of its title, beginnings of them, or its event's title.
MATCH = """CASE
    WHEN market.search @@ to_tsquery('simple', %(whole_words)s) THEN 2
    WHEN market.search @@ to_tsquery('simple', %(title_words)s) THEN 1
    ELSE 0
END"""


def parse_words(text: str) -> Words:
    """Return the words of what somebody typed."""
    typed = ([part for part in SIGN.split(piece) if part] for piece in SPACE.split(fold(text)))
    return Words([Word(parts) for parts in typed if parts])


def attempts(words: Words) -> Iterator[Words]:
    """Yield what to look for, each only to be taken where nothing was found so far.

    The words as they were typed, then each of them as a beginning, then without typos.
    """
    yield words
    if len(words.words) > 1:
        yield replace(words, all_begin=True)
    if corrected := correct(words):
        yield replace(corrected, all_begin=True)


def correct(words: Words) -> Words | None:
    """Return the words with those of titles that differ by a letter, for each that no title's word begins with.

    None where there is no such word, or nothing like it.
    """
    corrected = [replace(word, instead=similar(word.parts[0])) if is_typo(word) else word for word in words.words]
    changed = [word for word, before in zip(corrected, words.words, strict=True) if word is not before]
    return Words(corrected) if changed and all(word.instead for word in changed) else None


def is_typo(word: Word) -> bool:
    """Return whether it may be one: a word of some letters that begins no word of a title."""
    if len(word.parts) > 1 or not TYPO_LETTERS_MIN <= len(word.parts[0]) <= WORD_MAX:
        return False
    return not MarketWord.objects.filter(begins("word", word.parts[0])).exists()


def begins(field: str, letters: str) -> Q:
    """Return the condition for texts that begin so, as a range of an index."""
    return Q(**{f"{field}__gte": letters, f"{field}__lt": letters + LAST_CHARACTER})


def similar(word: str) -> list[str]:
    """Return the words of titles that one letter more, less or other makes of it, or two that change places.

    One of the two halves of such a word is the same: that is what the indexes look for.
    """
    middle = len(word) // 2
    head, tail = word[:middle], word[middle:]
    swapped = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
    there = MarketWord.objects.alias(letters=Length("word"), mirrored=Reverse("word"))
    candidates = there.filter(
        begins("word", head) | begins("mirrored", tail[::-1]) | Q(word=swapped),
        letters__gte=len(word) - 1,
        letters__lte=len(word) + 1,
    )
    return sorted(one for one in candidates.values_list("word", flat=True) if is_one_letter_apart(word, one))


def is_one_letter_apart(one: str, other: str) -> bool:
    """Return whether one letter more, less or other makes one of the other, or two neighbours that change places."""
    if len(one) > len(other):
        one, other = other, one
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[same:] == other[same + 1 :]
    swapped = one[same + 1 : same + 2] + one[same : same + 1] + one[same + 2 :]
    return one[same + 1 :] == other[same + 1 :] or swapped == other[same:]
