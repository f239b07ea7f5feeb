"""edgebench: measure what a CDN or caching proxy does for a Flask API, and prove every hit."""

__version__ = "0.1.0"
