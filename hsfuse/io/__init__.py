"""Reading (:mod:`read`, :mod:`products`) and writing (:mod:`write`) of rasters; all file access."""
