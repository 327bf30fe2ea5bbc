"""Data coming in: sources are read, checked, dated, freed of repeats, and what is refused is quarantined."""
