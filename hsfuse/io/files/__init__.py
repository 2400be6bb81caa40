"""Files on this machine and objects at URLs: names, identity, and writing them whole."""
