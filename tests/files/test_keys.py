"""The keys of users' own tokens: where they are read from, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.core.auth import Auth, AuthMode
from simulator.core.errors import StagesimError
from simulator.files.keys import auth_of


def test_a_key_comes_from_a_variable_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key.txt").write_text("from a file\n")
    monkeypatch.setenv("MY_JWT_SECRET", "from the environment")
    assert auth_of("verify", str(tmp_path / "key.txt")).keys == ("from a file",)
    assert auth_of("verify", "MY_JWT_SECRET").keys == ("from the environment",)
    assert (found := auth_of("verify", None)) == Auth(mode=AuthMode.VERIFY, refusals=found.refusals)


@pytest.mark.parametrize(
    ("mode", "text", "said"),
    [
        ("verify", None, "--auth-key: cannot read the key: No such file or directory"),
        ("verify", b" \n", "--auth-key: expected a shared secret, got nothing"),
        ("verify", b"-----BEGIN PUBLIC KEY-----\n", "--auth-key: expected a shared secret, got a PEM key"),
        ("verify", b"\xff\xfe", "--auth-key: cannot read the key: it is not text"),
        ("off", b"secret", "--auth-key: no token is verified"),
        ("on", b"secret", "--auth: expected one of recorded, verify, off, got 'on'"),
    ],
)
def test_a_key_that_is_none_is_named_and_not_shown(
    mode: str, text: str | bytes | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "s3cret-name"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(StagesimError) as raised:
        auth_of(mode, str(path))
    assert str(raised.value).startswith(said)
    assert "s3cret" not in str(raised.value), "it might be the key itself"
