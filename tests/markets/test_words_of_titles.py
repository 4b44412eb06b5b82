"""GET /api/v1/markets?q=…: words are found however they are written, the best match first, and typos of one letter."""

import re
from unicodedata import combining, normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from core.db.sql import execute, fetch_value
from markets.listings import SEARCH_TOTAL_MAX
from markets.models import Market, MarketWord
from markets.words import fold, is_one_letter_apart, parse_words
from tests.markets.factories import MARKETS, add_event, add_market, add_outcome, add_past, every_id, ids, publish, read

pytestmark = pytest.mark.django_db
WRITTEN = [
    ("GPT 5", "Will GPT-5 be released in 2026?"),
    ("gpt5", "Will GPT-5 be released in 2026?"),
    ("64000", "Will Bitcoin reach $64,000?"),
    ("64,000", "Will Bitcoin reach $64,000?"),
    ("$64 000", "Will Bitcoin reach $64,000?"),
    ("Calin", "Will Călin Georgescu win?"),
    ("CĂLIN", "Will Călin Georgescu win?"),
    ("Slawomir", "Will Sławomir Mentzen win?"),
    ("harris", "Biden/Harris or Trump/Vance?"),
    ("eth", "BTC/ETH above 20?"),
    ("35", "Will an F-35 be shot down?"),
    ("f35", "Will an F-35 be shot down?"),
    ("us", "Will the U.S. leave NATO?"),
    ("u.s", "Will the U.S. leave NATO?"),
    ("strasse", "Wird die Straße gesperrt?"),
    ("ΑΘΉΝΑ", "Θα βρέξει στην Αθήνα;"),
    ("москва", "Выиграет ли МОСКВА?"),  # noqa: RUF001
    ("dont", "Will they say \u201cdon\u2019t\u201d?"),
]


@pytest.fixture(scope="module")
def titles():
    return sorted({title for _, title in WRITTEN})


@pytest.fixture
def library(db, titles):
    for title in titles:
        add_market(title=title)


def found(api, words: str, **query) -> list[str]:
    return [market["title"] for market in read(api, q=words, **query)["data"]]


@pytest.mark.parametrize(("typed", "title"), WRITTEN, ids=[typed for typed, _ in WRITTEN])
def test_words_are_found_however_they_are_written(library, api, typed, title):
    assert found(api, typed) == [title]


LETTERS = "abcXYZ019éÉñçłŁøßžșăØæĐđ" + "αΒΩ" + "щЖ"
BETWEEN = "-/.,'\u2019’_&–—$%€()[]\"“”!?:;#@+=*|\\🏆°"  # noqa: RUF001
TITLES = st.lists(st.text(LETTERS + BETWEEN, min_size=1, max_size=12), min_size=1, max_size=6).map(" ".join)


