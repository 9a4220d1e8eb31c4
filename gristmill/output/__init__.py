"""Output of the command: tables that never fold, single things, ages, and the same again and again."""
