"""One run: config, run directory, stages with resume, manifest, report, trace."""
