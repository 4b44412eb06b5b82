"""The stream: `open_stream` is what the web server calls for it, on its event loop; the viewset describes it."""

from collections.abc import Callable
from functools import partial

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request as ApiRequest
from rest_framework.viewsets import ViewSet

from accounts.authentication import current_session, current_user
from core.api.openapi import operation
from core.api.requests import validate
from core.api.responses import json_response
from stream import rules, services
from stream.errors import InvalidTicket, StreamFull
from stream.hub import Client
from stream.live import Request, first_events, prepare, streams
from stream.serializers import StreamQuery, TicketResponse

CONTENT_TYPE = "text/event-stream"
# The second is for nginx: it sends on at once what it gets.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
LISTEN = f"""Server-sent events, for `EventSource` and `curl -N`. First come `market` and `odds` of each market as they
are, and with a ticket `balance`; then each event as it happens. A client gets what changed at once, then at most every
{int(rules.TICK_SECONDS * 1000)} ms: of each market the newest odds.

- `odds`: `{{marketId, thisOdds, thatOdds, bid, ask, asOf}}`.
- `market`: `{{marketId, status, resolution}}`.
- `ping`, every {int(rules.PING_SECONDS)} seconds: `{{asOf, lagMs}}`, as of when the newest odds are that this server
  streams, and how long ago that is; null where it streams none. An age that grows says that the source is silent.
- With a ticket: `bet`, a Bet, when it was placed, sold or settled; `balance`, `{{creditBalance, availableCredits,
  lockedCredits}}`; `notification`, a notification. The stream ends when the session does.

Each event has an `id`, which says how far the user's own were told. With the last `id`, as `Last-Event-ID` or as
`lastEventId`, and a new ticket, a client that lost its stream first gets what the user missed, each once; of who missed
more than {rules.RESUME_MAX} the current state alone. An `EventSource` by itself comes back with its old ticket, and is
refused: open another one on `error`, after a few seconds.

At most {rules.MARKETS_MAX} markets; their odds are kept fresh while they are streamed."""


class EventStream(StreamingHttpResponse):
    """A response that goes on. Whoever sends it closes it, whether or not any of it was sent."""

    def __init__(self, client: Client, end: Callable[[], None]) -> None:
        super().__init__(client.frames(), content_type=CONTENT_TYPE, headers=HEADERS)
        self._end = end

    def close(self) -> None:
        super().close()
        self._end()


async def open_stream(request: HttpRequest) -> EventStream:
    """Respond with the stream that the request asks for.

    Raises ValidationError, StreamFull, InvalidTicket, TryAgain, DatabaseError.
    """
    client = await streams().open(read_request(request))
    return EventStream(client, partial(streams().close, client))


def read_request(request: HttpRequest | ApiRequest) -> Request:
    """Return what is to be streamed. Raises ValidationError."""
    given = {**request.GET.dict(), "markets": ",".join(request.GET.getlist("markets"))}
    query = validate(StreamQuery, given)
    last_event_id = request.META.get("HTTP_LAST_EVENT_ID") or query["lastEventId"]
    return Request(query["markets"], query["ticket"], last_event_id)


class StreamViewSet(ViewSet):
    """The stream and its tickets."""

    @operation(
        operation_id="stream",
        summary="What changes of markets, and with a ticket of the user's bets and credits",
        description=LISTEN,
        parameters=[
            StreamQuery,
            OpenApiParameter("Last-Event-ID", location=OpenApiParameter.HEADER, description="The last `id` that came."),
        ],
        responses={(200, CONTENT_TYPE): OpenApiTypes.STR},
        errors=[InvalidTicket, StreamFull],
        tags=["stream"],
    )
    def listen(self, request: ApiRequest) -> HttpResponse:
        """Respond, where no event loop serves the request, with what a stream begins with: `open_stream` goes on."""
        opening = prepare(read_request(request), now=timezone.now())
        return HttpResponse(first_events(opening), content_type=CONTENT_TYPE, headers=HEADERS)

    @operation(
        operation_id="stream_ticket",
        summary="A ticket for a stream of the user's own events",
        description=f"Good once, for {rules.TICKET_SECONDS} seconds, so that no access token stands in a URL.",
        request=None,
        responses=TicketResponse,
        tags=["stream"],
    )
    def ticket(self, request: ApiRequest) -> HttpResponse:
        user, session_id = current_user(request), current_session(request)
        ticket = services.issue_ticket(user=user, session_id=session_id, now=timezone.now())
        return json_response(ticket=ticket, expiresIn=rules.TICKET_SECONDS)
