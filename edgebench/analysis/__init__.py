"""Tables in; estimates, findings and trust out. Pure: nothing here starts a process or writes a file."""
