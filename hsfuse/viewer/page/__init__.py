"""The page of the viewer: HTML, CSS and JavaScript, and Leaflet, which draws the tiles."""
