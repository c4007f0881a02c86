"""From published rows to a versioned dataset: cleaned, deduplicated, decontaminated, verified, of known difficulty."""
