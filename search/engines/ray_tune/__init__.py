"""Ray Tune as an engine. Nobody else imports from here: `shoal.search.engines` loads it by name."""
