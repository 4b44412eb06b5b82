"""GET /api/v1/markets?q=…: words, or beginnings of words, of the title and of the event's title."""

import pytest

from tests.markets.factories import MARKETS, add_market, add_past, every_id, ids, publish, read

pytestmark = pytest.mark.django_db
TITLES = [
    "Will Kevin Warsh be nominated as Fed Chair?",
    "Will Kevin Hassett be nominated as Fed Chair?",
    "Bitcoin Up or Down - March 12, 5:20AM-5:25AM ET",
    "Lakers vs. Celtics: O/U 224.5",
    "Will U.S. inflation be above 2.5%?",
    "Will Müller-Brandt win in Köln?",
    "Will it close 3-0 on 2026-02-13?",
    "Who wins at twitch.tv/finals?",
    "¿Ganará Peñarol? 🏆",
    "Will O'Brien's bill pass? \\ 100% sure",
    "Will he say “Rigged” — or ‘Stolen’ – at D’Angelo’s…?",  # noqa: RUF001
]


@pytest.fixture
def library(db):
    markets = [add_market(title=title) for title in TITLES]
    publish()
    return markets


def found(api, words: str, **query) -> list[str]:
    body = read(api, q=words, **query)
    assert body["total"] == body["count"]
    return sorted(market["title"] for market in body["data"])


@pytest.mark.parametrize(
    "words", ["kevin", "KEVIN", "kev", "fed chair", "chair fed", "fed, chair!", "nominat", "k fed"]
)
def test_words_and_beginnings_of_words_are_found_in_any_order_and_case(library, api, words):
    assert found(api, words) == sorted(TITLES[:2])


@pytest.mark.parametrize("title", TITLES)
def test_a_title_finds_its_market(library, api, title):
    assert title in found(api, title)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("warsh", 0), ("bitcoin march", 2), ("5:20am", 2), ("O/U", 3), ("224.5", 3), ("224", 3), ("U.S.", 4), ("2.5", 4),
        ("2.5%", 4), ("müller", 5), ("MÜLLER-BRANDT", 5), ("brandt", 5), ("köln", 5), ("3-0", 6), ("2026-02-13", 6),
        ("twitch.tv", 7), ("peñarol", 8), ("ganará", 8), ("o'brien", 9), ("O'Brien's", 9), ("100%", 9), ("\\ sure", 9),
        ("rigged", 10), ("stolen", 10), ("“rigged”", 10), ("D'Angelo", 10), ("d’angelo", 10),  # noqa: RUF001
    ],
)  # fmt: skip
def test_words_are_read_in_the_question_as_they_are_in_the_title(library, api, words, number):
    assert found(api, words) == [TITLES[number]]


@pytest.mark.parametrize("words", ["vin", "warsh hassett", "kevin bitcoin", "xyzzy", "26"])
def test_what_no_word_begins_with_is_not_found(library, api, words):
    assert found(api, words) == []


@pytest.mark.parametrize(
    "words", ["!", "&", "| |", "':*", "🏆", "---", "%", "\\", "''", "<->", "(", "!!!&&&", "½", "_", "“”", "—"]
)
def test_symbols_alone_find_nothing(library, api, words):
    assert found(api, words) == []


@pytest.mark.parametrize(
    "words",
    [
        "kevin & !fed",
        "kevin:*",
        "kevin:A",
        "'kevin'",
        "kevin <-> warsh",
        "kevin\\",
        "a' | b:*",
        "<b>kevin</b>",
        "((kevin",
        "kevin'); --",
    ],
)
def test_operators_are_no_more_than_symbols(library, api, words):
    assert api.get(MARKETS, {"q": words}).status_code == 200


def test_a_hundred_characters_are_taken(library, api):
    for words in ("a " * 50, "x" * 100, "a-" * 50, "'" * 100, "\\" * 100, "é" * 100, "1." * 50, "/a" * 50):
        assert api.get(MARKETS, {"q": words}).status_code == 200


def test_letters_sent_unescaped_are_read_as_utf_8(library, api):
    assert ids(api.get(f"{MARKETS}?q=Köln").json()) == ids(read(api, q="köln"))
    assert len(ids(read(api, q="köln"))) == 1


def test_the_title_of_the_event_counts(api, db):
    market = add_market(title="Carolina Hurricanes", event_title="2026 NHL Stanley Cup Champion")
    assert ids(read(api, q="stanley hurricanes")) == [str(market.pk)]


def test_status_and_category_narrow_a_search(library, api):
    past = add_past("resolved", title="Did Kevin resign?", category="politics")
    assert ids(read(api, q="kevin", status="resolved")) == [str(past.pk)]
    assert read(api, q="kevin")["total"] == 2
    assert read(api, q="kevin", status="all")["total"] == 3
    assert ids(read(api, q="kevin", status="all", category="Politics")) == [str(past.pk)]


@pytest.mark.parametrize("sort", ["trending", "newest", "ending", "liquidity", "volume"])
def test_matches_are_paged_each_once(library, api, sort):
    for number in range(7):
        add_past("closed", title=f"Will Kevin {number}?")
    found = every_id(api, q="kevin", status="all", sort=sort, limit=2)
    assert len(found) == len(set(found)) == 9
    assert found == ids(read(api, q="kevin", status="all", sort=sort))
