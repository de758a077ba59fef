"""Training and judging of networks: `verdigris train`, `verdigris evaluate`. Nothing that plays imports this."""
