"""Parts of ``bench_failures``: one module for each data set, and the tables they share."""
