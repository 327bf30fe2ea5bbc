"""Sources: one file each, turning a publisher's layout into batches of the contract's tables."""
