"""Second opinions on what a model file computes, and how near they have to be."""
