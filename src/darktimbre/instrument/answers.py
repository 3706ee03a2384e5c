"""What every route of the API may answer, in words, for its OpenAPI document."""

from typing import Any

from darktimbre.instrument.messages import ErrorAnswer

_ERRORS: dict[int, str] = {
    400: "The body is no JSON.",
    401: "The token is missing or wrong.",
    403: "`Host` or `Origin` is not this server's.",
    404: "There is none of this name.",
    408: "The body did not arrive in time.",
    409: "Nobody is there to listen.",
    413: "The body, or what it asks for, is too large.",
    415: "The body is not of the media type wanted.",
    422: "Something in the request cannot be: the sentence says what.",
    503: "Too many requests at once: `Retry-After` says when to come again.",
    504: "It took too long.",
}
READING, SENDING = (401, 403), (400, 401, 403, 408, 413, 415, 422, 503, 504)
"""What may go wrong wherever something is read, and wherever something is sent."""


def documented(*statuses: int, media: str = "", what: str = "") -> dict[int | str, dict[str, Any]]:
    """The answers of a route, for OpenAPI."""
    told: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorAnswer, "description": _ERRORS[status]} for status in sorted(set(statuses))
    }
    if media:
        told[200] = {"description": what, "content": {media: {"schema": {"type": "string", "format": "binary"}}}}
    return told


SOUND_FILE = {
    "requestBody": {
        "required": True,
        "description": "A sound file of any format that libsndfile reads.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
