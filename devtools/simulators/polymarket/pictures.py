"""Pictures of events, as SVG: the same name always makes the same one."""

from hashlib import blake2b

from .messages import Response

PREFIX = "/pictures/"
SVG = "image/svg+xml"


def respond(path: str) -> Response:
    """Return the picture of that path: a gradient, some shapes and the first letters of the event's name."""
    name = path.removeprefix(PREFIX).rpartition(".")[0]
    return Response(200, draw(name).encode(), SVG, (("Cache-Control", "public, max-age=86400"),))


def draw(name: str) -> str:
    seed = blake2b(name.encode(), digest_size=16).digest()
    hue = seed[0] * 360 // 256
    words = [word for word in name.split("-") if word not in ("will", "the", "a", "by", "of", "in", "vs")]
    letters = "".join(word[0] for word in words[:2]).upper()
    shapes = "".join(
        f'<circle cx="{seed[place] * 400 // 256}" cy="{seed[place + 1] * 400 // 256}" r="{40 + seed[place + 2] // 2}" '
        f'fill="hsl({(hue + 40 * place) % 360} 80% 70%)" opacity="0.25"/>'
        for place in (1, 4, 7, 10)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" width="400" height="400">'
        '<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1">'
        f'<stop offset="0" stop-color="hsl({hue} 65% 48%)"/>'
        f'<stop offset="1" stop-color="hsl({(hue + 50 + seed[13] % 60) % 360} 70% 32%)"/>'
        f'</linearGradient></defs><rect width="400" height="400" fill="url(#g)"/>{shapes}'
        '<text x="200" y="240" text-anchor="middle" font-family="system-ui, sans-serif" font-weight="700" '
        f'font-size="112" fill="#fff">{letters}</text></svg>'
    )
