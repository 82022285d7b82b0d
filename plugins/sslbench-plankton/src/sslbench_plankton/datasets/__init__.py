"""Published plankton collections: one spec each, and the readers that they share."""
