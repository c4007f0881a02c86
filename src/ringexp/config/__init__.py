"""The typed configuration: schema, validation and identity. Imports neither torch, vLLM nor MLflow."""
