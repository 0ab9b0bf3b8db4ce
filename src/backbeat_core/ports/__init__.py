"""What the core needs of the world: six abstract ports, each a list of laws."""
