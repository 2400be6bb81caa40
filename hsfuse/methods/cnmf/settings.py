"""
Settings of `cnmf`; each value with its reason.

The figures in the comments are means over five scenes at ratio 4 with four MS bands, HS
noise at 30 dB and MS noise at 40 dB.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT", "CnmfSettings"]


@dataclass(frozen=True, slots=True)
class CnmfSettings:
    """
    Settings of `cnmf`.

    Abundances are not constrained to sum to one. The row of ones that does so (Heinz and Chang
    2001) gains 2.5 dB over even fields at a weight of one, loses 7 dB where there is water or
    shade, and changes nothing at weights small enough to lose nothing.
    """

    # Ten lose 0.35 dB; 30 and 40 gain nothing and take longer.
    endmembers: int = 20
    # Updates on the survey. 50 lose 0.1 dB; with 200 the endmembers fit the noise: 0.3 dB.
    updates: int = 100
    # The first round gains 0.55 dB, the second 0.15, a third 0.07.
    rounds: int = 2
    # Updates in a tile, from equal abundances. For X, 100 lose 0.26 dB and 600 gain 0.03; for Y,
    # 100 lose 0.2 dB and 400 gain 0.03.
    updates_coarse: int = 300
    updates_fine: int = 200
    # MS pixels of the survey that are coupled: a second or two of one core. Scenes cut to 4000 lost
    # 1.1 dB.
    maximum_pixels: int = 2**17
    # A survey of more of them is averaged before it is cut, while an HS pixel spans this many. On
    # four CAVE scenes at ratio 8 or 16 it costs 0.01 dB; on pavia_centre_crop at ratio 8, where
    # nothing has to be cut, it would cost 0.8 dB.
    ratio: float = 4.0
    # Columns at a time, so that all their updates stay in the cache: half the time of all at once.
    block: int = 4096
    tiny: float = 1e-9


DEFAULT = CnmfSettings()
