"""Beginnings of the notes of a plan by which the report recognises them; no other imports."""

__all__ = ["SHIFT_NOTE"]

#: Beginning of the note of a corrected shift.
SHIFT_NOTE = "co-registration: estimated shift of the HS image"
