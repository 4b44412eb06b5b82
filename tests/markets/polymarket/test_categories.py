import pytest

from markets.polymarket.categories import ALIASES, GENERAL, PRECEDENCE, derive_category, is_housekeeping


@pytest.mark.parametrize("category", PRECEDENCE)
def test_a_category_is_known_by_its_own_slug_in_any_case(category):
    assert derive_category([f" {category.upper()} "]) == category


def test_the_first_in_the_precedence_wins_whatever_the_order_of_the_tags():
    assert derive_category(["world", "politics", "crypto"]) == "crypto"
    assert derive_category(["crypto", "politics", "world"]) == "crypto"


def test_a_categorys_own_slug_counts_before_an_alias_of_a_higher_one():
    assert derive_category(["bitcoin", "politics"]) == "politics"


@pytest.mark.parametrize(
    ("slug", "category"),
    [
        ("pop-culture", "culture"),
        ("nba", "sports"),
        ("soccer", "sports"),
        ("counter-strike", "esports"),
        ("ethereum", "crypto"),
        ("us-election", "elections"),
        ("trump", "politics"),
        ("middle-east", "geopolitics"),
        ("fed-rates", "economy"),
        ("stocks", "finance"),
        ("openai", "tech"),
        ("space", "science"),
        ("movies", "culture"),
    ],
)
def test_known_slugs_stand_for_a_category(slug, category):
    assert derive_category([slug]) == category


def test_the_oscars_are_culture_and_never_elections():
    assert derive_category(["oscars", "awards"]) == "culture"
    assert derive_category(["elections", "oscars", "politics"]) == "culture"


@pytest.mark.parametrize(
    "slug", ["sportsmanship", "crypto-summit", "electionsx", "technology-transfer", "not-politics"]
)
def test_a_word_inside_a_slug_is_no_category(slug):
    assert derive_category([slug]) == GENERAL


def test_the_sports_market_type_counts_where_no_tag_does():
    assert derive_category(["featured"], sports_market_type="moneyline") == "sports"
    assert derive_category(["crypto"], sports_market_type="moneyline") == "crypto"


@pytest.mark.parametrize(
    ("fee_type", "category"),
    [
        ("sports_fees_v2", "sports"),
        ("crypto_fees", "crypto"),
        ("finance_prices_fees", "finance"),
        ("economics_fees", "economy"),
        ("general_fees", GENERAL),
        ("fees", GENERAL),
        ("crypto", GENERAL),
        ("", GENERAL),
    ],
)
def test_the_fee_schedule_counts_next(fee_type, category):
    assert derive_category([], fee_type=fee_type) == category


@pytest.mark.parametrize(
    ("legacy", "category"),
    [("Pop-Culture ", "culture"), ("US-current-affairs", "politics"), ("Crypto", "crypto"), ("Coronavirus", GENERAL)],
)
def test_the_category_of_old_markets_counts_last(legacy, category):
    assert derive_category([], legacy_category=legacy) == category
    assert derive_category([], fee_type="sports_fees", legacy_category=legacy) == "sports"


def test_nothing_known_is_general():
    assert derive_category([]) == GENERAL


@pytest.mark.parametrize("slug", ["featured", "recurring", "hide-from-new", "weekly", "all", "rewards-20-4pt5-50"])
def test_housekeeping_is_never_a_category(slug):
    assert is_housekeeping(slug)
    assert derive_category([slug]) == GENERAL


def test_no_slug_that_stands_for_a_category_is_housekeeping():
    assert not [slug for slug in ALIASES if is_housekeeping(slug)]
