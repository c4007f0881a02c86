"""The policy: Ling-lite's architecture, packing of documents, log-probabilities, tokenizer."""
