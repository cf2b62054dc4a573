"""The engine on Ray Tune. Only `shoal.search.engines` imports from here, by name."""
