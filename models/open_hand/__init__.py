"""Builds the open hand: published anthropometry -> skeleton -> implicit surface -> mesh, weights, shapes, correctives, texture."""
