"""Graph → torch.nn.Module."""
