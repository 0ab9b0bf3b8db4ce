"""Hosts of the REST API: ASGI, WSGI, and a server of our own."""
