"""What the rooms of the chapters compute with: special functions, tables, sorting, checks of arguments."""
