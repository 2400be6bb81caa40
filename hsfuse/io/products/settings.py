"""Constants of reading products, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PRODUCTS", "ProductSettings"]


@dataclass(frozen=True, slots=True)
class ProductSettings:
    """Limits of metadata and swaths."""

    # Largest XML file in bytes; those of products have up to 10 MB.
    largest_document: int = 256 * 2**20
    # Pixels by which the corners of a PRISMA cube may deviate from its size.
    corner_slack: float = 0.01
    # A part of an EMIT swath is read at once if it holds at most so many times the pixels needed,
    # or so many pixels: this is faster than another access.
    most_waste: float = 4
    small_part: int = 64 * 64


PRODUCTS = ProductSettings()
