"""An analysis as tables, pictures and a page, in files, on a terminal and in Weights & Biases."""
