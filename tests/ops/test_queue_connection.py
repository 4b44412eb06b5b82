"""A worker that uses a closed connection to the queue reconnects, and doesn't end."""

import pytest
from kombu import Connection, Queue

from core.backends import BROKER_OPTIONS, broker_url


def test_what_is_done_after_the_connection_was_given_up_is_a_lost_connection(redis_server):
    redis_server.start()
    url = redis_server.url
    connection = Connection(broker_url(url), transport_options=BROKER_OPTIONS)
    lost = connection.connection_errors
    channel = connection.default_channel
    connection.close()
    with pytest.raises(lost, match="closed"):
        Queue("jobs")(channel).declare()
