"""A client of the control API for the command line: standard library only, and no proxy in between."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ValidationError

from simulator.core.errors import StagesimError
from simulator.live.control.models import Armed, Disarmed, Problem, Rules

VARIABLE: Final = "STAGESIM_CONTROL"
"""The environment variable that holds the URL, token and all."""
TIMEOUT: Final = 30.0
_HINT: Final = "the line 'control on …' of `stagesim replay --control` has it, as http://:TOKEN@127.0.0.1:PORT"

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlClient:
    """Talks to one replay. Every method raises StagesimError with one line: what is wrong, and where."""

    host: str
    port: int
    token: str = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """Read 'http://:TOKEN@HOST:PORT'. Errors do not show it, for it is a secret."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise StagesimError("not a URL", place="--control", hint=_HINT) from None
        if parts.scheme != "http" or not parts.hostname or port is None:
            raise StagesimError("expected http://:TOKEN@HOST:PORT", place="--control", hint=_HINT)
        if not parts.password:
            raise StagesimError("there is no token in the URL", place="--control", hint=_HINT)
        return cls(host=parts.hostname, port=port, token=parts.password)

    def rules(self) -> Rules:
        return self._ask("GET", "/v1/rules", Rules)

    def arm(self, rules: list[dict[str, Any]], title: str) -> Armed:
        """Arm rules as fault files write them, all or none."""
        return self._ask("POST", "/v1/rules", Armed, {"title": title, "rules": rules})

    def disarm(self, name: str) -> Disarmed:
        """Disarm a rule, or all rules of a fault."""
        return self._ask("DELETE", f"/v1/rules/{quote(name, safe='')}", Disarmed)

    def _ask(self, method: str, path: str, answer: type[M], body: Mapping[str, Any] | None = None) -> M:
        status, data = self._send(method, path, None if body is None else json.dumps(body))
        try:
            if status < 300:
                return answer.model_validate_json(data)
            problem = Problem.model_validate_json(data)
        except ValidationError:
            raise StagesimError(
                f"answered {status}, but not as a replay's control would", place=self._place, hint=_HINT
            ) from None
        if status == 401:
            raise StagesimError("wrong token", place=self._place, hint=_HINT)
        raise StagesimError(problem.problem, place=problem.place, hint=problem.hint)

    def _send(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            what = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise StagesimError(f"no replay answers: {what}", place=self._place, hint=_HINT) from None
        finally:
            connection.close()

    @property
    def _place(self) -> str:
        return f"http://{self.host}:{self.port}"
