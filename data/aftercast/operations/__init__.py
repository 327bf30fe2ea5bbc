"""What runs: settings, operational database, keys, audit log, log format, errors and clocks."""
