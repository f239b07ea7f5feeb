"""python analyze.py RUN [RUN …]: make the report of finished runs again, from their folders alone."""

from __future__ import annotations

from edgebench.cli.analyze import main

if __name__ == "__main__":
    main()
