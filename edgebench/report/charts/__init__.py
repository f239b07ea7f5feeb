"""One module per chart: Analysis in, Chart out."""
