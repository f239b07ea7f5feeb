"""The app under test, served and witnessed: a WSGI wrapper with a ledger, and the gunicorn that runs it.

`wrapper`, `ledger` and `serve` run inside gunicorn's workers and import nothing heavy; `process` and `rows` belong to
the harness.
"""
