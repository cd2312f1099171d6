"""What a network is asked, where its outputs lie on an image, and what they answer."""
