"""Operations with one draw for a whole batch: specs and their implementation side by side."""
