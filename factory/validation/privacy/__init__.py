"""Privacy: personal data in the accepted records, copies of private examples, and text repeated word for word."""
