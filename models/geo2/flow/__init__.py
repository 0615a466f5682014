"""The reversible flow between the views: path, solver and network, apart from each other."""
