"""From a float model and images to an int8 model, with the layers in float that must stay so."""
