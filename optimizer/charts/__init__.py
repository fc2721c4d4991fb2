"""Charts as data, and what draws them: plotly for the browser, matplotlib for pictures."""
