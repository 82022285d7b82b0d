"""Operations on profiles, and on an image together with its profile."""
