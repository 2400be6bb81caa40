"""Reports of a run: text, JSON record, quicklook, HTML page and STAC item."""
