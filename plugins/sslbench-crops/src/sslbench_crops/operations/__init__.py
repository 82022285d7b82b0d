"""Operations that corrupt values of vectors."""
