"""Risk lists and the files people open."""
