"""The picture of the architecture, drawn from the code."""
