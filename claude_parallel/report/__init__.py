"""What a run did, afterwards: tables, figures and the report."""
