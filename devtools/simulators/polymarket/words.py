"""What questions are made of. People, parties and films are invented."""

FIRST_NAMES = (
    "Marcus", "Elena", "Theodore", "Ines", "Viktor", "Amara", "Julian", "Noor", "Hector", "Sofia", "Dmitri",
    "Leila", "Conrad", "Mei", "Oscar", "Freya", "Rafael", "Ingrid", "Tobias", "Anika", "Gideon", "Paloma",
    "Stellan", "Yuki", "Bruno", "Carmen", "Desmond", "Greta", "Felix", "Imani", "Otto", "Rosa",
)  # fmt: skip
LAST_NAMES = (
    "Hale", "Navarro", "Lindqvist", "Okafor", "Brandt", "Castellano", "Whitlock", "Moreau", "Petrov", "Ashford",
    "Nakamura", "Delgado", "Fairbanks", "Kowalski", "Adeyemi", "Sorensen", "Marchetti", "Blackwood", "Ivanova",
    "Thackeray", "Rahman", "Eastwick", "Varga", "Holloway", "Quintero", "Mbeki", "Larsson", "Draper",
)  # fmt: skip
COUNTRIES = (
    "Norway",
    "Portugal",
    "Chile",
    "Kenya",
    "Japan",
    "Poland",
    "Colombia",
    "Ireland",
    "Greece",
    "South Korea",
    "Peru",
    "Austria",
    "Ghana",
    "Denmark",
    "Netherlands",
)
STATES = ("Ohio", "Texas", "Maine", "Georgia", "Nevada", "Iowa", "Arizona", "Oregon", "Virginia", "Michigan")
LEAGUES: dict[str, tuple[str, ...]] = {
    "NBA": ("Lakers", "Celtics", "Nuggets", "Knicks", "Heat", "Suns", "Bucks", "Jazz", "Kings", "Magic"),
    "NFL": ("Chiefs", "Bills", "Eagles", "Ravens", "Lions", "Packers", "49ers", "Jets", "Bears", "Rams"),
    "NHL": ("Hurricanes", "Oilers", "Bruins", "Rangers", "Stars", "Kraken", "Flames", "Wild", "Devils", "Sharks"),
    "EPL": ("Arsenal", "Liverpool", "Chelsea", "Everton", "Fulham", "Brentford", "Brighton", "Leeds", "Burnley"),
    "UFC": ("Silva", "Morozov", "Tanaka", "Oyelaran", "Kessler", "Duarte", "McBride", "Petrosyan"),
}
ESPORTS: dict[str, tuple[str, ...]] = {
    "Counter-Strike": ("Iron Wolves", "Nova Five", "Red Comet", "Glacier", "Team Ember", "Night Owls"),
    "League of Legends": ("Blue Dynasty", "Storm Esports", "Golden Crane", "Pixel Kings", "Northern Lights"),
    "Dota 2": ("Tundra Bears", "Silent Hill", "Crimson Tide", "Void Walkers", "Sunrise Gaming"),
}
COINS = (("Bitcoin", "btc", 98_000), ("Ethereum", "eth", 3_400), ("Solana", "sol", 180), ("XRP", "xrp", 2))
STOCKS = (("Apple", "AAPL", 240), ("Nvidia", "NVDA", 150), ("Tesla", "TSLA", 310), ("Microsoft", "MSFT", 430))
COMPANIES = ("OpenAI", "Anthropic", "Google", "Apple", "Meta", "xAI", "Nvidia", "SpaceX", "Microsoft", "Amazon")
TECH_DEEDS = (
    "release a new flagship model",
    "announce layoffs of more than 1,000 people",
    "go public",
    "ship a foldable phone",
    "have the top model on the leaderboard",
    "acquire a chip maker",
)
POLITICS_DEEDS = (
    "resign",
    "veto the spending bill",
    "announce a run for president",
    "be confirmed as ambassador",
    "sign the housing act",
    "win the nomination",
    "be censured",
)
CONFLICTS = (
    "a ceasefire be signed in the border war",
    "the strait be closed to shipping",
    "peace talks resume",
    "sanctions be lifted",
    "the embassy reopen",
    "troops leave the demilitarized zone",
)
SCIENCE = (
    "a crewed lunar landing take place",
    "a new particle be announced",
    "a magnitude 8.0 or higher earthquake be recorded",
    "a fusion plant deliver power to the grid",
    "the reusable rocket reach orbit",
    "a gene therapy for deafness be approved",
)
WORLD = (
    "the hostages be released",
    "a state of emergency be declared",
    "the canal reopen",
    "the border crossing open",
    "the referendum pass",
)
PRIZES = (
    "Best Picture",
    "Album of the Year",
    "Best Actress",
    "Song of the Summer",
    "Best New Artist",
    "Game of the Year",
)
FILMS = ("Paper Lanterns", "The Long Orbit", "Saltwater", "Nine Doors", "Harbor Lights", "The Understudy", "Cinder")
CITIES = ("London", "New York", "Seoul", "Toronto", "Buenos Aires", "Ankara", "Chicago", "Paris")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# Housekeeping tags say nothing about the subject. Their case is as uneven as upstream's.
HOUSEKEEPING = ("Featured", "Recurring", "Hide From New", "Weekly", "All", "Games", "Rewards 50, 4.5, 100")
# Slugs that are not simply the label in lower case.
TAG_SLUGS = {"Pop Culture": "pop-culture", "Finance": "Finance", "eSports": "esports", "Tech": "tech", "NBA": "NBA"}
TAG_NUMBERS = {"sports": 1, "politics": 2, "crypto": 21, "pop-culture": 596, "esports": 64, "economy": 100328}
