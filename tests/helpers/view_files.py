"""What tests of the viewer read."""

import json

__all__ = ["facts"]


def facts(response) -> dict:
    """Return the JSON of a response."""
    assert response.status == 200, response.body
    return json.loads(response.body)
