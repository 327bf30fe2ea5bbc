"""Feature views: one file a topic, each with a ``VIEW``; adding a view is adding a file here."""
