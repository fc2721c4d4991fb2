"""The store in SQL: tables, migrations, opening, and the translation between rows and records."""
