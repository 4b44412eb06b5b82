"""The web server, between the network and Django.

`server` runs uvicorn, which speaks HTTP, with limits for slow and silent clients. `asgi` reads requests whole on the
event loop, `threads` decides which of them gets a thread and which is refused, and `service` says what is particular to
this service. `thisthat.asgi` puts them together.
"""

# In the `state` of a request's ASGI scope: returns, in any thread, whether the client has closed the connection.
IS_GONE = "thisthat.is_gone"
# In the `state` of the lifespan: called, on the event loop, when the process is asked to stop.
ON_STOP = "thisthat.on_stop"
