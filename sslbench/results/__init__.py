"""Read and write the record of a run."""
