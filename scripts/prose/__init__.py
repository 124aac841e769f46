"""The rules for prose, one subject a file. ``scripts/check_prose.py`` puts them to the book."""
