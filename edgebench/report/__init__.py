"""Analysis in; SVG charts and one HTML page out. Pure: nothing here starts a process or writes a file."""

from edgebench.report.page import Report, render

__all__ = ["Report", "render"]
