"""MLflow as the record: metric names, runs, provenance, tables."""
