"""The numbers of the leaderboards."""

LIMIT, LIMIT_MAX = 100, 1_000
OFFSET_MAX = 2_000_000_000  # what a rank may be; any page costs the same
SURROUNDING = 10  # how many others are shown around oneself
CACHED_SECONDS = 10  # a page; so long a changed name may show as it was, and a suspended user at all
SPACING = 128  # from one milestone to the next when they are laid: who is read to find one place
FARTHEST_APART = 4 * SPACING  # where others have come between them
KEPT_DAYS = 35  # of what users did each day; a month has at most 31
