"""Supervised fine-tuning on teacher traces."""
