"""The numbers of reading products that may be chosen; each value with its reason."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PRODUCTS", "ProductSettings"]


@dataclass(frozen=True, slots=True)
class ProductSettings:
    """Of metadata and swaths."""

    # Bytes of an XML file; those of products have up to ten MB.
    largest_document: int = 256 * 2**20
    # Of a pixel, by which the corners of a PRISMA cube may be off its size.
    corner_slack: float = 0.01
    # A part of an EMIT swath may hold so many times the pixels that are wanted of it, or so many
    # pixels: reading them costs less than another access.
    most_waste: float = 4
    small_part: int = 64 * 64


PRODUCTS = ProductSettings()
