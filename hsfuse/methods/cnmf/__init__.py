"""The method `cnmf`: coupled non-negative matrix factorisation."""
