"""What encoders of text share in training: the base, tokens, losses, embeddings."""
