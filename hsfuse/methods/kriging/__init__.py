"""The method `kriging`: appearance of pixels, cells of the scene, regression in a cell."""
