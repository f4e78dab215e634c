"""mitmproxy, which is an extra: whether it is there, and importing it without its noise."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

from simulator.core.errors import StagesimError

_INSTALL: Final = "pip install 'stagesim[record]'"


def check_mitmproxy(what: str) -> None:
    """Raise StagesimError if mitmproxy is not installed, which `what` needs."""
    if find_spec("mitmproxy") is None:
        raise StagesimError(f"{what} needs mitmproxy", hint=_INSTALL)


@contextmanager
def importing_mitmproxy(what: str) -> Iterator[None]:
    """Where modules that import mitmproxy are imported. Raises StagesimError if it is not there, or broken."""
    check_mitmproxy(what)
    with warnings.catch_warnings():
        # What mitmproxy imports uses deprecated names; that is no reason to warn, or to fail, here.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            yield
        except ImportError as error:
            raise StagesimError(f"mitmproxy cannot be imported: {error}", hint=_INSTALL) from error