class TestAnyTitle(TestCase):
    """As a class, because each example begins with an empty table."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(TITLES)
    def test_any_of_its_words_finds_it_without_accents_case_and_signs(self, title):
        market = add_market(title=title)
        for word in title.split():
            typed = plain(word)
            if typed:
                assert ids(read(self.client, q=typed)) == [str(market.pk)], (title, typed)
            for part in parse_words(word).words:
                for one in part.parts:
                    assert ids(read(self.client, q=one)) == [str(market.pk)], (title, one)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(TITLES)
    def test_the_database_reads_it_as_we_do(self, title):
        words = {piece for word in parse_words(title).words for piece in (*word.parts, "".join(word.parts))}
        vector = fetch_value("SELECT tsvector_to_array(market_search_vector(%s, ''))", [title])
        assert set(vector) == words


def plain(word: str) -> str:
    """The word as somebody types it who knows no accents and no signs."""
    letters = "".join(letter for letter in normalize("NFD", word.lower()) if not combining(letter))
    return re.sub(r"[\W_]", "", letters.translate(str.maketrans("łøđ", "lod")).replace("ß", "ss").replace("æ", "ae"))


@pytest.mark.parametrize("typed", ["will the u.s.", "leave nato", "nat", "u.s. lea", "the us nato"])
def test_beginnings_of_words_are_found(library, api, typed):
    assert found(api, typed) == ["Will the U.S. leave NATO?"]


@pytest.mark.parametrize("typed", ["5 gpt-", "000,64", "35-f", "s.u."])
def test_parts_of_a_word_are_found_in_their_order_alone(library, api, typed):
    assert found(api, typed) == (["Will GPT-5 be released in 2026?"] if typed == "5 gpt-" else [])


class TestOrder:
    def test_whole_words_of_the_title_come_before_beginnings_and_before_the_events(self, api, db):
        event = add_event(title="Fed decision")
        add_outcome(event, 1, "No change", volume_24hr=900, title="No change?")
        add_market(title="Federer against Nadal?", volume_24hr=500)
        add_market(title="Fed cut in May?", volume_24hr=1)
        add_market(title="Fed cut in June?", volume_24hr=7)
        publish()
        expected = ["Fed cut in June?", "Fed cut in May?", "Federer against Nadal?", "No change?"]
        assert found(api, "fed") == expected
        assert [*found(api, "fed", limit=2), *found(api, "fed", limit=2, skip=2)] == expected
        assert found(api, "fed", sort="newest") == [expected[0], expected[1], expected[2], expected[3]]

    def test_of_all_statuses_each_comes_once_page_by_page(self, api, db):
        for number in range(4):
            add_market(title=f"Fed cut number {number}?", volume_24hr=number)
            add_past("resolved", title=f"Federal shutdown number {number}?", volume_24hr=10 + number)
        whole = ids(read(api, q="fed", status="all"))
        assert len(whole) == 8
        assert every_id(api, q="fed", status="all", limit=3) == whole


class TestTypos:
    @pytest.fixture(autouse=True)
    def markets(self, db):
        add_market(title="Will Kevin Hassett be the Fed chair?")
        add_market(title="Will Bitcoin reach $64,000?")

    @pytest.mark.parametrize("typed", ["bitcoim", "bticoin", "bitcin", "bitcoiin", "itcoin", "BÍTCOIM reach"])
    def test_one_wrong_letter_is_found_where_nothing_else_is(self, api, typed):
        assert found(api, typed) == ["Will Bitcoin reach $64,000?"]

    @pytest.mark.parametrize("typed", ["bytcoim", "btc", "bitcoim hassett", "hassett reach", "xyzzy", "64001"])
    def test_two_wrong_letters_short_words_and_words_that_no_market_has_together_are_not(self, api, typed):
        assert found(api, typed) == (["Will Bitcoin reach $64,000?"] if typed == "64001" else [])

    def test_nothing_is_corrected_where_something_is_found(self, api):
        add_market(title="Will Bitcoim be a coin?")
        assert found(api, "bitcoim") == ["Will Bitcoim be a coin?"]

    def test_words_that_a_title_got_later_are_known(self, api):
        market = Market.objects.get(title__contains="Hassett")
        market.title = "Will Christopher Waller be the Fed chair?"
        market.save(update_fields=["title"])
        assert found(api, "christofer") == []  # two letters
        assert found(api, "wallar") == [market.title]

    def test_pages_of_a_corrected_search_go_on(self, api):
        for number in range(3):
            add_market(title=f"Will Bitcoin reach {number}?")
        whole = found(api, "bitcoim")
        assert len(whole) == 4
        assert every_id(api, q="bitcoim", limit=1) == ids(read(api, q="bitcoim"))

    def test_events_are_found_too(self, api):
        event = add_event(title="Who will win the election?")
        add_outcome(event, 1, "Georgescu")
        publish()
        assert [each["title"] for each in api.get("/api/v1/events", {"q": "georgesco"}).json()["data"]] == [event.title]

    def test_words_are_kept_once(self):
        assert MarketWord.objects.filter(word="bitcoin").count() == 1


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("fed", "fed", True), ("fed", "feds", True), ("fed", "ed", True), ("fed", "fad", True), ("fed", "efd", True),
        ("fed", "fde", True), ("fed", "def", False), ("fed", "fedor", False), ("fed", "d", False), ("abcd", "bacx", False),
    ],
)  # fmt: skip
def test_what_counts_as_one_letter(one, other, apart):
    assert is_one_letter_apart(one, other) is is_one_letter_apart(other, one) is apart


class TestCommonWords:
    """What so many markets have that their order says little is listed as the list is, place by place."""

    @pytest.fixture
    def many(self, db):
        add_market(title="Will it rain on day 0?")
        names = [field.attname for field in Market._meta.concrete_fields if not field.generated]
        own = {"id": "new_id()", "title": "format('Will it %%s on day %%s', (ARRAY['rain', 'snow'])[1 + mod(n, 2)], n)"}
        values = ", ".join((own | {"volume": "n"}).get(name, name) for name in names)
        copies = f"SELECT {values} FROM markets, generate_series(1, %s) AS n"  # noqa: S608
        execute(f"INSERT INTO markets ({', '.join(names)}) {copies}", [SEARCH_TOTAL_MAX + 9])
        publish()

    def test_pages_go_through_the_edition_and_each_match_comes_once(self, many, api):
        first = read(api, q="will it", limit=200, sort="volume")
        assert first["total"] == SEARCH_TOTAL_MAX
        assert ids(first) == ids(read(api, limit=200, sort="volume"))
        assert len(set(every_id(api, q="will it", limit=200))) == SEARCH_TOTAL_MAX + 10
        assert {market["title"][:12] for market in read(api, q="snow on", limit=50)["data"]} == {"Will it snow"}
        cursor = read(api, q="will", limit=1)["nextCursor"]
        for other in (
            {"q": "will", "status": "all"},
            {"q": "will", "sort": "newest"},
            {},
            {"q": "will", "category": "x"},
        ):
            assert api.get(MARKETS, {**other, "cursor": cursor}).status_code == 400, other


def test_folding_is_done_once(titles):
    """What is folded stays as it is."""
    for title in titles:
        assert fold(fold(title)) == fold(title)
