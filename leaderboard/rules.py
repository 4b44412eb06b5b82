"""The numbers of the leaderboards."""

LIMIT, LIMIT_MAX = 100, 1_000
OFFSET_MAX = 2_000_000_000  # what a rank may be; any page costs the same
SURROUNDING = 10  # how many others are shown around oneself
CACHED_SECONDS = 60  # a page; until then a changed name or picture may show as it was
