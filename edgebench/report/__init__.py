"""Analysis in; SVG charts and one HTML page out. Pure: nothing here starts a process or writes a file."""
