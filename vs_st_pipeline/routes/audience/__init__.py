"""Route `audience`: a shop's people, products and orders, told to WayMore once as history and then as events."""
