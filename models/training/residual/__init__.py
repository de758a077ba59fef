"""Training of the residual-quantised family: `verdigris train --model swift`."""
