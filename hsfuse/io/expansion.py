"""
Blocks that unpack to more than they declare.

Codecs allocate what comes out, and GDAL returns uninitialised memory in place of a strip that is
too long. Compression that fails adds little to the pixels, so what is stored longer is refused.
"""

from __future__ import annotations

from hsfuse.errors import RasterError
from hsfuse.io.settings import CHECKS

__all__ = ["check_stored"]


def check_stored(name: str, stored: int, raw: int) -> None:
    """
    Refuse a block that is stored in more bytes than its pixels take: it unpacks to others.

    Parameters
    ----------
    name : str
        Of the file, for the message.
    stored, raw : int
        Bytes as stored, and of the pixels in memory.

    Raises
    ------
    RasterError
        If it is.
    """
    if stored > CHECKS.longest_block * raw + CHECKS.longest_header:
        raise RasterError(
            f"{name}: a block of {raw} bytes of pixels is stored in {stored} bytes; expected at "
            f"most {CHECKS.longest_block:g} times as many; it is damaged or made to harm"
        )
