"""The kit every report is drawn with: HTML, style, plots."""
