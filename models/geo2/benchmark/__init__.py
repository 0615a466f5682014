"""The benchmark: geo2-mini, its rivals and its ablations, trained at equal compute and measured on the same fresh splits of Null Island."""
