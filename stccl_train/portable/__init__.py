"""A trained metric in forms that other code bases use without this package."""
