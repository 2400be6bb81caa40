"""
Check against compressed blocks that decompress to more bytes than they declare.

Codecs allocate the decompressed size, and GDAL returns uninitialised memory for a strip that is too
long. Incompressible pixels grow only slightly, so a block stored much longer is refused.
"""

from __future__ import annotations

from hsfuse.errors import RasterError
from hsfuse.io.settings import CHECKS

__all__ = ["check_stored"]


def check_stored(name: str, stored: int, raw: int) -> None:
    """
    Refuse a block that is stored in many more bytes than its pixels need.

    Parameters
    ----------
    name : str
        File, for the message.
    stored, raw : int
        Bytes of the block as stored, and of its pixels in memory.

    Raises
    ------
    RasterError
        If the stored size exceeds the limit.
    """
    if stored > CHECKS.longest_block * raw + CHECKS.longest_header:
        raise RasterError(
            f"{name}: a block of {raw} bytes of pixels is stored in {stored} bytes; expected at "
            f"most {CHECKS.longest_block:g} times as many; it is damaged or made to harm"
        )
