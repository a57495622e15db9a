"""What people dial and use: one module or package for each feature, found through entry points."""
