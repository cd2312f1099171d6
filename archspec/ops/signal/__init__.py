"""The moments of values and of gradients, and the integrals behind them."""
