"""Certificates for what is replayed, signed by a CA of our own that clients must trust."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trustme

from simulator.core.errors import StagesimError

CERTIFICATE: Final = "stagesim-ca.pem"
KEY: Final = "stagesim-ca.key"
TRUSTED: Final = "trusted.pem"


class LocalCA:
    """A CA, and TLS contexts for the hosts that it vouches for, each made when it is first asked for."""

    def __init__(self, authority: trustme.CA, folder: Path) -> None:
        self._authority, self._folder = authority, folder
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}

    @property
    def file(self) -> Path:
        """The CA's certificate, as PEM, for clients to trust."""
        return self._folder / CERTIFICATE

    @property
    def trusted(self) -> Path:
        """The same with the CAs that OpenSSL trusts anyway, for clients that talk to others as well."""
        return self._folder / TRUSTED

    def write(self) -> None:
        """Write both files."""
        pem = self._authority.cert_pem.bytes()
        self.file.write_bytes(pem)
        usual = ssl.get_default_verify_paths().cafile
        self.trusted.write_bytes(pem + (Path(usual).read_bytes() if usual else b""))

    def context(self, names: Sequence[str]) -> ssl.SSLContext:
        """A server's context with a certificate for these host names. Raises StagesimError for what is no name."""
        key = tuple(names)
        if key not in self._contexts:
            try:
                leaf = self._authority.issue_cert(*key)
            except ValueError as error:  # idna's errors are ValueErrors as well
                raise StagesimError(f"no certificate can be made: {error}", place=", ".join(key)) from None
            context = server_context()
            leaf.configure_cert(context)
            self._contexts[key] = context
        return self._contexts[key]


def server_context() -> ssl.SSLContext:
    """A server's side of TLS, without a certificate; of the protocols that a client offers, HTTP/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextmanager
def local_ca(folder: Path | None = None) -> Iterator[LocalCA]:
    """A CA that lasts as long as this process, whose key is in memory only; or the one that is kept in a folder.

    Where the folder has none, one is made; its key file is readable by its owner only. Raises StagesimError for a
    folder with something else in its place, and OSError.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="stagesim-ca-") as scratch:
            made = LocalCA(_made(), Path(scratch))
            made.write()
            yield made
    else:
        kept = LocalCA(_kept(folder), folder)
        kept.write()
        yield kept


def _made() -> trustme.CA:
    return trustme.CA(organization_name="stagesim", organization_unit_name="replayed, not real")


def _kept(folder: Path) -> trustme.CA:
    certificate, key = folder / CERTIFICATE, folder / KEY
    if key.exists():
        try:
            return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
        except (ValueError, TypeError, AttributeError) as error:
            hint = f"remove {CERTIFICATE} and {KEY} to get a new CA"
            raise StagesimError(f"not a CA of stagesim's: {error}", place=str(folder), hint=hint) from None
    folder.mkdir(parents=True, exist_ok=True)
    made = _made()
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made.private_key_pem.bytes())
    certificate.write_bytes(made.cert_pem.bytes())
    return made
