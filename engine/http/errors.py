"""What can go wrong below the answer. The text of each is a whole clause, fit for the end of a message."""

from __future__ import annotations


class HttpFault(Exception):
    """No answer, or none that can be read."""


class ConnectFailed(HttpFault):
    """The other side was never reached."""


class ConnectionLost(HttpFault):
    """The other side went away; `answered` tells whether a part of the answer had come."""

    def __init__(self, message: str, *, answered: bool) -> None:
        self.answered = answered
        super().__init__(message)


class NotHttp(HttpFault):
    """The answer is not HTTP/1.1."""


class AnswerTimeout(HttpFault):
    """The head of the answer did not come in time."""
