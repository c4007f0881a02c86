"""The policy: Ling-lite's architecture, packing of documents, log-probabilities, tokenizer."""

from ringexp.models.elementary import settle

settle()  # in every process that has a model, rollout engines and ranks included, before there is one
