"""Validation of batches: cells are parsed into the contract's types, then checked; what fails goes to quarantine."""
