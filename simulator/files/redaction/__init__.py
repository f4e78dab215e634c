"""Keeping secrets out of recordings: every secret is replaced by a stand-in before it reaches the disk.

A secret is recognized by the name it goes by (a header, a cookie, a key in JSON, a field of a form or query), by
its shape (JWTs, `Bearer …`, the keys of well-known services, PEM private keys), or because it was seen by name
before. JSON escapes, percent-encoding, base64 and compressed bodies are looked through, also inside each other.

What gets past it:

- a secret of no known shape that occurs before, or without ever, being seen under a telling name;
- a secret that is cut in two by a chunk or message border, or by the lines of a wrapped base64 text;
- what is inside binary formats or encodings other than these (compressed WebSocket payloads, coded streams,
  brotli, UTF-16, hex, HTML entities); in bytes that are not text, what reads as text is replaced nevertheless, but
  without changing the length;
- secrets that are JSON numbers, that consist of punctuation, or that are nested deeper under a telling name than
  in a list;
- short or common secrets (fewer than 8 characters, or words) at places that do not name them, and words under a
  bare `token`, which language models stream;
- personal data outside of JWTs, and a JWT's `sub`, which are left alone on purpose.
"""

from simulator.files.redaction.redactor import Redactor

__all__ = ["Redactor"]
