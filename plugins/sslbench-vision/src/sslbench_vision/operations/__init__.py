"""Operations on batches of images, every sample by its own numbers."""
