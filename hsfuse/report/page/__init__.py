"""
The report of a run as one HTML file that needs no server and no network.

It contains images of the same area with a swipe, spectra at sampled pixels, maps, the
interpretation of the quality, the sensors, and the command that repeats the run.
:func:`render_page` renders a :class:`Subject`.
"""

from hsfuse.report.page.document import render_page
from hsfuse.report.page.subject import Subject, file_subject, outcome_subject

__all__ = ["Subject", "file_subject", "outcome_subject", "render_page"]
