"""What a person sees of a run: text, record, quicklook."""
