"""Operations on batches of pictures, every sample by its own numbers."""
