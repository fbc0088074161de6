"""Personal data in text: where it stands, of which type, how sure; and what a line does about it."""
