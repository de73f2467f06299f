"""A checkpoint becomes the ONNX file that the program runs, and is checked against it."""
