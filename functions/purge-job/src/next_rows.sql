-- Where the next of those rows are.
FETCH {step} FROM expired
