"""The command line: where the measuring and the explaining half are joined, and the only place that prints."""
