"""How arguments are read and refused: names in messages, dtypes and devices, constructors."""
