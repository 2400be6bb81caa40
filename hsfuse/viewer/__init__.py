"""
A local web server that displays a fused raster of any size with its two input images.

:mod:`opening` opens the scene, :mod:`responses` computes the response to a request from it, and
:mod:`server` is the only module that opens a socket.
"""
