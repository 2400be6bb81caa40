"""The method `kriging`: appearance of MS pixels, cells of the scene, regression per cell."""
