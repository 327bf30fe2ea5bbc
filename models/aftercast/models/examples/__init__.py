"""Examples of a kind: who is at risk at which cutoff, with features and labels; how they are split and held out."""
