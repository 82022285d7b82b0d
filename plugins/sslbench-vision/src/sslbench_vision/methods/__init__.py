"""Methods: a light spec module each, with its implementation beside it."""
