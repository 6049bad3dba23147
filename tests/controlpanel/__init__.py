"""Tests of the pages that put the apps together, and of how the panel is run."""
