"""Who may come in by the stand-in's WebSocket."""

import base64
import time

import jwt
import pytest
from websockets.frames import Close

from tests.demo.wire import (
    USER,
    WELCOME,
    bearer,
    enter,
    mint,
    types,
)


def encoded(token: str) -> str:
    return "jwt." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def test_a_token_comes_in_by_the_header_the_subprotocol_or_the_query() -> None:
    token = mint()
    for headers, query in [
        (bearer(token), ""),
        ({"Sec-WebSocket-Protocol": encoded(token)}, ""),
        ({}, f"?token={token}"),
    ]:
        frames, subprotocol = enter(headers, query)
        assert types(frames) == WELCOME
        assert frames[1]["data"]["user_id"] == USER.user_id
        assert subprotocol is None


def test_only_jwt_auth_is_answered_as_a_subprotocol() -> None:
    frames, subprotocol = enter({}, subprotocols=["jwt-auth", encoded(mint())])
    assert types(frames) == WELCOME
    assert subprotocol == "jwt-auth"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "NO_TOKEN"),
        ({"X-Test-Mode": "true"}, "NO_TOKEN"),
        (bearer("no-token-at-all"), "INVALID_FORMAT"),
        ({"Sec-WebSocket-Protocol": "jwt.!!!"}, "INVALID_FORMAT"),
        (bearer("a.b.c"), "VALIDATION_FAILED"),
        (bearer(mint() + "x"), "VALIDATION_FAILED"),
        (bearer(mint(kind="refresh")), "VALIDATION_FAILED"),
        (bearer(mint(seconds=-60)), "TOKEN_EXPIRED"),
    ],
)
def test_a_refusal_is_an_error_frame_and_then_1008(headers: dict[str, str], code: str) -> None:
    frames, _ = enter(headers)
    assert types(frames) == ["error_message", "close"]
    assert frames[0]["error_code"] == code
    assert set(frames[0]["details"]) == {"environment", "ssot_authentication", "error_code", "failure_context"}
    assert frames[1]["close"] == Close(1008, "SSOT Auth failed")


def test_end_to_end_tests_may_sign_with_any_key() -> None:
    now = int(time.time())
    claims = {"sub": "e2e-x", "iat": now, "exp": now + 60, "iss": "me", "jti": "1", "type": "access"}
    token = jwt.encode(claims, "some-other-key-of-the-users-own-test-setup", algorithm="HS256")
    assert types(enter(bearer(token))[0]) == ["error_message", "close"]
    assert types(enter({**bearer(token), "X-E2E-Test": "true"})[0]) == WELCOME
