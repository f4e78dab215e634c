"""Text from elsewhere, made safe for a terminal: control characters are shown, not obeyed."""

from __future__ import annotations

from typing import Final

_SHOWN: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def visible(text: str) -> str:
    """The text in one line, with C0 and C1 control characters (ESC, CSI, newlines) written out as '\\x1b'."""
    return text.translate(_SHOWN)
