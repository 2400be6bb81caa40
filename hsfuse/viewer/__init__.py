"""
A local web server that shows a fused raster of any size, with its two input images.

:mod:`opening` finds what is shown, :mod:`responses` are functions of it and of a request,
:mod:`server` is the only module that opens a socket.
"""
