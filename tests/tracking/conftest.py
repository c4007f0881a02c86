"""The tracking server is a fixture here."""

from server_process import tracking_server

__all__ = ["tracking_server"]
