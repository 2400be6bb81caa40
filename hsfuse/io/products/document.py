"""
An XML file beside the pixels: its text and numbers, by the names of elements.

The standard library is enough of a guard against documents made to harm. Its parser
(expat 2.4.1 or newer in every Python that hsfuse runs on) stops when entities grow out of
proportion, and never fetches what a document points at; defusedxml would add a dependency
without a release since 2021 for the same refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from hsfuse.errors import RasterError
from hsfuse.io.products.settings import PRODUCTS

__all__ = ["Document", "read_document"]


@dataclass(frozen=True)
class Document:
    """
    A parsed XML file, namespaces left out.

    Attributes
    ----------
    path : Path
    root : Element
    """

    path: Path
    root: Element

    def elements(self, where: str) -> list[Element]:
        """
        Return the elements at a path, at least one.

        Raises
        ------
        RasterError
            If there is none.
        """
        found = self.root.findall(where)
        if not found:
            raise RasterError(
                f"{self.path}: has no element {where}; expected the metadata as they were "
                "delivered with the product"
            )
        return found

    def text(self, where: str, default: str | None = None) -> str:
        """
        Return the text of the first element at a path, or the default.

        Raises
        ------
        RasterError
            If there is no such element and no default.
        """
        found = self.root.find(where)
        if found is None and default is not None:
            return default
        return (self.elements(where)[0].text or "").strip()

    def number(self, where: str) -> float:
        """
        Return the number of the first element at a path.

        Raises
        ------
        RasterError
            If there is no such element, or it holds no number.
        """
        return self._as_number(self.text(where), where)

    def column(self, elements: Sequence[Element], name: str) -> NDArray[np.float64]:
        """
        Return a number for each element, NaN where it states none.

        Parameters
        ----------
        elements : sequence of Element
        name : str
            Of the child that holds the number, ``@`` and that of an attribute, or ``.`` for
            the element itself.

        Returns
        -------
        ndarray of shape (elements,)

        Raises
        ------
        RasterError
            If a text is no number.
        """
        texts = [
            element.get(name[1:]) if name.startswith("@") else element.findtext(name)
            for element in elements
        ]
        return np.array(
            [np.nan if not (text or "").strip() else self._as_number(text, name) for text in texts]
        )

    def _as_number(self, text: str | None, name: str) -> float:
        try:
            return float(text or "")
        except ValueError as error:
            raise RasterError(
                f"{self.path}: {name} is {(text or '').strip()!r}; expected a number"
            ) from error


def read_document(path: Path) -> Document:
    """
    Read an XML file.

    Raises
    ------
    RasterError
        If it cannot be read or is no XML.
    """
    try:
        if path.stat().st_size > PRODUCTS.largest_document:
            raise RasterError(
                f"{path}: has {path.stat().st_size} bytes; expected metadata of up to "
                f"{PRODUCTS.largest_document} bytes"
            )
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise RasterError(
            f"{path}: not XML that can be read ({error}); expected the metadata as they were "
            "delivered with the product"
        ) from error
    except OSError as error:
        if isinstance(error, RasterError):
            raise
        raise RasterError(f"{path}: cannot be read ({error.strerror})") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return Document(path, root)
