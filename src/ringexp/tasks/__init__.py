"""What the command does: short functions that read like the recipe."""
