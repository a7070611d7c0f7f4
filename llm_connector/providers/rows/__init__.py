"""The rows, in one module for each wire format or cloud, so that a format is imported when a row of it is used."""
