"""What can go wrong: one small pure class per fault, named as fault files name it."""
