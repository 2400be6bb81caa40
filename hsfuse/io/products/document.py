"""
XML metadata of a product: text and numbers by element names.

The parser of the standard library is safe for untrusted files: expat 2.4.1 or newer, in every
supported Python, limits entity expansion and loads no external entities. defusedxml, without a
release since 2021, would add a dependency for the same protection.
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
    A parsed XML file without namespaces.

    Attributes
    ----------
    path : Path
    root : Element
    """

    path: Path
    root: Element

    def elements(self, xpath: str) -> list[Element]:
        """
        Return the elements at a path, at least one.

        Raises
        ------
        RasterError
            If there is none.
        """
        elements = self.root.findall(xpath)
        if not elements:
            raise RasterError(
                f"{self.path}: has no element {xpath}; expected the metadata as they were "
                "delivered with the product"
            )
        return elements

    def text(self, xpath: str, default: str | None = None) -> str:
        """
        Return the text of the first element at a path, or the default.

        Raises
        ------
        RasterError
            If there is no such element and no default.
        """
        element = self.root.find(xpath)
        if element is None and default is not None:
            return default
        return (self.elements(xpath)[0].text or "").strip()

    def number(self, xpath: str) -> float:
        """
        Return the number of the first element at a path.

        Raises
        ------
        RasterError
            If there is no such element, or it holds no number.
        """
        return self._as_number(self.text(xpath), xpath)

    def column(self, elements: Sequence[Element], name: str) -> NDArray[np.float64]:
        """
        Return a number for each element, NaN where it states none.

        Parameters
        ----------
        elements : sequence of Element
        name : str
            Name of the child with the number, ``@`` and the name of an attribute, or ``.`` for the
            element itself.

        Returns
        -------
        ndarray of shape (elements,)

        Raises
        ------
        RasterError
            If a text is not a number.
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
        If it cannot be read or is not valid XML.
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
