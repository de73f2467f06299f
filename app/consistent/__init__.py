"""A whole clip at once: one shape, one texture and one motion for each hand, out of all the pictures that show it."""
