"""What `verdigris bench` measures; every number in the README comes from here."""
