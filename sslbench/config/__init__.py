"""Turn a request into a typed, frozen plan, or report all of its problems at once with their dotted paths."""
