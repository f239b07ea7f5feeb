"""What Locust's web UI shows of the cache while a test runs: counted from the records, merged at the master.

    records ─► LiveSink ─► Collector ─(a Delta a second, over Locust's channel)─► Board ─► the tab "Cache", JSON, CSV

Nothing here is called for a single request: the recorder hands over whole buffers.
"""
