"""What a cache can do, found by trying it: each probe asks a running cache and lets the origin's ledger answer."""
