"""Pure functions from tables to figures, used by runs and by analysis/."""
